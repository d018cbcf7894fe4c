"""What is commanded keeps its distances, and the arm's elbow is elsewhere: what is measured counts too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading
from zprl_arms.posture import Posture
from zprl_core.config import load_rig, load_task
from zprl_core.kinematics import ArmKinematics
from zprl_core.kinematics.clearance import OtherArm
from zprl_core.kinematics.gate import KinematicGate
from zprl_core.kinematics.guard import TouchGuard
from zprl_core.trajectory import Setpoint

RIG, TASK, S = load_rig("dual_open_box"), load_task("open_box"), 1_000_000_000
LEFT, RIGHT = (replace(arm, limits=replace(arm.limits, external_force_n=None)) for arm in RIG.arms)
HOME = np.array(LEFT.homing.joints_rad)
KINEMATICS = ArmKinematics(LEFT.model, LEFT.tool)
GATE = KinematicGate.of(LEFT, RIG.table_m)
FLAT = np.array([0.0, 1.6, 0.0, -0.5, 0.0, 2.0, 0.8])
"""Forearm on the table."""


class Running:
    """The left arm at home, in a running session, with the right one at its own home."""

    def __init__(self) -> None:
        self.start = Setpoint.at(KINEMATICS.forward(HOME), 0.05)
        self.posture = Posture(RIG, LEFT, HOME)
        self.controller = ArmController(LEFT, TASK, "run", self.start, posture=self.posture)
        self.hear(np.array(RIGHT.homing.joints_rad))
        self.controller.on_session("running", 0, S, self.start)

    def hear(self, joints_rad: np.ndarray) -> None:
        """The right arm's elbow is measured somewhere, its tool where it always was."""
        home = np.array(RIGHT.homing.joints_rad)
        tool = ArmKinematics(RIGHT.model, RIGHT.tool).forward(home)
        self.posture.on_neighbour(RIGHT.name, joints_rad, tool, S, tool)

    def measure(self, joints_rad: np.ndarray) -> str:
        """The left arm's elbow is measured somewhere; its tool is where it was told to be."""
        here = ArmReading(joints_rad, np.zeros(7), self.start.pose, 0.05)
        self.controller.on_reading(here, S)
        return self.controller.fault


def test_an_arm_whose_measured_links_reach_the_table_stops() -> None:
    arm = Running()
    assert arm.measure(HOME) == ""
    assert GATE.clearance(FLAT).margin_m < -0.03
    fault = arm.measure(FLAT)
    assert fault.startswith("as it is measured, ") and "the table" in fault
    assert arm.controller.owner == "stop"


def test_an_arm_stops_where_another_one_s_elbow_is_in_its_links() -> None:
    arm = Running()
    assert arm.measure(HOME) == ""
    arm.hear(mirrored_onto_left())
    assert RIGHT.name in arm.measure(HOME)


def mirrored_onto_left() -> np.ndarray:
    """A posture of the right arm whose links are in the left one's."""
    right, rng = KinematicGate.of(RIGHT, RIG.table_m), np.random.default_rng(0)
    low, high = right.kinematics.lower_rad, right.kinematics.upper_rad
    while True:
        joints = low + rng.random(7) * (high - low)
        if GATE.clearance(HOME, [OtherArm(RIGHT.name, right.bodies.at(joints))]).margin_m < -0.06:
            return joints


def test_what_touches_where_the_arm_goes_on_may_part_and_come_no_deeper() -> None:
    guard, up = TouchGuard(GATE.bodies, RIG.table_m), FLAT - 0.15 * np.eye(7)[1]
    assert GATE.clearance(up).margin_m > GATE.clearance(FLAT).margin_m + 0.01
    assert guard.problem(FLAT) == "" == guard.problem(up)
    guard.restart()
    assert guard.problem(up) == "" and "the table" in guard.problem(FLAT)


def test_once_apart_it_may_not_touch_again() -> None:
    guard = TouchGuard(GATE.bodies, RIG.table_m)
    assert guard.problem(FLAT) == "" == guard.problem(HOME)
    assert "the table" in guard.problem(FLAT)


@pytest.mark.parametrize(
    ("joint", "at_rad", "way", "allowed_rad_s"),
    [
        (3, -0.5, 1.0, np.sqrt(8.0 * 0.3542) - 0.3),  # 1.383
        (3, -0.5, -1.0, 2.62),
        (1, 1.5918, 1.0, np.sqrt(5.17 * 0.2) - 0.2),
        (5, 0.6, -1.0, np.sqrt(11.0 * 0.05908) - 0.35),
        (0, 0.0, 1.0, 2.62),
        (6, 3.1, 1.0, 0.0),
    ],
)
def test_an_fr3_may_turn_the_slower_the_nearer_a_joint_is_to_its_end(
    joint: int, at_rad: float, way: float, allowed_rad_s: float
) -> None:
    """libfranka's `computeUpperLimitsJointVelocity` and `computeLowerLimitsJointVelocity`, by hand."""
    angles = np.array([0.0, 0.0, 0.0, -1.5, 0.0, 1.5, 0.0])
    angles[joint] = at_rad
    speeds = ArmKinematics("fr3").speeds_rad_s(angles, np.full(7, way))
    assert speeds[joint] == pytest.approx(allowed_rad_s, abs=1e-9)
    fer = ArmKinematics("fer")
    assert (fer.speeds_rad_s(angles, np.full(7, way)) == fer.speed_rad_s).all()
