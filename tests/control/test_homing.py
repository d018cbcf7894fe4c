"""The way home: up, then joint by joint, inside all limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.control.streams import assert_within
from zprl_core.config.arm import HomingConfig, ToolConfig
from zprl_core.errors import SafetyError
from zprl_core.kinematics import ArmKinematics, KinematicGate, KinematicLimits
from zprl_core.safety import KeepOut, SafetyLimits, ServoLimiter
from zprl_core.trajectory import Setpoint
from zprl_core.trajectory.homing import Homing
from zprl_core.transforms import Pose, quaternion_from_rotvec

ARM = ArmKinematics("xarm6", ToolConfig(position_m=(0.0, 0.0, 0.15)))
GATE = KinematicGate(ARM, KinematicLimits(0.05, 3.14, 0.02, 0.01, table_m=0.0))
HOME = (0.0, -0.35, -1.05, 0.0, 1.40, 0.0)
CONFIG = HomingConfig(joints_rad=HOME, velocity_rad_s=0.5, retract_m=0.1, retract_m_s=0.1)
LIMITS = SafetyLimits(
    (0.1, -0.5, 0.0),
    (0.7, 0.5, 0.6),
    linear_m_s=0.5,
    linear_m_s2=5.0,
    linear_m_s3=100.0,
    angular_rad_s=2.0,
    angular_rad_s2=20.0,
    angular_rad_s3=400.0,
)
AWAY = np.array([0.6, 0.0, -1.3, 0.1, 1.2, 0.5])


def homing(joints: np.ndarray, limits: SafetyLimits = LIMITS, config: HomingConfig = CONFIG) -> Homing:
    at = Setpoint.at(ARM.forward(joints), 0.04)
    return Homing(ARM, limits, config, joints, at, GATE.leaving(joints))


def test_up_and_then_home() -> None:
    start, way = ARM.forward(AWAY), homing(AWAY)
    first, joints = way.sample(0.0)
    np.testing.assert_allclose(first.position, start.position, atol=1e-9)
    np.testing.assert_allclose(joints, AWAY, atol=1e-6)
    assert first.gripper_width == 0.04
    middle, _ = way.sample(0.5 * 1.875 * 0.1 / 0.1)  # half of 0.1 m, whose peak speed is 0.1 m/s
    np.testing.assert_allclose(middle.position - start.position, [0.0, 0.0, 0.05], atol=1e-9)
    np.testing.assert_allclose(middle.quaternion, start.quaternion, atol=1e-12)
    last, joints = way.sample(way.duration_s + 1.0)
    np.testing.assert_allclose(joints, HOME, atol=1e-12)
    np.testing.assert_allclose(last.position, ARM.forward(HOME).position, atol=1e-9)


def test_the_way_up_ends_where_the_workspace_does() -> None:
    start = ARM.forward(AWAY).position
    way = homing(
        AWAY,
        replace(LIMITS, workspace_high_m=(0.7, 0.5, float(start[2]) + 0.03)),
        replace(CONFIG, joints_rad=tuple(AWAY)),
    )
    heights = [way.sample(t)[0].position[2] for t in np.linspace(0.0, way.duration_s, 100)]
    assert max(heights) == pytest.approx(start[2] + 0.029, abs=1e-6)


def test_the_way_up_ends_where_the_arm_reaches_no_higher() -> None:
    """The tool points down 0.6 m ahead of the base: 0.2 m higher the arm is too short."""
    ahead = np.array([0.0, 0.469, -1.676, 0.0, 1.207, 0.0])
    high = replace(LIMITS, workspace_high_m=(0.9, 0.5, 1.2))
    way = homing(ahead, high, replace(CONFIG, retract_m=0.4))
    start = ARM.forward(ahead)
    ways = [way.sample(t) for t in np.linspace(0.0, way.duration_s, 400)]
    rising = [each for each in ways if abs(each[0].position[0] - start.position[0]) < 1e-6]
    top, joints = rising[-1]
    assert 0.1 < top.position[2] - start.position[2] < 0.35
    above = Pose(top.position + np.array([0.0, 0.0, 0.011]), start.quaternion)
    assert ARM.inverse(above, joints) is None
    np.testing.assert_allclose(ways[-1][1], HOME, atol=1e-12)


joint = st.floats(-0.4, 0.4)


@settings(max_examples=12, deadline=None)
@given(st.tuples(*[joint] * 6))
@example((0.125, -0.3125, 0.171875, 0.0, -0.375, 0.0))  # nearly as fast as the tool may be
@example((0.0, 0.0, -0.4, 0.1328125, -0.375, 0.0))  # comes to rest right below the workspace's top
def test_every_way_keeps_the_limits_and_the_joints_match(offset: tuple[float, ...]) -> None:
    joints = np.array(HOME) + np.array(offset)
    assume(ARM.forward(joints).position[2] <= LIMITS.workspace_high_m[2])  # above, the limiter slows it
    try:
        way = homing(joints)
    except SafetyError:
        return
    limiter, sent, seconds, before = (
        ServoLimiter(LIMITS, way.sample(0.0)[0]),
        [way.sample(0.0)[0]],
        [],
        joints,
    )
    for t in np.arange(0.02, way.duration_s + 0.1, 0.02):
        setpoint, angles = way.sample(float(t))
        gap_m, gap_rad = ARM.forward(angles).distance(setpoint.pose)
        assert gap_m < 1e-6 and gap_rad < 1e-6
        assert np.abs(angles - before).max() <= 0.5 * 0.02 * 1.02
        passed, clamped = limiter.limit(setpoint, 0.02)
        assert not clamped
        sent.append(passed)
        seconds.append(0.02)
        before = angles
    assert_within(LIMITS, sent, seconds)
    np.testing.assert_allclose(before, HOME, atol=1e-12)


def test_a_calibrated_arm_starts_at_its_own_pose() -> None:
    """Its own pose is 3 mm and 0.01 rad off the nominal one: no jump, and the same difference at home."""
    off = Pose(np.array([0.003, 0.0, 0.0]), quaternion_from_rotvec([0.0, 0.0, 0.01]))
    own = ARM.forward(AWAY).compose(off)
    way = Homing(ARM, LIMITS, CONFIG, AWAY, Setpoint.at(own))
    gap_m, gap_rad = way.sample(0.0)[0].pose.distance(own)
    assert gap_m < 1e-9 and gap_rad < 1e-9
    gap_m, gap_rad = way.sample(way.duration_s)[0].pose.distance(ARM.forward(HOME).compose(off))
    assert gap_m < 1e-9 and gap_rad < 1e-9


def test_already_there() -> None:
    way = homing(np.array(HOME), config=replace(CONFIG, retract_m=0.0))
    assert way.duration_s == 0.0
    np.testing.assert_array_equal(way.sample(0.0)[1], HOME)


def test_what_is_in_the_way_is_named() -> None:
    start = ARM.forward(AWAY).position
    low = replace(LIMITS, workspace_high_m=(0.7, 0.05, 0.6), workspace_low_m=(0.35, -0.5, 0.0))
    with pytest.raises(SafetyError, match=r"the way (up|to the home posture) passes .*outside the workspace"):
        homing(np.array([0.9, 0.3, -1.3, 0.1, 1.2, 0.5]), low, replace(CONFIG, joints_rad=(-0.9, *HOME[1:])))
    box = KeepOut(
        "lamp", tuple(start + np.array([-0.05, -0.05, 0.05])), tuple(start + np.array([0.05, 0.05, 0.2]))
    )
    with pytest.raises(
        SafetyError, match=r"the way up passes .*in the keep-out box 'lamp'; move the arm by hand"
    ):
        homing(AWAY, replace(LIMITS, keep_out=(box,)))
    table = KinematicGate(ARM, replace(GATE.limits, table_m=0.25))
    with pytest.raises(SafetyError, match=r"the way .* of the table, allowed"):
        Homing(ARM, LIMITS, CONFIG, AWAY, Setpoint.at(ARM.forward(AWAY)), table.distance_problem)
    elsewhere = Setpoint.at(Pose(start + np.array([0.0, 0.1, 0.0]), ARM.forward(AWAY).quaternion))
    with pytest.raises(SafetyError, match=r"lies 0\.100 m and 0\.00 rad from that of the measured joint"):
        Homing(ARM, LIMITS, CONFIG, AWAY, elsewhere)
