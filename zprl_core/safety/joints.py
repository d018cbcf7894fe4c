"""Joint angles that are sent: how they come to rest, and how they catch up with what is wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zprl_core.safety.following import Bounds, Follower
from zprl_core.safety.stopping import ZERO, rest, stop_from
from zprl_core.transforms import Array

JOINT_RAD_S2 = 10.0
"""Acceleration that every joint of every arm here may have: the least of the vendors' limits, rounded."""
_STILL_RAD_S = 1e-6
_ROUNDING_S = 1e-9


class JointStop:
    """Joints that slow down together and rest, on the straight line in joint angles on which they move.

    It needs no inverse kinematics, so that it exists wherever the arm is. A joint that would pass its limit
    makes all of them stop sooner.

    Args:
        joints_rad, velocity_rad_s, acceleration_rad_s2: (joints,) at its start.
        deceleration, jerk: at most; in shares of the velocity at its start, 1/s and 1/s^2.
        lower_rad, upper_rad: joint limits, (joints,).
    """

    def __init__(
        self,
        joints_rad: Array,
        velocity_rad_s: Array,
        acceleration_rad_s2: Array,
        *,
        deceleration: float,
        jerk: float,
        lower_rad: Array,
        upper_rad: Array,
    ) -> None:
        self._start, self._velocity = joints_rad, velocity_rad_s
        square = float(velocity_rad_s @ velocity_rad_s)
        if square <= _STILL_RAD_S**2:
            self._stop = rest(ZERO)
            return
        slowing = float(acceleration_rad_s2 @ velocity_rad_s) / square
        slowing = min(max(slowing, -deceleration), deceleration)
        forwards = (1.0, 0.0, 0.0)
        self._stop = stop_from(ZERO, forwards, (slowing, 0.0, 0.0), deceleration, jerk)
        room_s = _room_s(joints_rad, velocity_rad_s, lower_rad, upper_rad)
        if room_s <= _ROUNDING_S:
            self._stop = rest(ZERO)
        elif self._stop.end[0] > room_s:
            self._stop = stop_from(ZERO, forwards, ZERO, 0.5 / room_s, math.inf)

    @property
    def duration_s(self) -> float:
        """Seconds until they rest."""
        return self._stop.duration_s

    def at(self, elapsed_s: float) -> Array:
        """Joint angles (joints,), rad."""
        return np.asarray(self._start + self._stop.at(elapsed_s)[0] * self._velocity)


class JointFollower:
    """Joint angles that follow wanted ones inside each joint's speed and acceleration.

    Args:
        joints_rad: where they are, at rest, (joints,).
        speed_rad_s, acceleration_rad_s2: of every joint, at most.
    """

    def __init__(self, joints_rad: Array, speed_rad_s: float, acceleration_rad_s2: float) -> None:
        bounds = Bounds(speed_rad_s, acceleration_rad_s2, math.inf)
        self._joints = [Follower(bounds, (angle, 0.0, 0.0)) for angle in joints_rad.tolist()]

    def stand(self) -> None:
        """They have been left alone so long that they are at rest where they were sent last."""
        for joint in self._joints:
            joint.pause()

    def follow(self, wanted_rad: Array, step_s: float) -> Array:
        """Where to be ``step_s`` after the last call, (joints,) rad; ``wanted_rad`` itself where that keeps
        the limits.
        """
        moves = [
            joint.follow((angle, 0.0, 0.0), step_s)
            for joint, angle in zip(self._joints, wanted_rad.tolist(), strict=True)
        ]
        return (
            np.array([place[0] for place, _ in moves]) if any(reason for _, reason in moves) else wanted_rad
        )


def _room_s(joints: Array, velocity: Array, lower: Array, upper: Array) -> float:
    """Seconds at the present velocity until the first joint is at its limit."""
    rooms: Sequence[float] = [
        ((high if speed > 0.0 else low) - angle) / speed
        for angle, speed, low, high in zip(
            joints.tolist(), velocity.tolist(), lower.tolist(), upper.tolist(), strict=True
        )
        if abs(speed) > _STILL_RAD_S
    ]
    return min(rooms, default=math.inf)
