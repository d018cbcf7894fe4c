# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.transforms import quaternion_from_matrix
from zprl_sim import dimensions as dim
from zprl_sim import kinematics, world
from zprl_sim.kinematics import LOWER_RAD, UPPER_RAD, forward, inverse, jacobian
from zprl_sim.rig import JOINT_NAMES

WORKING = [0.0, -0.42, -0.95, 0.0, 1.37, 0.0]
ZERO = [0.0] * 6


def random_joints(count: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(LOWER_RAD, UPPER_RAD, (count, 6))


def test_at_zero_joints_the_flange_is_where_the_manual_says() -> None:
    chain = forward(ZERO)
    np.testing.assert_allclose(chain.position, (0.207, 0.0, 0.112), atol=1e-12)
    np.testing.assert_allclose(chain.rotation(), np.diag([1.0, -1.0, -1.0]), atol=1e-12)


def test_the_first_joint_turns_everything_about_the_vertical() -> None:
    chain = forward([math.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(chain.position, (0.0, 0.207, 0.112), atol=1e-12)


def test_the_second_joint_leans_the_zero_pose_forward() -> None:
    # J2 = 90 deg about the shoulder (0, 0, 267): a point (x, z - 267) goes to (z - 267, -x).
    chain = forward([0.0, math.pi / 2, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(chain.position, (-0.155, 0.0, 0.060), atol=1e-12)


def test_a_tool_lengthens_along_the_flange() -> None:
    assert forward(ZERO, 0.1).position == pytest.approx((0.207, 0.0, 0.012))


def test_the_joint_limits_are_those_of_the_xarm6() -> None:
    np.testing.assert_allclose(np.degrees(LOWER_RAD), (-360, -118, -225, -360, -97, -360))
    np.testing.assert_allclose(np.degrees(UPPER_RAD), (360, 120, 11, 360, 180, 360))


def test_the_model_has_the_same_limits() -> None:
    model = world.model()
    ranges = np.array([model.joint(name).range for name in JOINT_NAMES])
    np.testing.assert_allclose(ranges, np.stack((LOWER_RAD, UPPER_RAD), axis=1), atol=1e-9)


def test_the_model_agrees_with_the_dh_parameters_within_a_tenth_of_a_millimetre() -> None:
    model, data = world.model(), mujoco.MjData(world.model())
    for joints in random_joints(300):
        data.qpos[world.addresses(JOINT_NAMES)] = joints
        mujoco.mj_kinematics(model, data)
        chain = forward(joints, dim.TOOL_LENGTH)
        assert np.linalg.norm(data.site("tcp").xpos - chain.position) < 1e-4
        np.testing.assert_allclose(data.site("tcp").xmat.reshape(3, 3), chain.rotation(), atol=1e-6)


def test_the_jacobian_is_the_derivative_of_the_pose() -> None:
    step = 1e-6
    for joints in random_joints(20):
        chain = forward(joints, dim.TOOL_LENGTH)
        jac = jacobian(chain)
        for index in range(6):
            moved = forward(joints + step * np.eye(6)[index], dim.TOOL_LENGTH)
            velocity = np.subtract(moved.position, chain.position) / step
            skew = (moved.rotation() - chain.rotation()) @ chain.rotation().T / step
            omega = (skew[2, 1], skew[0, 2], skew[1, 0])
            np.testing.assert_allclose(jac[:, index], (*velocity, *omega), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.floats(0.28, 0.52), st.floats(-0.25, 0.25), st.floats(0.0, 0.30)),
    st.floats(-0.6, math.pi / 2 + 0.3),
    st.floats(-0.2, 0.2),
)
def test_inverse_kinematics_finds_every_pose_of_the_cell(
    position: tuple[float, float, float], yaw: float, tilt: float
) -> None:
    goal = rotation(yaw) @ np.array(
        [[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]]
    )
    goal = goal @ np.diag([1.0, -1.0, -1.0])
    quaternion = quaternion_from_matrix(goal)
    found = inverse(position, quaternion, WORKING, dim.TOOL_LENGTH, iterations=100)
    chain = forward(found.joints_rad, dim.TOOL_LENGTH)
    assert np.linalg.norm(np.subtract(chain.position, position)) < 1e-4
    np.testing.assert_allclose(chain.rotation(), goal, atol=1e-4)
    assert (np.array(found.joints_rad) >= LOWER_RAD).all()
    assert (np.array(found.joints_rad) <= UPPER_RAD).all()


def rotation(yaw: float) -> np.ndarray:
    c, s = math.cos(yaw), math.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-0.02, 0.02), min_size=6, max_size=6))
def test_a_servo_step_stays_on_its_branch(change: list[float]) -> None:
    goal = forward(np.add(WORKING, change), dim.TOOL_LENGTH)
    quaternion = quaternion_from_matrix(goal.rotation())
    found = inverse(goal.position, quaternion, WORKING, dim.TOOL_LENGTH)
    np.testing.assert_allclose(found.joints_rad, np.add(WORKING, change), atol=1e-3)


def test_out_of_reach_is_said_and_no_limit_is_passed() -> None:
    found = inverse((1.5, 0.0, 0.2), (0.0, 1.0, 0.0, 0.0), WORKING, dim.TOOL_LENGTH, iterations=200)
    assert found.error > 0.3
    assert (np.array(found.joints_rad) >= LOWER_RAD).all()
    assert (np.array(found.joints_rad) <= UPPER_RAD).all()


def test_the_table_is_the_published_one() -> None:
    rows = [(1e3 * row.d, 1e3 * row.a, math.degrees(row.alpha), row.offset) for row in kinematics.DH]
    published = [
        (267.0, 0.0, -90.0, 0.0),
        (0.0, 289.48866, 0.0, -1.3849179),
        (0.0, 77.5, -90.0, 1.3849179),
        (342.5, 0.0, 90.0, 0.0),
        (0.0, 76.0, -90.0, 0.0),
        (97.0, 0.0, 0.0, 0.0),
    ]
    np.testing.assert_allclose(rows, published, atol=0.003)  # its a2 is misprinted by 2 micrometres
    np.testing.assert_allclose([row[3] for row in rows], [row[3] for row in published], atol=1e-7)
