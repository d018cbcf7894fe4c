"""Tools of two arms that are too near each other: they may part, and come no nearer."""

from __future__ import annotations

import numpy as np
import pytest

from zprl_arms.posture import Posture
from zprl_core.config import load_rig
from zprl_core.kinematics import ArmKinematics
from zprl_core.transforms import Pose

RIG = load_rig("dual_open_box")
LEFT, RIGHT = RIG.arms
NOW_NS = 5_000_000_000
BASES_M = 0.7
"""From the right arm's base to the left's, along y."""


@pytest.fixture
def posture() -> Posture:
    """Of the left arm; the right one is at its home."""
    made, home = Posture(RIG, LEFT, np.array(LEFT.homing.joints_rad)), np.array(RIGHT.homing.joints_rad)
    made.on_neighbour("right", home, ArmKinematics(RIGHT.model, RIGHT.tool).forward(home), NOW_NS)
    return made


def beside(gap_m: float) -> Pose:
    """A place of the left tool so far from the right one, in the left arm's frame."""
    other = ArmKinematics(RIGHT.model, RIGHT.tool).forward(RIGHT.homing.joints_rad)
    return Pose(other.position + np.array([0.0, gap_m - BASES_M, 0.0]), other.quaternion)


def test_tools_that_come_too_near_are_named(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11), NOW_NS) == ""
    said = posture.nearing_problem(beside(0.09), NOW_NS)
    assert said == "the tool is 0.090 m from that of right, allowed 0.1 m or more (tool_distance_m)"
    assert posture.tool_problem(beside(0.09)) == said


def test_tools_that_are_too_near_may_part_and_come_no_nearer(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11), NOW_NS) == ""
    posture.restart()
    assert posture.nearing_problem(beside(0.08), NOW_NS) == ""
    assert posture.tool_problem(beside(0.08))  # a chunk may not lead there all the same
    assert posture.nearing_problem(beside(0.075), NOW_NS) == ""
    assert posture.nearing_problem(beside(0.065), NOW_NS)
    for gap_m in (0.08, 0.09, 0.101):
        assert posture.nearing_problem(beside(gap_m), NOW_NS) == ""
    assert posture.nearing_problem(beside(0.095), NOW_NS)  # it was far enough


def test_an_arm_whose_neighbour_is_silent_does_not_move(posture: Posture) -> None:
    late_ns = NOW_NS + round((LEFT.watchdog_s + 0.01) * 1e9)
    assert "the state of arm 'right' is 0.21 s old, allowed 0.2 s" in posture.nearing_problem(
        beside(0.2), late_ns
    )
    fresh = Posture(RIG, LEFT, np.array(LEFT.homing.joints_rad))
    assert "the state of arm 'right' never came" in fresh.nearing_problem(beside(0.2), NOW_NS)
