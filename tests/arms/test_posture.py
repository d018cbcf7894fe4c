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
BASES_M = 0.7
"""From the right arm's base to the left's, along y."""


@pytest.fixture
def posture() -> Posture:
    """Of the left arm; the right one is at its home."""
    made, home = Posture(RIG, LEFT, np.array(LEFT.homing.joints_rad)), np.array(RIGHT.homing.joints_rad)
    made.on_neighbour("right", home, ArmKinematics(RIGHT.model, RIGHT.tool).forward(home))
    return made


def beside(gap_m: float) -> Pose:
    """A place of the left tool so far from the right one, in the left arm's frame."""
    other = ArmKinematics(RIGHT.model, RIGHT.tool).forward(RIGHT.homing.joints_rad)
    return Pose(other.position + np.array([0.0, gap_m - BASES_M, 0.0]), other.quaternion)


def test_tools_that_come_too_near_are_named(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11)) == ""
    said = posture.nearing_problem(beside(0.09))
    assert said == "the tool is 0.090 m from that of right, allowed 0.1 m or more (tool_distance_m)"
    assert posture.tool_problem(beside(0.09)) == said


def test_tools_that_are_too_near_may_part_and_come_no_nearer(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11)) == ""
    posture.restart()
    assert posture.nearing_problem(beside(0.08)) == ""
    assert posture.tool_problem(beside(0.08))  # a chunk may not lead there all the same
    assert posture.nearing_problem(beside(0.075)) == ""
    assert posture.nearing_problem(beside(0.065))
    for gap_m in (0.08, 0.09, 0.101):
        assert posture.nearing_problem(beside(gap_m)) == ""
    assert posture.nearing_problem(beside(0.095))  # it was far enough
