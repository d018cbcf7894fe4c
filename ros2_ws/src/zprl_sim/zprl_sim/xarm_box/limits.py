# SPDX-License-Identifier: Apache-2.0
"""Whether a servo setpoint may be followed, and the vendor's error code where it may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from zprl_core.transforms import Pose
from zprl_sim.xarm_box.plant import Array

UNREACHED = 1e-3  # m or rad between a pose and the nearest one that joint angles were found for
# Assumption: how a speed is made of two setpoints.
_SHORTEST_S = 0.01  # setpoints may bunch up on their way: no time between two counts as less
_SLACK_S = 0.01
_FACTOR = 1.05  # speeds are compared with a little to spare, as floats on the wire are short
_TOLERANCE_RAD = 1e-4


class Error(IntEnum):
    """Errors of the controller that the box raises by itself or that the bench injects."""

    NONE = 0
    EMERGENCY_STOP = 1
    TOOL_COMMUNICATION = 19
    KINEMATICS = 21
    SELF_COLLISION = 22
    JOINT_LIMIT = 23
    SPEED = 24
    COLLISION = 31
    FENCE = 35
    LINEAR_SPEED = 60


@dataclass
class Reduced:
    """Reduced mode and the fence, as they are set; both off at power-up."""

    on: bool = False
    fence_on: bool = False
    rebound: bool = False
    tcp_speed_mm_s: float = 1000.0
    joint_speed_rad_s: float = 3.14159
    box_mm: list[int] = field(default_factory=lambda: [9999, -9999] * 3)
    joint_range_rad: list[float] = field(default_factory=lambda: [-6.2832, 6.2832] * 7)


class Step(NamedTuple):
    """From one setpoint to the next.

    Attributes:
        before_rad, after_rad: joint angles.
        before, after: tool centre point in the base frame.
        elapsed_s: since the setpoint before.
    """

    before_rad: Array
    after_rad: Array
    before: Pose
    after: Pose
    elapsed_s: float


@dataclass(frozen=True)
class Bounds:
    """What setpoints are held against.

    Attributes:
        lower_rad, upper_rad: of the joints.
        joint_speed_rad_s, tcp_speed_m_s: largest speeds of the model.
        reduced: what the client set.
    """

    lower_rad: Array
    upper_rad: Array
    joint_speed_rad_s: float
    tcp_speed_m_s: float
    reduced: Reduced

    def violation(self, step: Step, *, linear: Error) -> Error:
        """The first error that following the step would be; `linear`: the one for the tool's speed.

        Assumption: these errors, in this order.
        """
        if self._outside_joints(step.after_rad):
            return Error.JOINT_LIMIT
        if self.reduced.fence_on and self._outside_fence(step.after):
            return Error.FENCE
        span_s = _FACTOR * (max(step.elapsed_s, _SHORTEST_S) + _SLACK_S)
        if np.abs(step.after_rad - step.before_rad).max() > self._joint_speed * span_s:
            return Error.SPEED
        if np.linalg.norm(step.after.position - step.before.position) > self._tcp_speed * span_s:
            return linear
        return Error.NONE

    @property
    def _joint_speed(self) -> float:
        reduced = self.reduced.joint_speed_rad_s if self.reduced.on else self.joint_speed_rad_s
        return min(reduced, self.joint_speed_rad_s)

    @property
    def _tcp_speed(self) -> float:
        reduced = self.reduced.tcp_speed_mm_s / 1000.0 if self.reduced.on else self.tcp_speed_m_s
        return min(reduced, self.tcp_speed_m_s)

    def _outside_joints(self, joints_rad: Array) -> bool:
        lower, upper = self.lower_rad, self.upper_rad
        if self.reduced.on:
            ranges = np.reshape(self.reduced.joint_range_rad, (7, 2))[: len(joints_rad)]
            lower, upper = np.maximum(lower, ranges[:, 0]), np.minimum(upper, ranges[:, 1])
        outside = (joints_rad < lower - _TOLERANCE_RAD) | (joints_rad > upper + _TOLERANCE_RAD)
        return bool(outside.any())

    def _outside_fence(self, tcp: Pose) -> bool:
        box = np.reshape(self.reduced.box_mm, (3, 2)) / 1000.0
        return bool(((tcp.position > box[:, 0]) | (tcp.position < box[:, 1])).any())
