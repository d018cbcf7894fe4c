"""Joints follow a stop, and stop by themselves where there are no joint angles for the tool's way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading
from zprl_arms.limits import safety_limits
from zprl_arms.posture import Posture
from zprl_arms.stream import SetpointStream
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.errors import SafetyError
from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.safety import ChunkCommand
from zprl_core.safety.joints import JOINT_RAD_S2, JointStop
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, quaternion_from_rotvec, quaternion_multiply

RIG, TASK = load_rig("xarm6_place_orange"), load_task("place_orange_demo")
(GIVEN,) = RIG.arms
ARM = replace(
    GIVEN,
    workspace=replace(GIVEN.workspace, min_m=(-1.0, -1.0, 0.0), max_m=(1.0, 1.0, 1.0), keep_out=()),
    limits=replace(
        GIVEN.limits,
        linear_acceleration_m_s2=3.0,
        linear_jerk_m_s3=800.0,
        angular_acceleration_rad_s2=40.0,
        angular_jerk_rad_s3=4000.0,
        min_singular_value=0.0,
        link_distance_m=0.0,
        tracking_m=1.0,
        tracking_rad=6.0,
    ),
)
KINEMATICS = ArmKinematics(ARM.model, ARM.tool)
CODEC = ActionCodec.from_config(TASK.action)
H, DT_S, S, PERIOD_S = TASK.action.chunk, TASK.tick_s, 1_000_000_000, 1.0 / GIVEN.servo_rate_hz
HOME = np.array(ARM.homing.joints_rad)
WIDTH_M = 0.05


class Arm:
    """A controller that streams joint angles, and an arm that follows at once."""

    def __init__(self, joints: np.ndarray) -> None:
        self.start = Setpoint.at(KINEMATICS.forward(joints), WIDTH_M)
        posture = Posture(RIG, ARM, joints)
        self.controller = ArmController(ARM, TASK, "run", self.start, posture=posture, streams_joints=True)
        self.controller.on_session("running", 0, S, self.start)
        self.now_ns, self.joints, self.poses = S, [joints], [self.start.pose]

    def command(self, step_m: np.ndarray, turn_rad: np.ndarray) -> bool:
        """A straight chunk, so much a waypoint, that begins now."""
        shares = np.minimum(np.arange(1, H + 1) - 0.5, H)[:, None]
        quaternions = quaternion_multiply(self.start.quaternion, quaternion_from_rotvec(shares * turn_rad))
        way = ArmWaypoints(self.start.position + shares * step_m, quaternions, np.full(H, WIDTH_M))
        actions = CODEC.encode([way])
        command = ChunkCommand("run", 0, 0, self.now_ns, DT_S, actions.shape[1], actions)
        return self.controller.command(command, self.now_ns)

    def serve(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            reading = ArmReading(self.joints[-1], np.zeros(6), self.poses[-1], WIDTH_M)
            self.controller.on_reading(reading, self.now_ns)
            self.now_ns += round(PERIOD_S * S)
            sent = self.controller.setpoint(self.now_ns, PERIOD_S)
            assert self.controller.joints is not None
            self.joints.append(self.controller.joints)
            self.poses.append(sent.pose)

    def velocity(self) -> np.ndarray:
        return np.diff(self.joints, axis=0) / PERIOD_S


def reaching() -> Arm:
    """At 0.25 m/s outwards, up to 15 mm before the arm is stretched: it takes more to stop."""
    outwards, joints, steps = np.array([0.005, 0.0, 0.0]), [HOME], 0
    while True:
        steps += 1
        start = KINEMATICS.forward(HOME)
        found = KINEMATICS.inverse(Pose(start.position + steps * outwards, start.quaternion), joints[-1])
        if found is None:
            break
        joints.append(found)
    speed_m_s = 0.25
    back = round((speed_m_s * DT_S * (H - 0.5) + 0.015) / 0.005)
    arm = Arm(joints[-back])
    assert arm.command(np.array([speed_m_s * DT_S, 0.0, 0.0]), np.zeros(3)), arm.controller.reports(S)
    return arm


def test_where_the_tool_cannot_go_on_the_joints_slow_down() -> None:
    arm = reaching()
    arm.serve(H * DT_S + 1.0)
    assert "setpoint" in arm.controller.fault, "it must have come to the end of its reach"
    assert arm.controller.at_rest
    velocity = arm.velocity()
    fastest = np.abs(velocity).max(axis=1)
    assert fastest.max() > 2.5 and fastest[-20:].max() == 0.0
    change = np.abs(np.diff(velocity, axis=0)).max(axis=1) / PERIOD_S
    assert change[fastest.argmax() :].max() <= 3.0 * JOINT_RAD_S2, "the joints must not stop dead, or leap"
    tools = np.array([KINEMATICS.forward(joints).position for joints in arm.joints])
    np.testing.assert_allclose(tools, [pose.position for pose in arm.poses], atol=1e-6)
    speed = np.linalg.norm(np.diff(tools, axis=0), axis=1) / PERIOD_S
    acceleration = np.linalg.norm(np.diff(tools, n=2, axis=0), axis=1) / PERIOD_S**2
    assert speed[fastest.argmax() :].max() <= 0.25 * 1.02
    assert acceleration.max() <= ARM.limits.linear_acceleration_m_s2 * (1.0 + 1e-3)


def test_a_setpoint_that_cannot_be_sent_starts_a_stop_inside_the_limits() -> None:
    """What is not sent does not count: the stop begins where, and as fast as, the last setpoint was."""
    start = Setpoint.at(KINEMATICS.forward(HOME), WIDTH_M)
    stream = SetpointStream(safety_limits(ARM), start, Posture(RIG, ARM, HOME))
    places = [start.position]

    for n in range(60):
        wanted = Setpoint(start.position + np.array([0.0, 2e-5 * n * n, 0.0]), start.quaternion, WIDTH_M)
        places.append(stream.follow(wanted, None, PERIOD_S)[0].position)
    with pytest.raises(SafetyError):
        stream.follow(Setpoint(places[-1] + np.array([9.0, 0.0, 0.0]), start.quaternion), None, PERIOD_S)
    with pytest.raises(SafetyError):
        stream.follow(Setpoint(np.full(3, np.nan), start.quaternion), None, PERIOD_S)
    assert stream.last.position is places[-1]
    for _ in range(60):
        places.append(stream.brake(PERIOD_S).setpoint.position)
    velocity = np.diff(places, axis=0) / PERIOD_S
    acceleration = np.linalg.norm(np.diff(velocity, axis=0), axis=1) / PERIOD_S
    assert np.linalg.norm(velocity, axis=1).max() > 0.15 and np.linalg.norm(velocity[-1]) == 0.0
    assert acceleration.max() <= ARM.limits.linear_acceleration_m_s2 * (1 + 1e-3)
    jerk = np.linalg.norm(np.diff(velocity, n=2, axis=0), axis=1) / PERIOD_S**2
    assert jerk[3:].max() <= ARM.limits.linear_jerk_m_s3 * (1 + 1e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-0.9, 0.9), min_size=6, max_size=6),
    st.lists(st.floats(-1.0, 1.0), min_size=6, max_size=6),
)
def test_no_joint_leaps_or_passes_its_limit_whatever_is_commanded(
    shares: list[float], twist: list[float]
) -> None:
    """From postures all over the arm's range, at up to 0.6 m/s and 2 rad/s, and then the watchdog's stop."""
    middle, half = (
        0.5 * (KINEMATICS.upper_rad + KINEMATICS.lower_rad),
        0.5 * (KINEMATICS.upper_rad - KINEMATICS.lower_rad),
    )
    joints = middle + np.array(shares) * np.minimum(half, 2.0)
    place = KINEMATICS.forward(joints).position
    assume((np.abs(place[:2]) < 0.9).all() and 0.1 < place[2] < 0.9)
    arm = Arm(joints)
    assume(arm.command(0.35 * DT_S * np.array(twist[:3]), 1.1 * DT_S * np.array(twist[3:])))
    arm.serve(H * DT_S + 1.2)
    assert arm.controller.at_rest
    fastest = 1.5 * 0.95 * min(ARM.limits.joint_velocity_rad_s, float(KINEMATICS.speed_rad_s.min()))
    assert np.abs(arm.velocity()).max() <= fastest * (1.0 + 1e-6)
    every = np.array(arm.joints)
    assert (every >= KINEMATICS.lower_rad - 1e-9).all() and (every <= KINEMATICS.upper_rad + 1e-9).all()
    tools = np.array([KINEMATICS.forward(q).position for q in arm.joints])
    np.testing.assert_allclose(tools, [pose.position for pose in arm.poses], atol=1e-5)


def test_a_joint_stop_by_hand() -> None:
    """2 and 1 rad/s lose a quarter of that in every 0.1 s: at rest after 0.4 s, 0.4 and 0.2 rad on."""
    low, high = np.full(2, -3.0), np.full(2, 3.0)

    def stop(joints: list[float]) -> JointStop:
        start, velocity = np.array(joints), np.array([2.0, 1.0])
        return JointStop(
            start, velocity, np.zeros(2), deceleration=2.5, jerk=np.inf, lower_rad=low, upper_rad=high
        )

    free = stop([0.0, 0.0])
    assert free.duration_s == pytest.approx(0.4)
    np.testing.assert_allclose(free.at(0.2), [0.3, 0.15])
    np.testing.assert_allclose(free.at(1.0), [0.4, 0.2])
    near = stop([2.8, 0.0])  # 0.2 rad before its limit: in half the way
    np.testing.assert_allclose(near.at(1.0), [3.0, 0.1])
    assert near.duration_s == pytest.approx(0.2)
    np.testing.assert_allclose(stop([3.0, 0.0]).at(1.0), [3.0, 0.0])
