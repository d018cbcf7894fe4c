"""An arm that reports what is no number, as its bridge hears it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zprl_arms.driver import ArmReading
from zprl_arms.readings import Readings
from zprl_core.config import load_rig
from zprl_core.errors import RigError
from zprl_core.transforms import Pose

LEFT = load_rig("dual_open_box").arms[0]
GOOD = ArmReading(np.zeros(6), np.zeros(6), Pose(np.array([0.3, 0.0, 0.2])), 0.05, stamp_ns=5)
BAD_JOINTS = np.array([0.0, math.nan, 0.0, 0.0, 0.0, 0.0])


class Reporting:
    """A driver that reports what it is given; a pose is made of the numbers when it is read."""

    def __init__(self) -> None:
        self.reading, self.place = GOOD, GOOD.pose_base_tcp.position

    def read(self) -> ArmReading:
        return self.reading._replace(pose_base_tcp=Pose(self.place))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"joint_position_rad": BAD_JOINTS}, "the arm reports joint angles of [0.0, nan"),
        ({"joint_velocity_rad_s": np.full(6, math.inf)}, "joint velocities of [inf"),
        ({"gripper_width_m": math.nan}, "gripper width of [nan]"),
    ],
)
def test_what_is_no_number_is_a_problem_and_the_last_reading_stays(
    changed: dict[str, object], said: str
) -> None:
    driver = Reporting()
    readings = Readings(LEFT, driver.read)
    assert readings.newest().stamp_ns == 5 and readings.problem == ""
    driver.reading = GOOD._replace(stamp_ns=6, **changed)  # type: ignore[arg-type]
    kept = readings.newest()
    assert kept.stamp_ns == 5 and np.isfinite(kept.joint_position_rad).all()
    assert said in readings.problem and "allowed: finite numbers" in readings.problem
    driver.reading = GOOD._replace(stamp_ns=7)
    assert readings.newest().stamp_ns == 7 and readings.problem == ""


def test_a_pose_that_is_no_number_is_a_problem_too() -> None:
    driver = Reporting()
    readings = Readings(LEFT, driver.read)
    readings.newest()
    driver.place = np.array([math.nan, 0.0, 0.0])
    assert readings.newest().stamp_ns == 5
    assert "the arm's state cannot be read: position: value nan" in readings.problem


def test_an_arm_that_never_told_a_number_is_not_begun_with() -> None:
    driver = Reporting()
    driver.reading = GOOD._replace(joint_position_rad=BAD_JOINTS)
    with pytest.raises(RigError, match="arm 'left': the arm reports joint angles"):
        Readings(LEFT, driver.read).newest()


def test_in_shadow_mode_the_pose_is_that_of_the_joints_and_a_silent_gripper_is_open() -> None:
    driver = Reporting()
    driver.reading = GOOD._replace(gripper_width_m=None)
    readings = Readings(LEFT, driver.read)
    readings.pose_of(lambda joints: Pose(np.array([float(joints[0]), 0.0, 9.0])))
    found = readings.newest()
    assert found.pose_base_tcp.position.tolist() == [0.0, 0.0, 9.0]
    assert LEFT.gripper is not None and found.gripper_width_m == LEFT.gripper.max_width_m
