"""Another arm of the rig: where it is, where it was told to go, where it would come to rest. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from zprl_arms.limits import interpolator_limits
from zprl_core.config import ArmConfig
from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.clearance import OtherArm, OtherWay
from zprl_core.kinematics.distances import ArmBodies
from zprl_core.trajectory import Chunk
from zprl_core.transforms import Array, Pose, quaternion_from_rotvec

Joints = NDArray[np.float64]
Times = NDArray[np.int64]
_REMEMBERED = 4
_VELOCITY_NS = 50_000_000  # over which a tool's velocity is taken at least: stamps may come in bursts
_ROUNDING_NS = 1_000


class ToldWay:
    """Joint angles that an arm was told to reach, and when. A chunk replaces what lies after its stamp."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[Times, Joints]] = deque(maxlen=_REMEMBERED)

    def add(self, chunk: Chunk, joints_rad: Joints) -> None:
        """A chunk was told: (h, joints) at its first h waypoints."""
        times_ns = waypoint_times(chunk)[: len(joints_rad)]
        before = [(t <= chunk.stamp_ns + _ROUNDING_NS, t, joints) for t, joints in self._chunks]
        kept = [(t[early], joints[early]) for early, t, joints in before if early.any()]
        self._chunks = deque((*kept, (times_ns, joints_rad)), maxlen=_REMEMBERED)

    def times_ns(self, after_ns: int, until_ns: int) -> Times:
        """When waypoints are reached after a time and until another, (n,)."""
        times = [np.empty(0, np.int64), *(times_ns for times_ns, _ in self._chunks)]
        every = np.concatenate(times)
        return np.asarray(every[(every > after_ns) & (every <= until_ns + _ROUNDING_NS)])

    def at(self, times_ns: Times, now_ns: int, now_rad: Joints) -> Joints:
        """Where it is at times (n,), as (n, joints): from where it is now (joints,) through the waypoints to
        come, and at rest after the last one.
        """
        times, joints = [np.array([now_ns])], [now_rad[None]]
        for told_ns, told_rad in self._chunks:
            times.append(told_ns[told_ns > now_ns])
            joints.append(told_rad[told_ns > now_ns])
        knots = np.concatenate(times) - now_ns
        return np.stack([np.interp(times_ns - now_ns, knots, q) for q in np.vstack(joints).T], axis=1)


class StopPoint:
    """Where a tool that is told to move would come to rest, if it braked now.

    Args:
        brake_m_s2: the deceleration.
    """

    def __init__(self, brake_m_s2: float) -> None:
        self._brake_m_s2 = brake_m_s2
        self._told: deque[tuple[int, Array]] = deque()

    def told(self, t_ns: int, position: Array) -> None:
        """It is told to be at a place (3,), m, at a time that is not before the last one's."""
        self._told.append((t_ns, position))
        while len(self._told) > 1 and t_ns - self._told[1][0] >= _VELOCITY_NS:
            self._told.popleft()

    def forget(self) -> None:
        """It goes on from elsewhere."""
        self._told.clear()

    def place(self) -> Array | None:
        """(3,), m; None where it was told nothing. It counts as at rest until its speed can be told."""
        if not self._told:
            return None
        (first_ns, first), (last_ns, last) = self._told[0], self._told[-1]
        if last_ns - first_ns < _VELOCITY_NS:
            return last
        velocity = (last - first) / ((last_ns - first_ns) * 1e-9)
        return np.asarray(last + velocity * float(np.linalg.norm(velocity)) / (2.0 * self._brake_m_s2))


class Neighbour:
    """One other arm.

    Args:
        arm: its configuration.
        tool_distance_m: kept between the tools.
    """

    def __init__(self, arm: ArmConfig, tool_distance_m: float) -> None:
        self.name, self._tool_distance_m = arm.name, tool_distance_m
        self._base = base_in_rig(arm)
        self._kinematics = ArmKinematics(arm.model, arm.tool)
        self._bodies = ArmBodies(self._kinematics, self._base)
        self._told, self._stop = ToldWay(), StopPoint(interpolator_limits(arm).brake_m_s2)
        self._measured: tuple[int, Joints, Pose] | None = None

    @property
    def now(self) -> OtherArm | None:
        """Where it was measured last; None where it never was."""
        if self._measured is None:
            return None
        return OtherArm(self.name, self._bodies.at(self._measured[1]))

    @property
    def tool_in_rig(self) -> Pose | None:
        """Where its tool was measured last; None where it never was."""
        return None if self._measured is None else self._measured[2]

    @property
    def stop_in_rig(self) -> Array | None:
        """Where its tool would come to rest, (3,), m; None where it was never measured."""
        return self._stop.place()

    def age_s(self, now_ns: int) -> float | None:
        """Of its last state; None where none came."""
        return None if self._measured is None else (now_ns - self._measured[0]) * 1e-9

    def on_state(self, stamp_ns: int, joints_rad: Joints, tool: Pose, told: Pose) -> None:
        """It was measured, and had been told to be elsewhere: joints (joints,), poses in its base frame."""
        self._measured = (stamp_ns, joints_rad, self._base.compose(tool))
        self._stop.told(stamp_ns, self._base.transform(told.position))

    def on_chunk(self, chunk: Chunk, now_ns: int) -> None:
        """It was told a chunk, and rests before the first waypoint that is out of its reach."""
        if self._measured is None:
            return
        joints = self._told.at(np.array([chunk.stamp_ns]), now_ns, self._measured[1])[0]
        path: list[Joints] = []
        for position, quaternion in zip(chunk.waypoints.position, chunk.waypoints.quaternion, strict=True):
            found = self._kinematics.inverse(Pose(position, quaternion), joints)
            if found is None:
                break
            path.append(found)
            joints = found
        self._told.add(chunk, np.array(path).reshape(-1, self._kinematics.joints))

    def way(self, times_ns: Times, now_ns: int) -> list[OtherWay]:
        """Where it will be at times (n,): from where it is measured on, along what it was told. Nothing where
        it was never measured.
        """
        if self._measured is None:
            return []
        joints = self._told.at(times_ns, now_ns, self._measured[1])
        return [OtherWay(self.name, self._bodies, joints, self._tool_distance_m)]


def waypoint_times(chunk: Chunk) -> Times:
    """When the waypoints of a chunk are reached, int64 (h,), ns."""
    return np.array([chunk.due_ns(i) for i in range(len(chunk.waypoints))], dtype=np.int64)


def base_in_rig(arm: ArmConfig) -> Pose:
    """Where an arm's base stands."""
    placement = arm.base_in_rig
    return Pose(np.array(placement.position_m), quaternion_from_rotvec(placement.rotvec_rad))
