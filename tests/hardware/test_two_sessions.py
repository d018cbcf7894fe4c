"""A second session, or a second bridge, at an arm that moves: refused with the reason; the first goes on."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from tests.hardware import faults
from tests.ros.harness import Graph, graph
from zprl_bringup import convert
from zprl_core.plan import Block

PATIENCE_S = 2.0  # a machine that starts processes stands for as long as 0.7 s
BLOCKS = (Block("base_c", "base_c", episodes=1),)


def second(folder: Path, stage: faults.Stage, domain: int) -> Graph:
    """Another run's graph for the same arm, of which nothing was started."""
    folder.mkdir()
    rig = faults.rig_at(stage.address)
    other = Graph(folder, domain=domain, lockstep=False, blocks=BLOCKS, rig=rig)
    other.run_id = "other-run"
    return other


def undisturbed(stage: faults.Stage, since_ns: int) -> None:
    """Nobody touched the box, and the first session's arm was streamed to all the time.

    The simulated box may be late, and the arm stop for that.
    """
    recent = [state.fault for state in stage.eyes.seen["arm"] if convert.stamp_ns(state) > since_ns]
    assert recent and all(fault == "" or "tracking" in fault for fault in recent), set(recent)
    status = stage.box.status()
    assert (status["mode"], status["error"]) == (1, 0)
    setpoints_ns = [since_ns, *stage.box.trace(since_ns).setpoint_ns, time.time_ns()]
    assert np.diff(setpoints_ns).max() < stage.watchdog_s * 1e9


def test_of_two_sessions_on_a_domain_the_second_ends_and_of_two_bridges_on_an_arm_too(tmp_path: Path) -> None:
    with faults.stage(tmp_path / "g", watchdog_s=PATIENCE_S) as stage:
        faults.wait_for_motion(stage)
        same_domain = second(tmp_path / "same", stage, stage.graph.domain)
        try:
            since_ns = time.time_ns()
            process = same_domain.start("session", managed_nodes=["bridge"])
            assert process.wait(20) == 2
            owner = stage.graph.processes["session"].pid
            refusal = (
                f"error: the session of ROS domain {stage.graph.domain}: process {owner} of this machine"
            )
            assert f"{refusal} has it already" in same_domain.log("session")
        finally:
            same_domain.stop()
        undisturbed(stage, since_ns)
        stage.eyes.seen["session"][:] = [m for m in stage.eyes.seen["session"] if m.run_id == "test-run"]
        with graph(
            tmp_path / "other", lockstep=False, blocks=BLOCKS, rig=faults.rig_at(stage.address)
        ) as other:
            assert other.domain != stage.graph.domain
            since_ns = time.time_ns()
            other.start("bridge")
            session = other.start("session", managed_nodes=["bridge"])
            assert session.wait(30) == 2
            owner = stage.graph.processes["bridge"].pid
            refusal = f"arm {stage.address}: process {owner} of this machine has it already"
            assert f"cannot configure: {refusal}" in other.log("bridge")
            assert "bridge refused to configure" in other.log("session")
        undisturbed(stage, since_ns)
        faults.wait_for_motion(stage)
