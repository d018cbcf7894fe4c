"""The chunk to where a hand wants the arm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.teleop import Pace, way_to
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, angle_between, quaternion_from_rotvec

PACE, DT_S, H = Pace(0.3, 1.0, 0.1), 0.05, 16
TOLD = Setpoint(np.array([0.4, 0.0, 0.2]), np.array([0.0, 1.0, 0.0, 0.0]), 0.08)


def test_it_goes_straight_and_then_holds() -> None:
    target = Pose(np.array([0.43, 0.0, 0.2]), TOLD.quaternion)
    way = way_to(TOLD, target, 0.07, pace=PACE, waypoints=4, dt_s=DT_S)
    np.testing.assert_allclose(way.position[:, 0], [0.415, 0.43, 0.43, 0.43])
    np.testing.assert_allclose(way.gripper_width, [0.075, 0.07, 0.07, 0.07])
    np.testing.assert_allclose(way.quaternion, np.tile(TOLD.quaternion, (4, 1)))


def test_it_slows_down_where_no_other_chunk_may_follow() -> None:
    """0.3 m/s for a tick, then down to nothing over two: 15 mm, and 15 mm more."""
    pace = Pace(0.3, 1.0, 0.1, brake_s=0.1)
    target = Pose(np.array([1.4, 0.0, 0.2]), TOLD.quaternion)
    way = way_to(TOLD, target, 0.0, pace=pace, waypoints=5, dt_s=DT_S, free_s=DT_S)
    np.testing.assert_allclose(way.position[:, 0] - 0.4, [0.015, 0.02625, 0.03, 0.03, 0.03])
    np.testing.assert_allclose(0.08 - way.gripper_width, [0.005, 0.00875, 0.01, 0.01, 0.01])


def test_without_a_gripper_there_are_no_widths() -> None:
    told = Setpoint(TOLD.position, TOLD.quaternion, None)
    assert way_to(told, TOLD.pose, 0.05, pace=PACE, waypoints=H, dt_s=DT_S).gripper_width is None


def test_a_target_that_is_told_already_is_held() -> None:
    way = way_to(TOLD, TOLD.pose, None, pace=PACE, waypoints=H, dt_s=DT_S)
    np.testing.assert_array_equal(way.position, np.tile(TOLD.position, (H, 1)))
    np.testing.assert_array_equal(way.gripper_width, np.full(H, 0.08))


number = st.floats(-1.0, 1.0)
vector = st.tuples(number, number, number)


@given(vector, vector, st.floats(0.0, 0.1))
def test_every_step_keeps_the_pace_and_place_and_rotation_arrive_together(
    at: tuple[float, ...], turn: tuple[float, ...], width_m: float
) -> None:
    target = Pose(np.array(at), quaternion_from_rotvec(np.array(turn)))
    way = way_to(TOLD, target, width_m, pace=PACE, waypoints=H, dt_s=DT_S)
    assert way.gripper_width is not None
    positions = np.vstack((TOLD.position, way.position))
    quaternions = np.vstack((TOLD.quaternion, way.quaternion))
    widths = np.concatenate(([0.08], way.gripper_width))
    assert np.linalg.norm(np.diff(positions, axis=0), axis=1).max() <= 0.3 * DT_S + 1e-9
    assert angle_between(quaternions[:-1], quaternions[1:]).max() <= 1.0 * DT_S + 1e-7
    assert np.abs(np.diff(widths)).max() <= 0.1 * DT_S + 1e-9
    gap_m, gap_rad = Pose(way.position[-1], way.quaternion[-1]).distance(target)
    begun_m, begun_rad = TOLD.pose.distance(target)
    seconds = max(begun_m / 0.3, begun_rad / 1.0, 1e-9)
    left = 1.0 - min(H * DT_S / seconds, 1.0)
    assert gap_m == pytest.approx(left * begun_m, abs=1e-9)
    assert gap_rad == pytest.approx(left * begun_rad, abs=1e-6)
