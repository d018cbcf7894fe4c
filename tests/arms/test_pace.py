"""Setpoints that were held up are caught up with slowly; others are sent as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprl_arms.drivers.xarm_pace import Pace
from zprl_core.config import load_rig
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

PERIOD_S = 1 / 90
START = np.array([0.3, 0.0, 0.2])
DOWN = np.array([0.0, 1.0, 0.0, 0.0])
(ARM,) = load_rig("xarm6_place_orange").arms


def along(t_s: float) -> Setpoint:
    """A smooth way of 0.2 m in a second."""
    y = 0.2 * (10 * t_s**3 - 15 * t_s**4 + 6 * t_s**5)
    return Setpoint(START + np.array([0.0, y, 0.0]), DOWN, None)


def test_what_is_not_held_up_is_sent_as_it_is() -> None:
    pace = Pace(ARM, Pose(START, DOWN), np.zeros(6))
    for n in range(90):
        wanted = along(n * PERIOD_S)
        sent = pace.pose(wanted, n * PERIOD_S * (1.0 + 0.2 * (n % 2)))
        assert sent.position is wanted.position


def test_after_a_gap_the_arm_catches_up_inside_its_limits() -> None:
    pace, limits = Pace(ARM, Pose(START, DOWN), np.zeros(6)), ARM.limits
    held_up = range(30, 60)  # a third of a second in the fastest part
    times = [n * PERIOD_S for n in range(150) if n not in held_up]
    sent = [pace.pose(along(min(t_s, 1.0)), t_s).position for t_s in times]
    speed = np.linalg.norm(np.diff(sent, axis=0), axis=1) / PERIOD_S
    assert speed.max() <= limits.linear_velocity_m_s * (1 + 1e-6)
    after = np.array(sent[29:])
    velocity = np.vstack((np.zeros((1, 3)), np.diff(after, axis=0))) / PERIOD_S  # it stood meanwhile
    acceleration = np.linalg.norm(np.diff(velocity, axis=0), axis=1) / PERIOD_S
    assert acceleration.max() <= limits.linear_acceleration_m_s2 * (1 + 1e-3)
    assert sent[-1] == pytest.approx(along(1.0).position, abs=1e-6)


def test_joint_angles_that_were_held_up_are_caught_up_without_a_leap() -> None:
    """0.9 rad/s of one joint; a third of a second is held up, in which the arm comes to stand."""
    pace = Pace(ARM, Pose(START, DOWN), np.zeros(6))
    held_up = range(30, 60)

    def wanted(n: int) -> np.ndarray:
        u = min(n / 90, 1.0)
        return np.array([0.5 * u**3 * (10 - 15 * u + 6 * u * u), 0.0, 0.0, 0.0, 0.0, 0.1 * u])

    sent = [pace.joints(wanted(n), n * PERIOD_S) for n in range(150) if n not in held_up]
    np.testing.assert_array_equal(sent[20], wanted(20))
    after = np.array(sent[29:])
    velocity = np.vstack((np.zeros((1, 6)), np.diff(after, axis=0))) / PERIOD_S
    assert np.abs(velocity).max() <= ARM.limits.joint_velocity_rad_s * (1 + 1e-6)
    assert np.abs(np.diff(velocity, axis=0)).max() / PERIOD_S <= 20.0 * (1 + 1e-6)
    assert np.abs(velocity).max() > 1.5, "it must catch up"
    assert sent[-1] == pytest.approx(wanted(150), abs=1e-6)


def test_joint_angles_that_stop_shortly_are_not_gone_beyond() -> None:
    """1.5 rad/s, and at rest within three periods: 45 rad/s^2, more than the box itself gives a joint."""
    pace, speed = (
        Pace(ARM, Pose(START, DOWN), np.zeros(6)),
        np.array([*np.linspace(0.0, 1.5, 31), 1.0, 0.5, 0.0]),
    )
    angles = np.cumsum(speed) * PERIOD_S
    wanted = [np.array([angle, 0.0, 0.0, 0.0, 0.0, 0.0]) for angle in (*angles, *[angles[-1]] * 30)]
    sent = [pace.joints(joints, n * PERIOD_S) for n, joints in enumerate(wanted)]
    np.testing.assert_array_equal(sent, wanted)


def test_joint_angles_are_bounded_by_the_rigs_speed() -> None:
    arm = replace(ARM, limits=replace(ARM.limits, joint_velocity_rad_s=0.09))
    pace = Pace(arm, Pose(START, DOWN), np.zeros(6))
    goal = np.array([0.02, -0.01, 0.0, 0.0, 0.0, 0.0])
    sent = [pace.joints(goal, n * PERIOD_S) for n in range(40)]
    assert np.abs(np.diff(sent, axis=0)).max() <= 0.09 * PERIOD_S * (1 + 1e-6)
    assert sent[-1] is goal
