# SPDX-License-Identifier: Apache-2.0
"""The small motion with which `zprl doctor --measure` times an arm: 2 cm up and back, twice.

It goes through what every motion goes through: limits, kinematics, the `SetpointStream`, the driver.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import RigError, SafetyError
from zprl_core.safety.supervision import contact_problem, tracking_problem
from zprl_core.trajectory import quintic
from zprl_core.transforms import Pose

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver, ArmReading
    from zprl_arms.posture import Posture
    from zprl_core.trajectory import Setpoint

HEIGHT_M, TIMES = 0.02, 2
QUIET_S = 0.6  # before and after the motion
_ONE_WAY_S = 0.8
_SHARE = 0.5  # of the rig's limits
_PLACES = 20  # at which the way is checked
_REST_S = 2.0
_NOW_NS = 0  # the other arms stand still: the present is any time
_SAME_M = 0.02  # as homing asks for


@dataclass
class Track:
    """What was commanded and measured: heights above the start, m, and their times, s of one clock."""

    commanded_s: list[float] = field(default_factory=list)
    commanded_m: list[float] = field(default_factory=list)
    measured_s: list[float] = field(default_factory=list)
    measured_m: list[float] = field(default_factory=list)


def one_way_s(arm: ArmConfig) -> float:
    """How long the way up takes, so that half of every limit suffices."""
    limits = arm.limits
    speed, acceleration = _SHARE * limits.linear_velocity_m_s, _SHARE * limits.linear_acceleration_m_s2
    most = (speed, acceleration, _SHARE * limits.linear_jerk_m_s3)
    return max(_ONE_WAY_S, quintic.duration_s(HEIGHT_M, most))


def height_m(elapsed_s: float, way_s: float) -> float:
    """Height above the start: quiet, up and down again `TIMES` times, quiet."""
    ways, share = divmod(max(elapsed_s - QUIET_S, 0.0) / way_s, 1.0)
    if ways >= 2 * TIMES:
        return 0.0
    u = share if ways % 2 == 0 else 1.0 - share
    return HEIGHT_M * u**3 * (10.0 - 15.0 * u + 6.0 * u * u)


def move_up_and_back(
    rig: RigConfig, arm: ArmConfig, driver: ArmDriver, neighbours: Sequence[tuple[str, ArmReading]] = ()
) -> Track:
    """Move a connected, enabled arm, and bring it to rest whatever happens.

    Args:
        rig, arm: which arm.
        driver: of the arm.
        neighbours: the other arms of the rig, where they are.

    Raises:
        RigError: the way is not free, or the arm complained or did not follow.
    """
    from zprl_arms.posture import Posture

    reading = driver.read()
    if reading.fault:
        raise RigError(f"arm '{arm.name}': {reading.fault}")
    posture = Posture(rig, arm, reading.joint_position_rad)
    for name, other in neighbours:
        posture.on_neighbour(name, other.joint_position_rad, other.pose_base_tcp, _NOW_NS)
    start = reading.setpoint.pose
    if problem := _way_problem(arm, posture, reading):
        raise RigError(
            f"arm '{arm.name}': not moved, {HEIGHT_M:g} m up is not free: {problem}. Move the arm to a free "
            "place, by hand or with the vendor's program"
        )
    mover = _Mover(arm, driver, posture, start)
    try:
        return mover.run()
    except SafetyError as error:
        raise RigError(f"arm '{arm.name}': stopped: {error}") from error
    finally:
        mover.come_to_rest()


class _Mover:
    def __init__(self, arm: ArmConfig, driver: ArmDriver, posture: Posture, start: Pose) -> None:
        from zprl_arms.limits import safety_limits
        from zprl_arms.stream import SetpointStream
        from zprl_core.grid import TickGrid
        from zprl_core.trajectory import Setpoint

        self._arm, self._driver, self._start = arm, driver, start
        self._grid, self._servo_s = TickGrid(arm.servo_rate_hz), 1.0 / arm.servo_rate_hz
        self._setpoints = SetpointStream(safety_limits(arm), Setpoint.at(start), posture)
        self._track, self._way_s = Track(), one_way_s(arm)
        self._n = self._first = self._grid.index(time.time_ns()) + 1

    def run(self) -> Track:
        """The whole motion; every servo period is late by nothing, or left out."""
        length_s = 2 * QUIET_S + 2 * TIMES * self._way_s
        while (self._n - self._first) * self._servo_s < length_s:
            step_s = self._wait()
            self._look()
            elapsed_s = (self._n + 1 - self._first) * self._servo_s
            self._send(self._wanted(elapsed_s), step_s)
        return self._track

    def come_to_rest(self) -> None:
        """Slow down inside the limits and hold; nothing is streamed to an arm that complains."""
        end_s = time.monotonic() + _REST_S
        while time.monotonic() < end_s and not self._driver.read().fault:
            step_s = self._wait()
            setpoint, at_rest = self._setpoints.brake(step_s)
            self._stream(setpoint)
            if at_rest:
                return

    def _wait(self) -> float:
        """Until the next servo period begins; gives the time since the last one, s."""
        before, now_ns = self._n, time.time_ns()
        self._n = max(before + 1, self._grid.index(now_ns) + 1)
        time.sleep(max(0.0, (self._grid.at(self._n) - now_ns) * 1e-9))
        return (self._n - before) * self._servo_s

    def _look(self) -> None:
        reading, limits = self._driver.read(), self._arm.limits
        problem = (
            reading.fault
            or tracking_problem(
                self._setpoints.last.pose, reading.pose_base_tcp, limits.tracking_m, limits.tracking_rad
            )
            or contact_problem(reading.wrench_base, limits.external_force_n, limits.external_torque_nm)
        )
        if problem:
            raise SafetyError(problem)
        stamp_s = (time.time_ns() if reading.stamp_ns is None else reading.stamp_ns) * 1e-9
        if not self._track.measured_s or stamp_s > self._track.measured_s[-1]:
            self._track.measured_s.append(stamp_s)
            self._track.measured_m.append(float(reading.pose_base_tcp.position[2] - self._start.position[2]))

    def _wanted(self, elapsed_s: float) -> Setpoint:
        from zprl_core.trajectory import Setpoint

        up = np.array((0.0, 0.0, height_m(elapsed_s, self._way_s)))
        return Setpoint.at(Pose(self._start.position + up, self._start.quaternion))

    def _send(self, wanted: Setpoint, step_s: float) -> None:
        sent, _ = self._setpoints.follow(wanted, None, step_s)
        self._stream(sent)
        self._track.commanded_s.append(self._grid.at(self._n + 1) * 1e-9)
        self._track.commanded_m.append(float(sent.position[2] - self._start.position[2]))

    def _stream(self, setpoint: Setpoint) -> None:
        joints = self._setpoints.joints_rad if self._driver.streams_joints else None
        self._driver.stream(setpoint, joints)


def _way_problem(arm: ArmConfig, posture: Posture, reading: ArmReading) -> str:
    """Why the tool cannot go up from where it is; empty where it can."""
    from zprl_arms.limits import safety_limits
    from zprl_core.actions import ArmWaypoints
    from zprl_core.kinematics.arm import ArmKinematics
    from zprl_core.safety.checks import Situation, check_keep_out
    from zprl_core.safety.region import Region
    from zprl_core.trajectory import Chunk
    from zprl_core.trajectory.motion import as_vector

    start, limits = reading.setpoint, safety_limits(arm)
    by_joints = ArmKinematics(arm.model, arm.tool).forward(reading.joint_position_rad)
    apart_m, _ = by_joints.distance(start.pose)
    if apart_m > _SAME_M:
        return (
            f"by its joints and the rig's tool the tool is {apart_m:.3f} m from where the controller says, "
            f"allowed {_SAME_M:g} m; correct model or tool"
        )
    heights = np.linspace(0.0, HEIGHT_M, _PLACES + 1)[1:]
    points = start.position + np.outer(heights, (0.0, 0.0, 1.0))
    region = Region.of(limits)
    for point in (start.position, points[-1]):
        if not region.holds(as_vector(point)):
            box = f"{limits.workspace_low_m} to {limits.workspace_high_m} m"
            return f"{point[2]:.3f} m high is outside the workspace {box}"
    way = ArmWaypoints(points, np.tile(start.quaternion, (_PLACES, 1)))
    chunk = Chunk(0, 0, 0, one_way_s(arm) / _PLACES, way)
    here = Situation(_NOW_NS - 1, "", 0, "", start)
    return check_keep_out(chunk, here, limits) or posture.chunk_problem(chunk, start, _NOW_NS)
