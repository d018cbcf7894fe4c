"""The last thing that a setpoint passes before it is sent."""

from __future__ import annotations

import numpy as np

from zprl_core import transforms
from zprl_core.errors import SafetyError
from zprl_core.safety.limits import SafetyLimits
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Array


class ServoLimiter:
    """Keeps every setpoint in the workspace and gripper range, and its speed below the limits.

    Args:
        limits: of this arm.
        start: the setpoint that is commanded now, or the measured pose.
    """

    def __init__(self, limits: SafetyLimits, start: Setpoint) -> None:
        self._limits = limits
        self._low, self._high = np.array(limits.workspace_low_m), np.array(limits.workspace_high_m)
        self.restart(start)

    @property
    def last(self) -> Setpoint:
        """The setpoint that was let through last."""
        return self._last

    def restart(self, setpoint: Setpoint) -> None:
        """Goes on from ``setpoint``, which is the measured pose after a stop.

        Raises:
            DataError: it is not finite.
        """
        self._last = Setpoint.at(setpoint.pose, setpoint.gripper_width)

    def limit(self, wanted: Setpoint, step_s: float) -> tuple[Setpoint, bool]:
        """The setpoint to send ``step_s`` seconds after the last one, and whether it differs from ``wanted``.

        Raises:
            SafetyError: a non-finite number; nothing may be sent, and the last setpoint stays.
        """
        finite = np.isfinite(wanted.position).all() and np.isfinite(wanted.quaternion).all()
        if not finite or not np.isfinite(step_s) or not np.isfinite(wanted.gripper_width or 0.0):
            raise SafetyError(
                f"setpoint {wanted.position}, {wanted.quaternion}, gripper {wanted.gripper_width}, "
                f"step {step_s} s: every number must be finite; hold, and restart from the measured pose"
            )
        step_s = min(max(step_s, 0.0), self._limits.max_step_s)
        position = self._limit_position(wanted.position, step_s)
        quaternion = self._limit_rotation(wanted.quaternion, step_s)
        width = self._limit_gripper(wanted.gripper_width, step_s)
        same = position is wanted.position and quaternion is wanted.quaternion
        clamped = not same or (wanted.gripper_width is not None and width != wanted.gripper_width)
        self._last = Setpoint(position, quaternion, width)
        return self._last, clamped

    def _limit_position(self, wanted: Array, step_s: float) -> Array:
        inside = np.minimum(np.maximum(wanted, self._low), self._high)
        step = inside - self._last.position
        distance, most = float(np.sqrt(step @ step)), self._limits.linear_m_s * step_s
        if distance > most:
            return np.asarray(self._last.position + step * (most / distance), dtype=np.float64)
        return wanted if (inside == wanted).all() else inside

    def _limit_rotation(self, wanted: Array, step_s: float) -> Array:
        angle = float(transforms.angle_between(self._last.quaternion, wanted))
        most = self._limits.angular_rad_s * step_s
        if angle <= most:
            return wanted
        reached = transforms.slerp(self._last.quaternion, wanted, most / angle)
        return reached if reached @ wanted >= 0.0 else -reached

    def _limit_gripper(self, wanted: float | None, step_s: float) -> float | None:
        if wanted is None:
            return self._last.gripper_width
        inside = min(max(wanted, self._limits.gripper_low_m), self._limits.gripper_high_m)
        last = inside if self._last.gripper_width is None else self._last.gripper_width
        most = self._limits.gripper_m_s * step_s
        return inside if abs(inside - last) <= most else last + float(np.copysign(most, inside - last))
