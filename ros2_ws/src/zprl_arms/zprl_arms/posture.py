"""An arm's joints and links: what they forbid, and the joint angles of what is commanded. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zprl_arms.homing import HomingMove
from zprl_arms.limits import interpolator_limits, sudden_rad_s2
from zprl_arms.neighbours import Neighbour, StopPoint, ToldWay, base_in_rig, waypoint_times
from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import SafetyError
from zprl_core.kinematics.clearance import OtherArm
from zprl_core.kinematics.gate import KinematicGate
from zprl_core.kinematics.guard import TouchGuard
from zprl_core.safety import SafetyLimits
from zprl_core.safety.joints import JOINT_RAD_S2, JointStop
from zprl_core.safety.supervision import tools_problem
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.trajectory.homing import Homing
from zprl_core.transforms import Array, Pose, slerp

Joints = NDArray[np.float64]
_MARGIN = 0.95  # of joint speeds; the arm's own controller stops at the full ones
_LEAP = 1.5  # times these speeds no joint is sent; a chunk that asks for so much is slowed down before
_STILL = 1e-9  # m/s and rad/s
_CRAWL_RAD_S = 0.01  # with which a joint may approach its limit however near it is
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
        self._touch = TouchGuard(self._gate.bodies, rig.table_m)
        self._base = base_in_rig(arm)
        self._neighbours = {
            other.name: Neighbour(other, rig.tool_distance_m) for other in rig.arms if other.name != arm.name
        }
        kinematics = self._gate.kinematics
        self._speed_rad_s = _MARGIN * np.minimum(kinematics.speed_rad_s, arm.limits.joint_velocity_rad_s)
        self._sudden_rad_s2 = sudden_rad_s2(arm)
        self._parting_m: dict[str, float] = {}
        self._planned = interpolator_limits(arm)
        self._told, self._stop = ToldWay(), StopPoint(self._planned.brake_m_s2)
        self._told_place: Array | None = None
        self.measured_rad = joints_rad
        self.restart()

    def tool_at(self, joints_rad: Joints) -> Pose:
        """Where the rig's tool is for joint angles, in the base frame."""
        return self._gate.kinematics.forward(joints_rad)

    def restart(self) -> None:
        """What is commanded goes on from what was measured."""
        self.commanded_rad = self.measured_rad
        self.stand()
        self._gate.guard.restart(self.commanded_rad)
        self._touch.restart()
        self._parting_m, self._told_place = {}, None
        self._stop.forget()

    def stand(self) -> None:
        """What is commanded is at rest where it is."""
        self._velocity = self._acceleration = np.zeros_like(self.commanded_rad)
        self._coming_to_rest: tuple[JointStop, float, Pose] | None = None

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

    def touching_problem(self) -> str:
        """What the arm touches where it is measured, wherever its joints were commanded to be; or empty."""
        return self._touch.problem(self.measured_rad, self._others)

    def slowed(self, wanted: Setpoint, before: Setpoint, step_s: float) -> Setpoint:
        """The setpoint on the way from `before` to `wanted` at which no joint turns too fast, or too fast to
        stop before its limit.

        It is `wanted` itself where none does.

        Raises:
            SafetyError: there are no joint angles for it.
        """
        turns = self._joints_of(wanted) - self.commanded_rad
        share = float((np.abs(turns) / (self._speeds_rad_s(turns) * step_s)).max())
        if share <= 1.0:
            return wanted
        position = before.position + (wanted.position - before.position) / share
        turned = slerp(before.quaternion, wanted.quaternion, 1.0 / share)
        return Setpoint(position, turned, wanted.gripper_width)

    def follow(
        self, setpoint: Setpoint, step_s: float, joints_rad: Joints | None = None, *, braking: bool = False
    ) -> None:
        """A setpoint is commanded, `step_s` after the one before. Its joint angles are the given ones, or
        those near the ones before.

        Raises:
            SafetyError: there are none, or a joint would leap. Where the arm is not `braking`: links would
                come too near to each other or to the table before it could stop. Where it is: a joint would
                change its speed as it only does near a singularity. What is commanded stays.
        """
        joints = self._joints_of(setpoint) if joints_rad is None else joints_rad
        self._refuse_leap(joints, step_s)
        if braking:
            self._refuse_jerk(joints, step_s)
        elif joints_rad is None:
            self._refuse_nearness(joints, step_s)
        self._go(joints, step_s, setpoint.position)

    def come_to_rest(self, last: Pose, step_s: float) -> tuple[Pose, bool]:
        """Joint by joint, whatever the inverse kinematics say: the pose (base frame) that is commanded
        `step_s` after the last call, and whether the arm rests there.

        The tool keeps half of its limits of acceleration and the joints theirs, unless a joint's limit is
        nearer than that.

        Args:
            last: the pose that was commanded last; what it has beside that of the joint angles is kept.
        """
        if self._coming_to_rest is None:
            kept = self._gate.kinematics.forward(self.commanded_rad).inverse().compose(last)
            self._coming_to_rest = self._joint_stop(), 0.0, kept
        stop, before_s, kept = self._coming_to_rest
        elapsed_s = before_s + step_s
        joints = stop.at(elapsed_s)
        pose = self._gate.kinematics.forward(joints).compose(kept)
        self._go(joints, step_s, pose.position)
        self._coming_to_rest = stop, elapsed_s, kept
        if at_rest := elapsed_s >= stop.duration_s:
            self.stand()
        return pose, at_rest

    def way_home(self, limits: SafetyLimits, sequence: int, start_ns: int, measured: Setpoint) -> HomingMove:
        """The move home from where the arm is measured.

        Raises:
            SafetyError: there is no safe way; says what is in it.
        """
        start = self.measured_rad
        free = self._gate.leaving(start, self._others)
        path = Homing(self._gate.kinematics, limits, self._arm.homing, start, measured, free)
        return HomingMove(path, self._arm.homing, sequence, start_ns, measured.gripper_width)

    def _speeds_rad_s(self, turns_rad: Joints) -> Joints:
        """How fast each joint may turn in the direction of `turns_rad`."""
        kinematics = self._gate.kinematics
        ends = np.where(turns_rad > 0.0, kinematics.upper_rad, kinematics.lower_rad)
        room = np.abs(ends - self.commanded_rad)
        stoppable = np.sqrt(2.0 * JOINT_RAD_S2 * room) + _CRAWL_RAD_S
        near_end = np.maximum(_MARGIN * kinematics.speeds_rad_s(self.commanded_rad, turns_rad), _CRAWL_RAD_S)
        return np.minimum(self._speed_rad_s, np.minimum(stoppable, near_end))

    def _go(self, joints_rad: Joints, step_s: float, place: Array) -> None:
        velocity = (joints_rad - self.commanded_rad) / step_s
        self._acceleration = (velocity - self._velocity) / step_s
        self.commanded_rad, self._velocity, self._told_place = joints_rad, velocity, place

    def _joint_stop(self) -> JointStop:
        """From how the joints were sent last."""
        kinematics, limits = self._gate.kinematics, self._arm.limits
        linear, angular = self._tool_speeds(self._velocity)
        fastest = max(float(np.abs(self._velocity).max()), _STILL)
        planned = self._planned
        return JointStop(
            self.commanded_rad,
            self._velocity,
            self._acceleration,
            deceleration=min(
                planned.brake_m_s2 / linear, planned.brake_rad_s2 / angular, JOINT_RAD_S2 / fastest
            ),
            jerk=min(limits.linear_jerk_m_s3 / linear, limits.angular_jerk_rad_s3 / angular),
            lower_rad=kinematics.lower_rad,
            upper_rad=kinematics.upper_rad,
        )

    def _tool_speeds(self, velocity_rad_s: Joints) -> tuple[float, float]:
        """Of the tool for joint speeds where the arm is, m/s and rad/s; a little above 0 at least."""
        twist = self._gate.kinematics.jacobian(self.commanded_rad) @ velocity_rad_s
        linear, angular = (float(np.linalg.norm(part)) for part in (twist[:3], twist[3:]))
        return max(linear, _STILL), max(angular, _STILL)

    def _refuse_leap(self, joints_rad: Joints, step_s: float) -> None:
        speeds = np.abs(joints_rad - self.commanded_rad) / step_s
        worst = int((speeds / self._speed_rad_s).argmax())
        most = _LEAP * self._speed_rad_s[worst]
        if speeds[worst] > most:
            raise SafetyError(
                f"joint {worst + 1} would turn at {speeds[worst]:.2f} rad/s to the next setpoint, allowed "
                f"{most:.2f} rad/s: near a singularity, or another posture?"
            )

    def _refuse_nearness(self, joints_rad: Joints, step_s: float) -> None:
        """What leads home was looked at all the way before it began; this is asked of everything else."""
        velocity, planned = (joints_rad - self.commanded_rad) / step_s, self._planned
        linear, angular = self._tool_speeds(velocity)
        slowing_s = max(linear / planned.brake_m_s2, angular / planned.brake_rad_s2)
        rest = joints_rad + 0.5 * slowing_s * velocity
        if problem := self._gate.guard.problem(joints_rad, rest):
            raise SafetyError(problem)

    def _refuse_jerk(self, joints_rad: Joints, step_s: float) -> None:
        velocity = (joints_rad - self.commanded_rad) / step_s
        changes = np.abs(velocity - self._velocity) / step_s
        worst = int(changes.argmax())
        if changes[worst] > self._sudden_rad_s2:
            raise SafetyError(
                f"joint {worst + 1} would change its speed by {changes[worst]:.0f} rad/s^2, allowed "
                f"{self._sudden_rad_s2:.0f} rad/s^2"
            )

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
