"""Setpoints as a box can take them: each no farther from the one before than one period's way. Pure.

The box goes the whole way to a setpoint within one period. Where setpoints were held up on their way, the arm
has stood still meanwhile: the next one sent starts from rest and catches up inside the rig's limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zprl_arms.limits import safety_limits
from zprl_core.config import ArmConfig
from zprl_core.safety import ServoLimiter
from zprl_core.safety.joints import JointFollower
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

_STOOD_PERIODS = 2.5
_JOINT_RAD_S2 = 20.0  # what the controller lets a joint have: 1145 deg/s^2


class Pace:
    """What is sent in place of what is wanted.

    Args:
        arm: its limits and servo rate.
        measured: where it is.
        joints_rad: the same, float64 (joints,).
    """

    def __init__(self, arm: ArmConfig, measured: Pose, joints_rad: NDArray[np.float64]) -> None:
        self._period_s = 1.0 / arm.servo_rate_hz
        self._limiter = ServoLimiter(safety_limits(arm), Setpoint.at(measured))
        self._joints = JointFollower(joints_rad, arm.limits.joint_velocity_rad_s, _JOINT_RAD_S2)
        self._last_s = 0.0

    def pose(self, wanted: Setpoint, now_s: float) -> Setpoint:
        """The setpoint to send at `now_s` (any clock, s); `wanted` itself where nothing was held up."""
        if self._stood(now_s):
            self._limiter.restart(self._limiter.last)
        return self._limiter.limit(wanted, self._period_s)[0]

    def joints(self, wanted: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
        """The same for joint angles, float64 (joints,) rad: none faster, or speeding up more, than it may."""
        if self._stood(now_s):
            self._joints.stand()
        return self._joints.follow(wanted, self._period_s)

    def _stood(self, now_s: float) -> bool:
        gap_s, self._last_s = now_s - self._last_s, now_s
        return gap_s > _STOOD_PERIODS * self._period_s
