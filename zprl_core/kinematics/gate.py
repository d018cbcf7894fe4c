# SPDX-License-Identifier: Apache-2.0
"""Whether an arm's joints can carry out a chunk, and how they would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from zprl_core.actions import ArmWaypoints
from zprl_core.config.arm import ArmConfig
from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.clearance import Clearance, ClearanceRules, OtherArm, OtherWay
from zprl_core.kinematics.distances import ArmBodies
from zprl_core.kinematics.guard import ClearanceGuard
from zprl_core.transforms import Array, Pose, quaternion_from_rotvec

_BRANCH_RAD = 0.5  # a joint that goes farther than this, and much too fast, is on another branch
_MUCH = 3.0
_CLAMPED_SHARE = 1.5
_CRAWL_RAD_S = 0.01  # with which a joint may turn however near its end is
_FOLDED_M, _ROUNDING_M = 0.03, 1e-4


@dataclass(frozen=True)
class KinematicLimits:
    """What an arm's joints and links must keep.

    Attributes:
        joint_margin_rad: distance from the model's joint limits.
        joint_velocity_rad_s: of every joint; the model's own limit where that is lower.
        min_singular_value: of the Jacobian (m and rad).
        link_distance_m: between links that are not neighbours, and from links to table and other arms.
        table_m: height of the table in the rig's frame; None: there is none.
        speed_share: how many times these joint speeds a chunk may ask for: 1 where too fast is refused; more
            where it is clamped, for the tool is then slowed down on its way.
    """

    joint_margin_rad: float
    joint_velocity_rad_s: float
    min_singular_value: float
    link_distance_m: float
    table_m: float | None = None
    speed_share: float = 1.0

    @classmethod
    def of(cls, arm: ArmConfig, table_m: float | None) -> KinematicLimits:
        """As the rig says."""
        limits = arm.limits
        return cls(
            limits.joint_margin_rad,
            limits.joint_velocity_rad_s,
            limits.min_singular_value,
            limits.link_distance_m,
            table_m,
            1.0 if limits.too_fast == "refuse" else _CLAMPED_SHARE,
        )


class JointPath(NamedTuple):
    """Joint angles of a chunk.

    Attributes:
        problem: why it must not be executed, or empty.
        joints_rad: float64 (h, joints), at the waypoints; those before the problem.
    """

    problem: str
    joints_rad: Array


class KinematicGate:
    """Checks chunks against joint limits, speeds, singularities and distances.

    Args:
        kinematics: of the arm, with its tool.
        limits: to keep.
        base_in_rig: where the arm's base stands; None: at the rig's origin.

    Attributes:
        rules: the distances that it keeps.
        guard: over those of what is commanded.
    """

    def __init__(
        self, kinematics: ArmKinematics, limits: KinematicLimits, base_in_rig: Pose | None = None
    ) -> None:
        self.kinematics, self.limits = kinematics, limits
        self.base_in_rig = Pose(np.zeros(3)) if base_in_rig is None else base_in_rig
        self.bodies = ArmBodies(kinematics, self.base_in_rig)
        self.rules = ClearanceRules(self.bodies, limits.link_distance_m, limits.table_m)
        self.guard = ClearanceGuard(self.bodies, self.rules)
        self._low = kinematics.lower_rad + limits.joint_margin_rad
        self._high = kinematics.upper_rad - limits.joint_margin_rad

    @classmethod
    def of(cls, arm: ArmConfig, table_m: float | None) -> KinematicGate:
        """For an arm of a rig."""
        base = arm.base_in_rig
        return cls(
            ArmKinematics(arm.model, arm.tool),
            KinematicLimits.of(arm, table_m),
            Pose(np.array(base.position_m), quaternion_from_rotvec(base.rotvec_rad)),
        )

    def check(
        self,
        waypoints: ArmWaypoints,
        dt_s: float,
        joints_rad: ArrayLike,
        others: Sequence[OtherWay] = (),
        present_rad: ArrayLike | None = None,
    ) -> JointPath:
        """The joint angles at the waypoints, one after the other from the given ones, and what is wrong there
        or between them.

        Args:
            waypoints: of the tool centre point, in the base frame.
            dt_s: time from one to the next, and to the first.
            joints_rad: (joints,) near those of the first one.
            others: the other arms of the rig.
            present_rad: (joints,) from where the way to the first one leads; None: ``joints_rad``.
        """
        start = np.asarray(joints_rad, dtype=np.float64)
        path, problem = self._walk(waypoints, dt_s, start)
        way = np.vstack((start if present_rad is None else present_rad, path))
        return JointPath(self.rules.way_problem(way, others) or problem, path)

    def way_problem(self, joints_rad: Array, others: Sequence[OtherWay] = ()) -> str:
        """See `ClearanceRules.way_problem`."""
        return self.rules.way_problem(joints_rad, others)

    def clearance(self, joints_rad: ArrayLike, others: Sequence[OtherArm] = ()) -> Clearance:
        """How near bodies come to each other in one posture (joints,), whatever leads there."""
        return self.rules.clearance(joints_rad, others)

    def distance_problem(self, joints_rad: ArrayLike, others: Sequence[OtherArm] = ()) -> str:
        """Which bodies are too near to each other in one posture (joints,), or nothing."""
        clearance = self.clearance(joints_rad, others)
        return clearance.nearest if clearance.margin_m < 0.0 else ""

    def leaving(self, start_rad: ArrayLike, others: Sequence[OtherArm] = ()) -> Callable[[ArrayLike], str]:
        """A `distance_problem` for the postures of one way, asked in order, that begins at ``start_rad``.

        Where bodies are too near at its start already, by 30 mm at most (a folded arm, in capsules that are
        larger than its links), they may stay so, no nearer than there, until they first are far enough.
        """
        least = min(max(self.clearance(start_rad, others).margin_m, -_FOLDED_M) - _ROUNDING_M, 0.0)

        def problem(joints_rad: ArrayLike) -> str:
            nonlocal least
            clearance = self.clearance(joints_rad, others)
            if clearance.margin_m >= 0.0:
                least = 0.0
            return clearance.nearest if clearance.margin_m < least else ""

        return problem

    def limit_problem(self, joints_rad: ArrayLike) -> str:
        """Which joint (joints,) is nearer to its limit than the margin, or nothing."""
        joints = np.asarray(joints_rad, dtype=np.float64)
        past = np.maximum(self._low - joints, joints - self._high)
        worst = int(past.argmax())
        if past[worst] <= 0.0:
            return ""
        return (
            f"joint {worst + 1} at {joints[worst]:.3f} rad, allowed {self._low[worst]:.3f} to "
            f"{self._high[worst]:.3f} rad"
        )

    def singular_problem(self, joints_rad: ArrayLike) -> str:
        """Whether joint angles (joints,) are nearer to a singularity than is allowed, or nothing."""
        value, least = self.kinematics.min_singular_value(joints_rad), self.limits.min_singular_value
        if value >= least:
            return ""
        return f"the Jacobian's smallest singular value is {value:.4f}, allowed {least:g} or more"

    def _walk(self, waypoints: ArmWaypoints, dt_s: float, joints: Array) -> tuple[Array, str]:
        """Joint angles up to the first problem of a single waypoint, and that problem."""
        path: list[Array] = []
        for i in range(len(waypoints)):
            pose = Pose(waypoints.position[i], waypoints.quaternion[i])
            found = self.kinematics.inverse(pose, joints)
            if found is None:
                place = ", ".join(f"{v:.3f}" for v in waypoints.position[i])
                problem = f"out of reach at ({place}) m in its orientation, from the joint angles before it"
            else:
                problem = (
                    self.limit_problem(found)
                    or self._speed_problem(joints, found, dt_s)
                    or self.singular_problem(found)
                )
            if found is None or problem:
                return np.array(path).reshape(-1, self.kinematics.joints), f"waypoint {i}: {problem}"
            path.append(found)
            joints = found
        return np.array(path), ""

    def _speed_problem(self, before: Array, joints: Array, dt_s: float) -> str:
        turns = joints - before
        speeds, most = np.abs(turns) / dt_s, self._most_rad_s(joints, turns)
        worst = int((speeds / most).argmax())
        if speeds[worst] <= most[worst] * (1.0 + 1e-6):
            return ""
        step = abs(float(turns[worst]))
        if step > _BRANCH_RAD and speeds[worst] > _MUCH * most[worst]:
            return f"joint {worst + 1} jumps by {step:.2f} rad: the posture changes to another branch"
        return f"joint {worst + 1} turns at {speeds[worst]:.2f} rad/s, allowed {most[worst]:.2f} rad/s"

    def _most_rad_s(self, joints: Array, turns: Array) -> Array:
        own = np.maximum(self.kinematics.speeds_rad_s(joints, turns), _CRAWL_RAD_S)
        return self.limits.speed_share * np.minimum(own, self.limits.joint_velocity_rad_s)
