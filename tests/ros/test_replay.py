# SPDX-License-Identifier: Apache-2.0
"""`zprl replay` with its real processes: what it plans is what was planned, and what one process plans."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger
from zprl_interfaces.msg import SessionState
from zprl_interfaces.srv import Seek

from tests.replay import made
from tests.ros import training
from tests.ros.harness import OBSERVERS_NEED
from zprl_bringup import qos
from zprl_core import single_host
from zprl_core.replay.plans import PLANS, STATS, Planned, read_plans
from zprl_core.replay.session import Replay, Request
from zprl_core.run_folder import read_json
from zprl_core.supervisor import Supervisor, node_command


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recorded evaluation of a base policy's two paths in lockstep, and the policy."""
    folder = tmp_path_factory.mktemp("recorded")
    task = training.tiny_task(folder)
    base, out = training.tiny_base(folder, task), folder / "evaluation"
    words = ["--rig", "sim_xarm6", "--task", str(task), "--policy", str(base), "--out", str(out), "--record"]
    done = training.zprl("evaluate", *words, "--episodes", "1", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    return out, base


def rows(out: Path) -> list[dict[str, str]]:
    """OUT/chunks.csv."""
    with (out / "chunks.csv").open() as file:
        return list(csv.DictReader(file))


def plans(out: Path) -> list[Planned]:
    """What the one policy planned."""
    (found,) = out.glob(f"*/{PLANS}")
    return read_plans(found)


def test_what_was_planned_live_is_planned_again(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    """Same observations: the same embedding; with the recorded z~ and w the same chunk, bit for bit. With the
    recorded run's seed, z and w come out again as well.
    """
    run, base = recorded
    words = ["replay", "--bag", str(run / "bags"), "--policy", str(base), "--mode", "recorded"]
    done = training.zprl(*words, "--out", str(tmp_path / "graph"))
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(tmp_path / "graph")
    assert len(found) == len(training.lines(run / "chunks.log")) >= 2
    assert {row["mode"] for row in found} == {"base_c", "base_z"}
    for row in found:
        assert (row["same_c"], row["same_actions"], row["difference"]) == ("True", "True", "0.0")
    logged = {(c["episode"], c["chunk"]): c for c in map(json.loads, training.lines(run / "chunks.log"))}
    from zprl_core.noise import digest

    for plan in plans(tmp_path / "graph"):
        line = logged[plan.episode, plan.chunk]
        names = ("c", "z", "z_tilde", "w", "actions")
        assert {n: digest(getattr(plan.plan, n)) for n in names} == {n: line[n] for n in names}


def test_an_evaluation_is_no_policy(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    run, _ = recorded
    words = ["replay", "--bag", str(run / "bags"), "--policy", str(run), "--out", str(tmp_path / "out")]
    done = training.zprl(*words)
    assert done.returncode == 2
    assert "is no training run, so it has no actor; name the run that trained it" in done.stderr


def test_the_graph_plans_what_one_process_plans(tmp_path: Path) -> None:
    """Of a bag of real time, with everything counted that was sent."""
    bag, base = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    words = ["replay", "--bag", os.path.relpath(bag), "--policy", os.path.relpath(base)]
    for name, more in (("graph", []), ("process", ["--in-process"])):
        done = training.zprl(*words, *more, "--out", str(tmp_path / name))
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(rows(tmp_path / name)) == 6, "a bag that is named from here is the player's bag"
    graph, process = plans(tmp_path / "graph"), plans(tmp_path / "process")
    assert [plan.key for plan in graph] == [plan.key for plan in process] and len(graph) == 6
    for a, b in zip(graph, process, strict=True):
        assert all(
            np.array_equal(getattr(a.plan, n), getattr(b.plan, n))
            for n in ("c", "z", "z_tilde", "w", "actions")
        )
    stats = read_json(tmp_path / "graph" / "base" / STATS)
    assert (stats["images"], stats["vectors"], stats["chunks"]) == (4 * 30, 4 * 60, 6)
    taken = read_json(tmp_path / "graph" / "base" / "stats" / "observed.json")
    assert taken == {"third_view": 4 * 30, "proprioception": 4 * 60}


@pytest.fixture
def playing(tmp_path: Path) -> Iterator[tuple[Path, Any, Supervisor]]:
    """A player at half the pace of a bag of 4 s, and a node that can speak to it."""
    bag, base = made.bag(tmp_path / "bag"), made.base(tmp_path / "base.ckpt")
    replay = Replay.prepare(Request(bags=(bag,), policies=(base,), out=tmp_path / "out", rate=0.5))
    folder = replay.folder(replay.policies[0])
    commands = [node_command(node, folder / "config") for node in replay.nodes(replay.policies[0])]
    with single_host.free_domain(dict(os.environ)) as domain, contextlib.ExitStack() as stack:
        profile = single_host.dds_profile("single_host_shm")
        environment = single_host.environment(profile, domain, folder / "logs" / "ros", dict(os.environ))
        os.environ.update({key: environment[key] for key in OBSERVERS_NEED})
        stack.callback(single_host.clean_shared_memory)
        supervisor = stack.enter_context(Supervisor(commands, folder / "logs", environment))
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        stack.callback(rclpy.shutdown, context=context)
        node = rclpy.create_node("hand", context=context)
        stack.callback(node.destroy_node)
        yield folder, node, supervisor


def test_it_pauses_seeks_and_ends(playing: tuple[Path, Any, Supervisor]) -> None:
    folder, node, supervisor = playing
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    chunks: list[int] = []
    node.create_subscription(
        SessionState, "/session/state", lambda m: chunks.append(m.cleared_chunk + 1), qos.changes()
    )

    def wait(condition: Any, what: str, timeout_s: float = 60.0) -> None:
        end_s = time.monotonic() + timeout_s
        while not condition():
            executor.spin_once(timeout_sec=0.05)
            assert time.monotonic() < end_s, f"{what}: {list((folder / 'logs').glob('*.log'))}"

    def ask(kind: Any, name: str, request: Any) -> Any:
        client = node.create_client(kind, f"/player_node/{name}")
        assert client.wait_for_service(20.0)
        future = client.call_async(request)
        wait(future.done, name)
        return future.result()

    wait(lambda: 0 in chunks, "the first chunk")
    assert ask(Trigger, "pause", Trigger.Request()).success
    planned = len(chunks)
    end_s = time.monotonic() + 1.5
    wait(lambda: time.monotonic() > end_s, "a while")
    assert len(chunks) <= planned + 1  # one may have been on its way
    refused = ask(Seek, "seek", Seek.Request(after_s=100.0))
    assert not refused.success and "after_s 100: allowed: 0 to 3.9" in refused.message
    del chunks[:]
    assert ask(Seek, "seek", Seek.Request(after_s=2.3)).success
    assert ask(Trigger, "resume", Trigger.Request()).success
    wait(lambda: supervisor.poll() is not None, "the end")
    ended = supervisor.poll()
    assert ended is not None and (ended.name, ended.code) == ("player_node", 0), ended
    assert chunks == [4, 5]  # of those that were observed 2.3 s after the first sample or later
    assert {plan.chunk for plan in read_plans(folder / PLANS)} >= {0, 4, 5}
