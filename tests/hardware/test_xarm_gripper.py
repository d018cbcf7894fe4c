"""Grippers at the tool connector of a simulated control box, moved by the xArm driver."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.hardware.boxes import (
    arm_config,
    box,
    driver,
    gripper_config,
    moved,
    stream_for,
    wait_for,
    wait_for_fault,
)
from zprl_core.errors import RigError
from zprl_sim.xarm_box.client import BoxClient

pytest.importorskip("xarm", reason="the vendor's SDK is not installed: pip install xarm-python-sdk")

KINDS = ("robotiq_2f85", "xarm_gripper")


@pytest.fixture(scope="module", params=KINDS)
def bench(request: pytest.FixtureRequest) -> Iterator[tuple[str, BoxClient]]:
    with box("--gripper", request.param) as client:
        yield request.param, client


def test_the_newest_width_wins_and_the_measured_one_is_reported(bench: tuple[str, BoxClient]) -> None:
    kind, client = bench
    with driver(arm_config(client.address, gripper=gripper_config(kind))) as arm:
        first = arm.read()
        assert first.gripper_width_m == pytest.approx(0.085, abs=1e-3)
        stream_for(arm, 1.0, lambda t: moved(first.setpoint, (0.0, 0.0, 0.0), 0.085 - 0.05 * t))
        reading = wait_for(
            arm, lambda now: abs(_width(now.gripper_width_m) - 0.035) < 1.5e-3, "closed to 35 mm"
        )
        assert reading.fault == ""
        assert client.status()["width_m"] == pytest.approx(0.035, abs=3e-3)


def test_the_stream_does_not_wait_for_the_gripper(bench: tuple[str, BoxClient]) -> None:
    """Every setpoint has another width, and every one of the arm arrives on time all the same."""
    kind, client = bench
    client.reset(0, arm="home")
    with driver(arm_config(client.address, gripper=gripper_config(kind))) as arm:
        held = arm.read().setpoint
        since = client.inject()
        widths = lambda t: 0.06 + 0.02 * np.sin(5.0 * t)  # noqa: E731
        stream_for(arm, 2.0, lambda t: moved(held, (0.0, 0.03 * t, 0.0), float(widths(t))))
        assert arm.read().fault == ""
        came = client.trace(since).setpoint_ns
    assert len(came) > 20 and np.median(np.diff(came)) < 15e6


def test_reading_without_enabling_leaves_the_gripper_alone(bench: tuple[str, BoxClient]) -> None:
    kind, client = bench
    with driver(arm_config(client.address, gripper=gripper_config(kind))):
        pass
    client.inject(disable_motors=True)
    before = client.status()
    with driver(arm_config(client.address, gripper=gripper_config(kind)), enable=False) as shadow:
        assert _width(shadow.read().gripper_width_m) > 0.0
    assert client.status() == before


def test_another_gripper_is_refused(bench: tuple[str, BoxClient]) -> None:
    kind, client = bench
    other = KINDS[1 - KINDS.index(kind)]
    try:
        with (
            pytest.raises(RigError, match=f"gripper {other}"),
            driver(arm_config(client.address, gripper=gripper_config(other))),
        ):
            pass
    finally:
        client.inject(error=0)


def test_a_gripper_that_falls_silent_is_a_fault(bench: tuple[str, BoxClient]) -> None:
    kind, client = bench
    with driver(arm_config(client.address, gripper=gripper_config(kind))) as arm:
        client.inject(drop_tool=True)
        wait_for_fault(arm, "C19 ")
        client.inject(drop_tool=False)
        arm.clear_fault()
        assert arm.read().fault == ""


def _width(width_m: float | None) -> float:
    assert width_m is not None
    return width_m
