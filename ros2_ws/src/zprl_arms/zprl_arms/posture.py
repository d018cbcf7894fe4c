"""An arm's joints and links: what they forbid, and the joint angles of what is commanded. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_arms.homing import HomingMove
from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import SafetyError
from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.distances import ArmBodies
from zprl_core.kinematics.gate import KinematicGate, OtherArm
from zprl_core.safety import SafetyLimits
from zprl_core.safety.supervision import tools_problem
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.trajectory.homing import Homing
from zprl_core.transforms import Pose, quaternion_from_rotvec, slerp

Joints = NDArray[np.float64]
_MARGIN = 0.95  # of joint speeds; the arm's own controller stops at the full ones
_SWAY_M = 0.01  # by which tools that are too near already may come nearer while they part


class _Neighbour(NamedTuple):
    """Where another arm was measured last."""

    arm: OtherArm
    tool_in_rig: Pose
    stamp_ns: int


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
        self._base = _base(arm)
        self._bodies = {
            other.name: (ArmBodies(ArmKinematics(other.model, other.tool), _base(other)), _base(other))
            for other in rig.arms
            if other.name != arm.name
        }
        kinematics = self._gate.kinematics
        self._speed_rad_s = _MARGIN * np.minimum(kinematics.speed_rad_s, arm.limits.joint_velocity_rad_s)
        self._near: dict[str, _Neighbour] = {}
        self._parting_m: dict[str, float] = {}
        self.measured_rad = joints_rad
        self.commanded_rad = joints_rad

    def tool_at(self, joints_rad: Joints) -> Pose:
        """Where the rig's tool is for joint angles, in the base frame."""
        return self._gate.kinematics.forward(joints_rad)

    def restart(self) -> None:
        """What is commanded goes on from what was measured."""
        self.commanded_rad = self.measured_rad
        self._parting_m = {}

    def on_neighbour(self, name: str, joints_rad: Joints, pose_base_tcp: Pose, stamp_ns: int) -> None:
        """Another arm was measured at a time, pose in its own base frame."""
        bodies, base = self._bodies[name]
        tool = base.compose(pose_base_tcp)
        self._near[name] = _Neighbour(OtherArm(name, bodies.at(joints_rad)), tool, stamp_ns)

    def chunk_problem(self, chunk: Chunk, present: Setpoint, now_ns: int) -> str:
        """Why the joints cannot carry out a chunk that takes over at `present`; empty when they can."""
        if problem := self._unknown_neighbour(now_ns):
            return problem
        way = chunk.waypoints
        for pose in (Pose(p, q) for p, q in zip(way.position, way.quaternion, strict=True)):
            if problem := self.tool_problem(pose):
                return problem
        start = self._gate.kinematics.inverse(present.pose, self.commanded_rad)
        if start is None:
            return "no joint angles for where it takes over"
        first = Pose(way.position[0], way.quaternion[0])
        joints = self._gate.kinematics.inverse(first, start)
        if joints is not None and (problem := self._join_problem(joints - start)):
            return problem
        start = start if joints is None else joints
        return self._gate.check(way, chunk.dt_s, start, self._others).problem

    def tool_problem(self, tool: Pose) -> str:
        """Why the tool must not go there (base frame): too near another arm's; or empty."""
        return self._tool_problem(tool, {})

    def nearing_problem(self, tool: Pose, now_ns: int) -> str:
        """Why the tool must not move on from where it is measured (base frame); or empty.

        Where it was too near another arm's when the way started, it may stay so, no nearer, until it first is
        far enough: otherwise arms that were stopped for it could never part again.
        """
        mine = self._base.compose(tool)
        for name, neighbour in self._near.items():
            gap_m = mine.distance(neighbour.tool_in_rig)[0]
            before_m = self._parting_m.get(name, gap_m - _SWAY_M)
            self._parting_m[name] = self._least_m if gap_m >= self._least_m else min(before_m, self._least_m)
        return self._unknown_neighbour(now_ns) or self._tool_problem(tool, self._parting_m)

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
        for name in self._bodies:
            if name not in self._near:
                return f"the state of arm '{name}' never came; where it is must be known"
            age_s = (now_ns - self._near[name].stamp_ns) * 1e-9
            if age_s > most_s:
                return f"the state of arm '{name}' is {age_s:.2f} s old, allowed {most_s:g} s (watchdog_s)"
        return ""

    def _tool_problem(self, tool: Pose, least_m: Mapping[str, float]) -> str:
        mine, usual = self._base.compose(tool), self._least_m
        near = self._near.items()
        found = (tools_problem(mine, n.tool_in_rig, least_m.get(name, usual), name) for name, n in near)
        return next(filter(None, found), "")

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
        return [neighbour.arm for neighbour in self._near.values()]


def _base(arm: ArmConfig) -> Pose:
    placement = arm.base_in_rig
    return Pose(np.array(placement.position_m), quaternion_from_rotvec(placement.rotvec_rad))
