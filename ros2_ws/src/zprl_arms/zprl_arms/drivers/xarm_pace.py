"""Setpoints as a box can take them: each no farther from the one before than one period's way. Pure.

The box goes the whole way to a setpoint within one period. Where setpoints were held up on their way, the arm
has stood still meanwhile: the next one sent starts from rest and catches up inside the rig's limits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zprl_arms.limits import safety_limits, sudden_rad_s2
from zprl_core.config import ArmConfig
from zprl_core.safety import ServoLimiter
from zprl_core.safety.joints import JointFollower
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

_STOOD_PERIODS = 2.5
_JOINT_RAD_S2 = 20.0  # what the controller gives a joint by itself: 1145 deg/s^2; to catch up from rest


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
        self._speed_rad_s = arm.limits.joint_velocity_rad_s
        self._joints = JointFollower(joints_rad, self._speed_rad_s, sudden_rad_s2(arm))
        self._sent_rad, self._catching_up = joints_rad, False
        self._last_s = 0.0

    def pose(self, wanted: Setpoint, now_s: float) -> Setpoint:
        """The setpoint to send at `now_s` (any clock, s); `wanted` itself where nothing was held up."""
        if self._stood(now_s):
            self._limiter.restart(self._limiter.last)
        return self._limiter.limit(wanted, self._period_s)[0]

    def joints(self, wanted: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
        """The same for joint angles, float64 (joints,) rad.

        What is wanted was checked, so it is sent: an arm that lagged behind it would go beyond where it is
        told to stop. Only after a stand it is caught up with gently.
        """
        if self._stood(now_s):
            self._joints.stand()
            self._gentle = JointFollower(self._sent_rad, self._speed_rad_s, _JOINT_RAD_S2)
            self._catching_up = True
        sent = self._gentle.follow(wanted, self._period_s) if self._catching_up else wanted
        self._catching_up = self._catching_up and sent is not wanted
        self._sent_rad = self._joints.follow(sent, self._period_s)
        return self._sent_rad

    def _stood(self, now_s: float) -> bool:
        gap_s, self._last_s = now_s - self._last_s, now_s
        return gap_s > _STOOD_PERIODS * self._period_s
