"""The last thing that a setpoint passes before it is sent."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np

from zprl_core import rotation as rot
from zprl_core.errors import SafetyError
from zprl_core.rotation import Quaternion
from zprl_core.safety.following import Bounds, Follower
from zprl_core.safety.limits import SafetyLimits
from zprl_core.safety.region import Region
from zprl_core.safety.stopping import ZERO
from zprl_core.trajectory import Setpoint
from zprl_core.trajectory.motion import as_quaternion, as_vector
from zprl_core.transforms import Array

Reasons = tuple[str, ...]
"""Why a setpoint was changed, of: workspace, keep-out, velocity, acceleration, jerk, gripper; or none."""
_SHORTEST_STEP_S = 1e-6


class Braked(NamedTuple):
    """A setpoint of a controlled deceleration, and whether it is the last one: the arm then rests there."""

    setpoint: Setpoint
    at_rest: bool


class ServoLimiter:
    """Keeps the stream of setpoints inside the limits, and able to stop inside them at any time.

    A setpoint that keeps the limits and leaves a way to stop inside them is sent as it is, bit for bit;
    `zprl_core.safety.following` says what is limited, why a stop always remains, and how it comes back to the
    wanted setpoints. The rotation is treated like the position, in the rotation vectors from one setpoint to
    the next (their rate is the angular velocity in the tool frame). The gripper's width keeps its range and
    speed.

    Args:
        limits: of this arm.
        start: the setpoint that is commanded now, or the measured pose.

    Raises:
        DataError: ``start`` is not finite.
    """

    def __init__(self, limits: SafetyLimits, start: Setpoint) -> None:
        self._limits = limits
        linear = _bounds(limits.linear_m_s, limits.linear_m_s2, limits.linear_m_s3)
        angular = _bounds(limits.angular_rad_s, limits.angular_rad_s2, limits.angular_rad_s3)
        self._place = Follower(linear, as_vector(start.pose.position), Region.of(limits))
        self._turn = Follower(angular, ZERO)
        self.restart(start)

    @property
    def last(self) -> Setpoint:
        """The setpoint that was let through last."""
        return self._last

    def restart(self, setpoint: Setpoint) -> None:
        """Goes on from ``setpoint``, at rest; it is the measured pose after a stop.

        Raises:
            DataError: it is not finite.
        """
        self._last = Setpoint.at(setpoint.pose, setpoint.gripper_width)
        self._quaternion = as_quaternion(self._last.quaternion)
        self._place.restart(as_vector(self._last.position))
        self._turn.restart(ZERO)

    def copy(self) -> ServoLimiter:
        """As it is now, to go on from in place of this one."""
        other = copy.copy(self)
        other._place, other._turn = copy.copy(self._place), copy.copy(self._turn)
        return other

    def limit(self, wanted: Setpoint, step_s: float) -> tuple[Setpoint, Reasons]:
        """The setpoint to send ``step_s`` seconds after the last one, and why it differs from ``wanted``.

        After a step of more than ``max_step_s`` the arm counts as standing at the last setpoint. One of less
        than a microsecond is none: the last setpoint stays.

        Raises:
            SafetyError: a non-finite number; nothing may be sent, and the last setpoint stays.
        """
        _refuse_non_finite(wanted, step_s)
        step_s = self._counted(step_s)
        if step_s < _SHORTEST_STEP_S:
            return self._last, () if _same(self._last, wanted) else ("velocity",)
        position, moved = self._limit_position(wanted.position, step_s)
        quaternion, turned = self._limit_rotation(wanted.quaternion, step_s)
        width = self._limit_gripper(wanted.gripper_width, step_s)
        squeezed = wanted.gripper_width is not None and width != wanted.gripper_width
        self._last = Setpoint(position, quaternion, width)
        reasons = dict.fromkeys((moved, turned, "gripper" if squeezed else ""))
        return self._last, tuple(filter(None, reasons))

    def brake(self, step_s: float) -> Braked:
        """The setpoint to send ``step_s`` seconds after the last one to come to rest; the gripper stays.

        Raises:
            SafetyError: ``step_s`` is not finite.
        """
        _refuse_non_finite(self._last, step_s)
        step_s = self._counted(step_s)
        if step_s >= _SHORTEST_STEP_S:
            position = np.array(self._place.brake(step_s))
            before = self._turn.position
            self._quaternion = _turned(self._quaternion, rot.subtract(self._turn.brake(step_s), before))
            self._last = Setpoint(position, np.array(self._quaternion), self._last.gripper_width)
        return Braked(self._last, self._place.at_rest and self._turn.at_rest)

    def _counted(self, step_s: float) -> float:
        if step_s > self._limits.max_step_s:
            self._place.pause()
            self._turn.pause()
        return min(float(step_s), self._limits.max_step_s)

    def _limit_position(self, wanted: Array, step_s: float) -> tuple[Array, str]:
        position, reason = self._place.follow(as_vector(wanted), step_s)
        return (np.array(position) if reason else wanted), reason

    def _limit_rotation(self, wanted: Array, step_s: float) -> tuple[Array, str]:
        goal, before = as_quaternion(wanted), self._turn.position
        turn = rot.log(rot.multiply(rot.conjugate(self._quaternion), goal))
        reached, reason = self._turn.follow(rot.add(before, turn), step_s)
        if not reason:
            self._quaternion = goal
            return wanted, reason
        self._quaternion = _turned(self._quaternion, rot.subtract(reached, before))
        sent = np.array(self._quaternion)
        return (sent if sent @ wanted >= 0.0 else -sent), reason

    def _limit_gripper(self, wanted: float | None, step_s: float) -> float | None:
        if wanted is None:
            return self._last.gripper_width
        inside = min(max(wanted, self._limits.gripper_low_m), self._limits.gripper_high_m)
        last = inside if self._last.gripper_width is None else self._last.gripper_width
        most = self._limits.gripper_m_s * step_s
        return inside if abs(inside - last) <= most else last + math.copysign(most, inside - last)


def _bounds(speed: float, acceleration: float | None, jerk: float | None) -> Bounds:
    return Bounds(
        speed,
        math.inf if acceleration is None else acceleration,
        math.inf if jerk is None else jerk,
    )


def _turned(quaternion: Quaternion, turn: rot.Vector) -> Quaternion:
    return rot.normalise(rot.multiply(quaternion, rot.exp(turn)))


def _same(a: Setpoint, b: Setpoint) -> bool:
    same_pose = (a.position == b.position).all() and (a.quaternion == b.quaternion).all()
    return bool(same_pose and b.gripper_width in (None, a.gripper_width))


def _refuse_non_finite(wanted: Setpoint, step_s: float) -> None:
    numbers = [*wanted.position.tolist(), *wanted.quaternion.tolist(), wanted.gripper_width or 0.0, step_s]
    if not all(map(math.isfinite, numbers)):
        raise SafetyError(
            f"setpoint {wanted.position}, {wanted.quaternion}, gripper {wanted.gripper_width}, "
            f"step {step_s} s: every number must be finite; hold, and restart from the measured pose"
        )
