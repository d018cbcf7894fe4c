"""Who listens to the policy's chunks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy")

from zprl_interfaces.msg import ActionChunk, ArmState  # noqa: E402

from policy_node.hearing import Hearing  # noqa: E402
from tests.ros.harness import OBSERVERS_NEED, without_domain  # noqa: E402
from zprl_core import single_host  # noqa: E402

ARMS = ("left", "right")


@contextmanager
def node(name: str, domain: int, namespace: str = "") -> Iterator[Any]:
    """A node of a process of its own, as far as ROS can tell."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    made = rclpy.create_node(name, context=context, namespace=namespace)
    try:
        yield made
    finally:
        made.destroy_node()
        rclpy.shutdown(context=context)


def bridge(stack: ExitStack, arm: str, domain: int, hears: tuple[str, ...] = ARMS) -> None:
    made = stack.enter_context(node("arm_bridge", domain, arm))
    made.create_publisher(ArmState, f"/arms/{arm}/state", 1)
    for other in hears:
        made.create_subscription(ActionChunk, f"/arms/{other}/command", lambda _: None, 1)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end_s = time.monotonic() + seconds
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.02)
    return condition()


def test_a_recorder_does_not_stand_in_for_a_bridge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with single_host.free_domain(without_domain()) as domain, ExitStack() as stack:
        found = single_host.environment(
            single_host.dds_profile("single_host_shm"), domain, tmp_path, os.environ
        )
        for key in OBSERVERS_NEED:
            monkeypatch.setenv(key, found[key])
        policy = stack.enter_context(node("policy_node", domain))
        chunks = {arm: policy.create_publisher(ActionChunk, f"/arms/{arm}/command", 1) for arm in ARMS}
        hearing = Hearing(policy, chunks)
        assert hearing.deaf() == list(ARMS)
        for name in ("recorder_node", "echo"):
            listener = stack.enter_context(node(name, domain))
            for arm in ARMS:
                listener.create_subscription(ActionChunk, f"/arms/{arm}/command", lambda _: None, 1)
        assert until(lambda: all(each.get_subscription_count() == 2 for each in chunks.values()))
        assert hearing.deaf() == list(ARMS)
        bridge(stack, "left", domain)
        assert until(lambda: hearing.deaf() == ["right"])
        with ExitStack() as half:
            bridge(half, "right", domain, hears=("right",))
            assert until(lambda: hearing.deaf() == ["left"])  # right does not hear what left is told
        bridge(stack, "right", domain)
        assert until(lambda: hearing.deaf() == [])
        assert hearing.deaf() == []
