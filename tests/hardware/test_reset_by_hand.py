"""A scene that a person resets with the arm: it goes home again before the policy has it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.hardware.boxes import own_address
from tests.hardware.by_hand import by_hand
from tests.hardware.faults import rig_at
from tests.ros.harness import TASK, graph
from tests.ros.observer import Observer
from zprl_bringup import convert
from zprl_core.config import load_task
from zprl_core.plan import Block

Vector = NDArray[np.float64]


def away_rad(eyes: Observer, home_rad: Vector) -> float:
    """How far a joint is from home."""
    return float(np.abs(convert.vector(eyes.seen["arm"][-1].joint_position_rad) - home_rad).max())


def test_an_arm_that_a_person_moved_goes_home_before_the_episode(tmp_path: Path) -> None:
    task = replace(load_task(TASK), reset="teleoperated")
    blocks = (Block("base_c", "base_c", episodes=1),)
    with graph(tmp_path / "g", lockstep=False, blocks=blocks, rig=rig_at(own_address()), task=task) as g:
        g.start_all(session={"operator": True})
        with Observer(g.domain, "arm", "report") as eyes:
            g.wait(lambda: "everybody is there" in g.log("session"), 60, "the graph")
            assert eyes.command("start")[0]
            g.wait(lambda: eyes.state == "ready", 60, "the reset")
            home_rad = convert.vector(eyes.seen["arm"][-1].joint_position_rad)

            eyes.reach_arm()
            eyes.send_chunk(by_hand(eyes.seen["arm"][-1], g.run_id, eyes.episode, rise_m=0.04))
            g.wait(lambda: any(r.source == "human" for r in eyes.seen["report"]), 20, "the person's chunk")
            (report,) = eyes.seen["report"]
            assert report.status == report.EXECUTED, report.reason
            assert "human" in {state.owner for state in eyes.seen["arm"]}
            assert eyes.state == "ready"
            g.wait(lambda: away_rad(eyes, home_rad) > 0.02, 10, "the arm is where it was told to be")
            time.sleep(2.0)  # nobody has the arm: nothing to complain of
            assert (eyes.state, eyes.seen["arm"][-1].fault) == ("ready", "")

            assert eyes.command("begin")[0]
            g.wait(lambda: eyes.state == "running", 60, "the episode")
            states = [(m.state, m.episode) for m in eyes.seen["session"]]
            assert states[-4:] == [("ready", 0), ("resetting", 0), ("ready", 0), ("running", 0)]
            assert eyes.seen["arm"][-1].homed_sequence == eyes.seen["session"][-3].sequence
