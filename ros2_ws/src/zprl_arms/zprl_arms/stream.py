"""The setpoints that one arm is sent, in poses and in joint angles, inside its limits. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zprl_arms.posture import Posture
from zprl_core.errors import DataError, SafetyError
from zprl_core.safety import Braked, SafetyLimits, ServoLimiter
from zprl_core.safety.servo import Reasons
from zprl_core.trajectory import Setpoint

Joints = NDArray[np.float64]


class SetpointStream:
    """Each setpoint follows from the one before.

    Args:
        limits: of the arm.
        start: where it is.
        posture: of its joints and links; None: not looked at.
    """

    def __init__(self, limits: SafetyLimits, start: Setpoint, posture: Posture | None) -> None:
        self._limiter, self._posture = ServoLimiter(limits, start), posture
        self._by_joints = False

    @property
    def last(self) -> Setpoint:
        """The setpoint that was sent last."""
        return self._limiter.last

    @property
    def joints_rad(self) -> Joints | None:
        """The same in joint angles, (joints,); None where they are not looked at."""
        return None if self._posture is None else self._posture.commanded_rad

    def restart(self, setpoint: Setpoint) -> None:
        """Goes on from where the arm was measured, at rest; with the gripper width that is kept."""
        if self._posture is not None:
            self._posture.restart()
        self._limiter.restart(setpoint)
        self._by_joints = False

    def stand(self) -> None:
        """The arm has come to rest by itself at the last setpoint."""
        if self._posture is not None:
            self._posture.stand()
        self._limiter.restart(self._limiter.last)

    def follow(self, wanted: Setpoint, joints_rad: Joints | None, step_s: float) -> tuple[Setpoint, Reasons]:
        """The setpoint to send `step_s` after the last one, and why it differs from `wanted`.

        Args:
            wanted: where the arm shall be.
            joints_rad: the same in joint angles, (joints,), where they are known.

        Raises:
            SafetyError: it cannot be sent; the last one stays, and `brake` goes on from there.
        """
        unsent = self._limiter.copy()
        try:
            return self._follow(wanted, joints_rad, step_s)
        except (SafetyError, DataError) as error:
            self._limiter = unsent
            raise SafetyError(str(error)) from error

    def brake(self, step_s: float, *, by_joints: bool = False) -> Braked:
        """The setpoint to send `step_s` after the last one to come to rest; the gripper stays.

        The tool brakes along its way. Where joints cannot follow that, or with `by_joints`, the
        joints slow down instead, until they rest.
        """
        if self._posture is None:
            return self._limiter.brake(step_s)
        if not (self._by_joints or by_joints):
            unsent = self._limiter.copy()
            braked = self._limiter.brake(step_s)
            try:
                self._posture.follow(braked.setpoint, step_s, braking=True)
            except SafetyError:
                self._limiter = unsent
            else:
                return braked
        pose, at_rest = self._posture.come_to_rest(self.last.pose, step_s)
        self._limiter.restart(Setpoint.at(pose, self.last.gripper_width))
        self._by_joints = not at_rest
        return Braked(self.last, at_rest)

    def _follow(self, wanted: Setpoint, joints_rad: Joints | None, step_s: float) -> tuple[Setpoint, Reasons]:
        posture = self._posture
        if posture is None:
            return self._limiter.limit(wanted, step_s)
        slowed = posture.slowed(wanted, self.last, step_s)
        sent, reasons = self._limiter.limit(slowed, step_s)
        if slowed is not wanted:
            reasons = ("joint velocity", *reasons)
        posture.follow(sent, step_s, None if reasons else joints_rad)
        return sent, reasons
