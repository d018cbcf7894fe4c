"""The way to the start of an episode: straight up as far as the arm reaches, then joint by joint. Time is an
argument.

Each phase goes from rest to rest, see `quintic`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core import transforms
from zprl_core.config.arm import HomingConfig
from zprl_core.errors import SafetyError
from zprl_core.safety.limits import SafetyLimits
from zprl_core.safety.region import Region, crosses
from zprl_core.trajectory import quintic
from zprl_core.trajectory.motion import Setpoint, as_vector
from zprl_core.transforms import Array, Pose

_SAMPLES = 200  # at which the tool's motion is measured
_SHORTEST_S = 0.2
_RISE_M, _TURN_RAD = 0.01, 0.03  # between the places at which a path is checked
_SHARE = 0.9  # of the tool's speeds: right below them the limiter slows what still speeds up
_BELOW_TOP_M = 1e-3  # a way that comes to rest at the very border of the workspace is braked early
_MISMATCH_M, _MISMATCH_RAD = 0.02, 0.1


class Kinematics(Protocol):
    """What homing needs of an arm: see `zprl_core.kinematics.ArmKinematics`."""

    def forward(self, joints_rad: ArrayLike) -> Pose:
        """Pose of the tool centre point in the base frame."""
        ...

    def inverse(self, target: Pose, seed_rad: ArrayLike) -> Array | None:
        """Joint angles near the seed, or None."""
        ...


class Homing:
    """The whole way, as a function of the seconds since its start. The gripper keeps its width.

    The arm's own pose and the one of its nominal kinematics may differ a little; that difference, as it is at
    the start, is kept all the way, so that the first setpoint is the measured pose.

    Args:
        kinematics: of the arm with its tool.
        limits: whose workspace and keep-out boxes the tool keeps, and whose speeds stretch the way.
        config: where to, and how fast.
        joints_rad, measured: where the arm is; joint angles (joints,) and tool setpoint.
        problem_of: what else forbids joint angles (joints,), asked along the way in order: distances of
            links, table and other arms (`zprl_core.kinematics.KinematicGate.leaving`). None: nothing.

    Raises:
        SafetyError: the way leaves the workspace, enters a keep-out box, or passes what ``problem_of``
            forbids; or the measured pose is not that of the joint angles.
    """

    def __init__(
        self,
        kinematics: Kinematics,
        limits: SafetyLimits,
        config: HomingConfig,
        joints_rad: ArrayLike,
        measured: Setpoint,
        problem_of: Callable[[Array], str] | None = None,
    ) -> None:
        self._kinematics, self._problem_of = kinematics, problem_of
        self._start, self._width = np.array(joints_rad, dtype=np.float64), measured.gripper_width
        self._goal = np.array(config.joints_rad)
        self._pose = measured.pose
        self._kept = _difference(kinematics.forward(self._start), self._pose)
        self._region = Region.of(limits).around(as_vector(self._pose.position))
        top_m = limits.workspace_high_m[2] - _BELOW_TOP_M
        self._rise_m = max(min(config.retract_m, top_m - float(self._pose.position[2])), 0.0)
        self._rising = self._rise()
        self._turn()
        self._rise_s = self._rise_time(limits, config)
        self._turn_s = self._turn_time(limits, config.velocity_rad_s)

    @property
    def duration_s(self) -> float:
        """Seconds until it is there."""
        return self._rise_s + self._turn_s

    def sample(self, elapsed_s: float) -> tuple[Setpoint, NDArray[np.float64]]:
        """Setpoint and joint angles (joints,) ``elapsed_s`` after the start.

        Raises:
            SafetyError: no joint angles are found for a place on the way up.
        """
        if elapsed_s < self._rise_s:
            share = quintic.share(elapsed_s / self._rise_s)
            pose = self._risen(share)
            knot = share * (len(self._rising) - 1)
            before = int(knot)
            after = min(before + 1, len(self._rising) - 1)
            seed = self._rising[before] + (knot - before) * (self._rising[after] - self._rising[before])
            return self._setpoint(pose), self._joints_at(pose, seed)
        share = quintic.share((elapsed_s - self._rise_s) / self._turn_s) if self._turn_s else 1.0
        joints = self._top + share * (self._goal - self._top)
        return self._setpoint(self._tool(joints)), joints

    @property
    def _top(self) -> Array:
        """Joint angles at the end of the way up."""
        return self._rising[-1]

    def _setpoint(self, pose: Pose) -> Setpoint:
        return Setpoint(pose.position, pose.quaternion, self._width)

    def _tool(self, joints: Array) -> Pose:
        return self._kinematics.forward(joints).compose(self._kept)

    def _risen(self, share: float) -> Pose:
        return Pose(self._pose.position + np.array([0.0, 0.0, share * self._rise_m]), self._pose.quaternion)

    def _inverse(self, pose: Pose, seed: Array) -> Array | None:
        return self._kinematics.inverse(pose.compose(self._kept.inverse()), seed)

    def _joints_at(self, pose: Pose, seed: Array) -> Array:
        joints = self._inverse(pose, seed)
        if joints is None:
            place = ", ".join(f"{v:.3f}" for v in pose.position)
            raise SafetyError(f"homing: no joint angles on the way up at ({place}) m; move the arm by hand")
        return joints

    def _rise(self) -> list[Array]:
        """Joint angles along the way up, checked. It ends where the arm reaches no higher."""
        knots = [self._start]
        steps = int(np.ceil(self._rise_m / _RISE_M))
        place = self._pose.position
        for step in range(1, steps + 1):
            pose = self._risen(step / steps)
            joints = self._inverse(pose, knots[-1])
            if joints is None:
                self._rise_m *= (step - 1) / steps
                break
            knots.append(joints)
            place = self._check("up", place, pose.position, joints)
        return knots

    def _turn(self) -> None:
        """Checks the straight way in joint angles."""
        place = self._risen(1.0).position
        steps = int(np.ceil(np.abs(self._goal - self._top).max() / _TURN_RAD))
        for share in np.arange(1, steps + 1) / max(steps, 1):
            joints = self._top + float(share) * (self._goal - self._top)
            place = self._check("to the home posture", place, self._tool(joints).position, joints)

    def _check(self, phase: str, before: Array, position: Array, joints: Array) -> Array:
        x, y, z = as_vector(position)
        problem = ""
        if not self._region.holds((x, y, z)):
            problem = "outside the workspace"
        for box in self._region.keep_out:
            if crosses(box, before.tolist(), (x, y, z)):
                problem = f"in the keep-out box {box.name!r}"
        if not problem and self._problem_of is not None:
            problem = self._problem_of(joints)
        if problem:
            raise SafetyError(
                f"homing: the way {phase} passes ({x:.3f}, {y:.3f}, {z:.3f}) m: {problem}; move the arm by "
                "hand to where its way home is free, or change homing in the rig file"
            )
        return position

    def _rise_time(self, limits: SafetyLimits, config: HomingConfig) -> float:
        if self._rise_m == 0.0:
            return 0.0
        speed = min(config.retract_m_s, limits.linear_m_s)
        fastest = float(np.abs(np.diff(self._rising, axis=0)).max()) * (len(self._rising) - 1)
        return max(
            _SHORTEST_S,
            quintic.duration_s(self._rise_m, (speed, limits.linear_m_s2, limits.linear_m_s3)),
            quintic.duration_s(fastest, (config.velocity_rad_s, None, None)),
        )

    def _turn_time(self, limits: SafetyLimits, speed: float) -> float:
        """As the fastest joint may turn, and longer where the tool would exceed its limits."""
        turn = float(np.abs(self._goal - self._top).max())
        if turn == 0.0:
            return 0.0
        shares = [quintic.share(i / _SAMPLES) for i in range(-2, _SAMPLES + 3)]
        poses = [self._tool(self._top + share * (self._goal - self._top)) for share in shares]
        linear = (_SHARE * limits.linear_m_s, limits.linear_m_s2, limits.linear_m_s3)
        angular = (_SHARE * limits.angular_rad_s, limits.angular_rad_s2, limits.angular_rad_s3)
        steps = np.diff([pose.position for pose in poses], axis=0)
        quaternions = np.array([pose.quaternion for pose in poses])
        turns = transforms.rotvec_from_quaternion(
            transforms.quaternion_multiply(transforms.quaternion_conjugate(quaternions[:-1]), quaternions[1:])
        )
        return max(
            _SHORTEST_S,
            quintic.duration_s(turn, (speed, None, None)),
            _stretched(steps, linear),
            _stretched(turns, angular),
        )


def _difference(nominal: Pose, measured: Pose) -> Pose:
    """The measured pose in the frame of the nominal one.

    Raises:
        SafetyError: they are so far apart that the tool of the rig and of the arm's controller differ.
    """
    gap_m, gap_rad = nominal.distance(measured)
    if gap_m > _MISMATCH_M or gap_rad > _MISMATCH_RAD:
        raise SafetyError(
            f"homing: the measured pose lies {gap_m:.3f} m and {gap_rad:.2f} rad from that of the measured "
            f"joint angles, allowed {_MISMATCH_M} m and {_MISMATCH_RAD} rad; do the rig's model and tool "
            "match the arm's?"
        )
    return nominal.inverse().compose(measured)


def _stretched(steps: Array, most: tuple[float, float | None, float | None]) -> float:
    """Seconds in which steps ``(n, 3)`` keep speed, acceleration and jerk; `_SAMPLES` make the whole way."""
    times = []
    for order, limit in enumerate(most):
        peak = float(np.linalg.norm(np.diff(steps, n=order, axis=0), axis=1).max()) * _SAMPLES ** (order + 1)
        times.append(0.0 if limit is None else float((peak / limit) ** (1.0 / (order + 1))))
    return max(times)
