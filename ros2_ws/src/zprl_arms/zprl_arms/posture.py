"""An arm's joints and links: what they forbid, and the joint angles of what is commanded. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zprl_arms.homing import HomingMove
from zprl_arms.limits import interpolator_limits
from zprl_arms.neighbours import Neighbour, StopPoint, ToldWay, base_in_rig, waypoint_times
from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import SafetyError
from zprl_core.kinematics.clearance import OtherArm
from zprl_core.kinematics.gate import KinematicGate
from zprl_core.safety import SafetyLimits
from zprl_core.safety.supervision import tools_problem
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.trajectory.homing import Homing
from zprl_core.transforms import Array, Pose, slerp

Joints = NDArray[np.float64]
_MARGIN = 0.95  # of joint speeds; the arm's own controller stops at the full ones
_SWAY_M = 0.01  # by which tools that are too near already may come nearer while they part


class Posture:
    """Joint angles (joints,) float64 rad of one arm among others.

    Args:
        rig: with the arm and its neighbours.
        arm: which one.
        joints_rad: measured.
    """

    def __init__(self, rig: RigConfig, arm: ArmConfig, joints_rad: Joints) -> None:
        self._arm, self._least_m = arm, rig.tool_distance_m
        self._gate = KinematicGate.of(arm, rig.table_m)
        self._base = base_in_rig(arm)
        self._neighbours = {
            other.name: Neighbour(other, rig.tool_distance_m) for other in rig.arms if other.name != arm.name
        }
        kinematics = self._gate.kinematics
        self._speed_rad_s = _MARGIN * np.minimum(kinematics.speed_rad_s, arm.limits.joint_velocity_rad_s)
        self._parting_m: dict[str, float] = {}
        self._told, self._stop = ToldWay(), StopPoint(interpolator_limits(arm).brake_m_s2)
        self._told_place: Array | None = None
        self.measured_rad = joints_rad
        self.commanded_rad = joints_rad

    def tool_at(self, joints_rad: Joints) -> Pose:
        """Where the rig's tool is for joint angles, in the base frame."""
        return self._gate.kinematics.forward(joints_rad)

    def restart(self) -> None:
        """What is commanded goes on from what was measured."""
        self.commanded_rad = self.measured_rad
        self._parting_m, self._told_place = {}, None
        self._stop.forget()

    def on_neighbour(
        self, name: str, joints_rad: Joints, tool: Pose, stamp_ns: int, told: Pose | None = None
    ) -> None:
        """Another arm was measured at a time, and had been told to be elsewhere (None: where it is); poses in
        its own base frame.
        """
        self._neighbours[name].on_state(stamp_ns, joints_rad, tool, tool if told is None else told)

    def on_neighbour_chunk(self, name: str, chunk: Chunk, now_ns: int) -> str:
        """Another arm was told a chunk. Returns why what this arm was told before cannot be carried out while
        that lasts; empty when it can.
        """
        neighbour, begin_ns = self._neighbours[name], max(chunk.stamp_ns, now_ns)
        neighbour.on_chunk(chunk, now_ns)
        times_ns = self._told.times_ns(begin_ns, chunk.end_ns)
        if len(times_ns) == 0:
            return ""
        times_ns = np.append(begin_ns, times_ns)
        mine = self._told.at(times_ns, now_ns, self.commanded_rad)
        return self._gate.way_problem(mine, neighbour.way(times_ns, now_ns))

    def chunk_problem(self, chunk: Chunk, present: Setpoint, now_ns: int) -> str:
        """Why the joints cannot carry out a chunk that takes over at `present`; empty when they can.

        Other arms are taken to be where they are measured, and then where they were told to be at the same
        times.
        """
        if problem := self._unknown_neighbour(now_ns):
            return problem
        way = chunk.waypoints
        start = self._gate.kinematics.inverse(present.pose, self.commanded_rad)
        if start is None:
            return "no joint angles for where it takes over"
        first = Pose(way.position[0], way.quaternion[0])
        joints = self._gate.kinematics.inverse(first, start)
        if joints is not None and (problem := self._join_problem(joints - start)):
            return problem
        times_ns = np.append(max(chunk.stamp_ns, now_ns), waypoint_times(chunk))
        others = [way for each in self._neighbours.values() for way in each.way(times_ns, now_ns)]
        path = self._gate.check(way, chunk.dt_s, start if joints is None else joints, others, start)
        if not path.problem:
            self._told.add(chunk, path.joints_rad)
        return path.problem

    def nearing_problem(self, tool: Pose, now_ns: int) -> str:
        """Why the tool must not move on from where it is measured (base frame); or empty. Asked before each
        setpoint: both where the tools are and where they would come to rest count.

        Where it was too near another arm's when the way started, it may stay so, no nearer, until it first is
        far enough: otherwise arms that were stopped for it could never part again.
        """
        if problem := self._unknown_neighbour(now_ns):
            return problem
        if self._told_place is not None:
            self._stop.told(now_ns, self._base.transform(self._told_place))
        mine, rest = self._base.compose(tool), self._stop.place()
        for name, neighbour in self._neighbours.items():
            assert neighbour.tool_in_rig is not None and neighbour.stop_in_rig is not None
            gap_m = mine.distance(neighbour.tool_in_rig)[0]
            before_m = self._parting_m.get(name, gap_m - _SWAY_M)
            least_m = self._least_m if gap_m >= self._least_m else min(before_m, self._least_m)
            self._parting_m[name] = least_m
            if problem := tools_problem(mine, neighbour.tool_in_rig, least_m, name):
                return problem
            ends = Pose(mine.position if rest is None else rest), Pose(neighbour.stop_in_rig)
            if problem := tools_problem(*ends, least_m, name):
                return f"where both arms would come to rest, {problem}"
        return ""

    def slowed(self, wanted: Setpoint, before: Setpoint, step_s: float) -> Setpoint:
        """The setpoint on the way from `before` to `wanted` at which no joint turns too fast.

        It is `wanted` itself where none does.

        Raises:
            SafetyError: there are no joint angles for it.
        """
        turns = np.abs(self._joints_of(wanted) - self.commanded_rad)
        share = float((turns / (self._speed_rad_s * step_s)).max())
        if share <= 1.0:
            return wanted
        position = before.position + (wanted.position - before.position) / share
        turned = slerp(before.quaternion, wanted.quaternion, 1.0 / share)
        return Setpoint(position, turned, wanted.gripper_width)

    def follow(self, setpoint: Setpoint, joints_rad: Joints | None = None) -> None:
        """A setpoint is commanded. Its joint angles are the given ones, or those near the ones before.

        Raises:
            SafetyError: there are none.
        """
        self.commanded_rad = self._joints_of(setpoint) if joints_rad is None else joints_rad
        self._told_place = setpoint.position

    def way_home(self, limits: SafetyLimits, episode: int, start_ns: int, measured: Setpoint) -> HomingMove:
        """The move home from where the arm is measured.

        Raises:
            SafetyError: there is no safe way; says what is in it.
        """
        start = self.measured_rad
        free = self._gate.leaving(start, self._others)
        path = Homing(self._gate.kinematics, limits, self._arm.homing, start, measured, free)
        return HomingMove(path, self._arm.homing, episode, start_ns, measured.gripper_width)

    def _unknown_neighbour(self, now_ns: int) -> str:
        """Which other arm's place is not known; or empty."""
        most_s = self._arm.watchdog_s
        for name, neighbour in self._neighbours.items():
            age_s = neighbour.age_s(now_ns)
            if age_s is None:
                return f"the state of arm '{name}' never came; where it is must be known"
            if age_s > most_s:
                return f"the state of arm '{name}' is {age_s:.2f} s old, allowed {most_s:g} s (watchdog_s)"
        return ""

    def _joints_of(self, setpoint: Setpoint) -> Joints:
        joints = self._gate.kinematics.inverse(setpoint.pose, self.commanded_rad)
        if joints is None:
            place = ", ".join(f"{v:.3f}" for v in setpoint.position)
            raise SafetyError(f"no joint angles near the present ones for the setpoint at ({place}) m")
        return joints

    def _join_problem(self, turns: Joints) -> str:
        """The offset of a chunk's first waypoint is blended out; its joints may not turn far for that."""
        worst = int(np.abs(turns).argmax())
        most = self._arm.limits.jump_rad
        if abs(turns[worst]) <= most:
            return ""
        return (
            f"it starts with joint {worst + 1} {abs(turns[worst]):.2f} rad away, allowed {most:g} rad: "
            "another posture?"
        )

    @property
    def _others(self) -> Sequence[OtherArm]:
        return [arm for each in self._neighbours.values() if (arm := each.now) is not None]
