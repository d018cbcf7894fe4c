"""How a moving point comes to rest inside its limits, in closed form.

The jerk is constant in each of three phases: the acceleration goes straight from what it is to a deceleration
against the remaining velocity (ramp), stays there (hold), and goes back to zero (release). All of it lies in
one plane, and all but the ramp on one line, so that its extremes are easy to check.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from zprl_core import rotation as rot
from zprl_core.rotation import Vector

ZERO: Vector = (0.0, 0.0, 0.0)
_TRIES = 6
_LONGER = 1.02  # a ramp this much longer than the last estimate ends the search soon


class Stop(NamedTuple):
    """A stop as a function of the seconds since its start.

    Attributes:
        position, velocity, acceleration: at its start.
        remaining: the velocity that the release and the hold remove, were the ramp infinitely steep at its
            middle. The speed never exceeds the larger of its norm and the initial speed.
        deceleration: the acceleration while it holds.
        ramp_s, hold_s, release_s: how long the phases take.
        corner, corner_velocity: where the ramp ends.
        end: where it rests.
    """

    position: Vector
    velocity: Vector
    acceleration: Vector
    remaining: Vector
    deceleration: Vector
    ramp_s: float
    hold_s: float
    release_s: float
    corner: Vector
    corner_velocity: Vector
    end: Vector

    @property
    def duration_s(self) -> float:
        """Seconds until it rests."""
        return self.ramp_s + self.hold_s + self.release_s

    def at(self, elapsed_s: float) -> Vector:
        """The position."""
        t = elapsed_s
        if t < self.ramp_s:
            ramp = t * t * t / (6.0 * self.ramp_s)
            slowing = 0.5 * t * t - ramp
            return _moved(
                self.position, t, self.velocity, slowing, self.acceleration, ramp, self.deceleration
            )
        t -= self.ramp_s
        if t < self.hold_s:
            return _moved(self.corner, t, self.corner_velocity, 0.5 * t * t, self.deceleration)
        left = self.release_s - (t - self.hold_s)
        if left <= 0.0:
            return self.end
        return rot.add(self.end, rot.scale(left**3 / (6.0 * self.release_s), self.deceleration))

    def ramp_hull(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Four points whose convex hull holds the ramp: the control points of its cubic."""
        t = self.ramp_s
        first = _moved(self.position, t / 3.0, self.velocity)
        second = _moved(self.position, t * 2.0 / 3.0, self.velocity, t * t / 6.0, self.acceleration)
        return self.position, first, second, self.corner


def rest(position: Vector) -> Stop:
    """The stop of a point that does not move."""
    return Stop(position, ZERO, ZERO, ZERO, ZERO, 0.0, 0.0, 0.0, position, ZERO, position)


def stop_from(position: Vector, velocity: Vector, acceleration: Vector, most: float, jerk: float) -> Stop:
    """A stop from a state, with an acceleration of at most ``most`` and a jerk of at most ``jerk``.

    Both may be infinite. Without a limit of the acceleration it is over at once; without one of the jerk the
    initial acceleration does not count. The norm of ``acceleration`` must not exceed ``most``.
    """
    if math.isinf(most):
        return rest(position)
    if math.isinf(jerk):
        acceleration = ZERO
    ramp_s, remaining, deceleration = _ramp(velocity, acceleration, most, jerk)
    strength = rot.norm(deceleration)
    release_s = strength / jerk
    hold_s = max(rot.norm(remaining) / strength - 0.5 * (ramp_s + release_s), 0.0) if strength else 0.0
    corner = _moved(
        position, ramp_s, velocity, ramp_s * ramp_s / 3.0, acceleration, ramp_s * ramp_s / 6.0, deceleration
    )
    leaving = rot.add(remaining, rot.scale(0.5 * ramp_s, deceleration))
    end = _moved(corner, hold_s, leaving, 0.5 * hold_s * hold_s - release_s * release_s / 6.0, deceleration)
    return Stop(
        position,
        velocity,
        acceleration,
        remaining,
        deceleration,
        ramp_s,
        hold_s,
        release_s,
        corner,
        leaving,
        end,
    )


def _ramp(velocity: Vector, acceleration: Vector, most: float, jerk: float) -> tuple[float, Vector, Vector]:
    """Length of the ramp, the velocity that remains to be removed, and the deceleration that does it.

    A ramp is feasible where ``|deceleration - acceleration| <= jerk * length``; one of ``2 * most / jerk``
    always is. The search starts from none at all and takes the first feasible one.
    """
    length = 0.0
    for _ in range(_TRIES):
        remaining, deceleration = _against(velocity, acceleration, length, most, jerk)
        needed = rot.norm(rot.subtract(deceleration, acceleration)) / jerk
        if needed <= length:
            return length, remaining, deceleration
        length = needed * _LONGER
    length = 2.0 * most / jerk
    return length, *_against(velocity, acceleration, length, most, jerk)


def _against(
    velocity: Vector, acceleration: Vector, ramp_s: float, most: float, jerk: float
) -> tuple[Vector, Vector]:
    """The velocity that remains after half of a ramp, and a deceleration against it: ``most``, or less where
    that would turn it round.
    """
    remaining = rot.add(velocity, rot.scale(0.5 * ramp_s, acceleration))
    speed = rot.norm(remaining)
    if speed == 0.0:
        return remaining, ZERO
    if math.isinf(jerk):
        return remaining, rot.scale(-most / speed, remaining)
    half = 0.5 * jerk * ramp_s
    strength = min(most, 2.0 * jerk * speed / (half + math.sqrt(half * half + 2.0 * jerk * speed)))
    return remaining, rot.scale(-strength / speed, remaining)


def _moved(
    start: Vector, t: float, v: Vector, k: float = 0.0, a: Vector = ZERO, m: float = 0.0, b: Vector = ZERO
) -> Vector:
    """``start + t v + k a + m b``."""
    return (
        start[0] + t * v[0] + k * a[0] + m * b[0],
        start[1] + t * v[1] + k * a[1] + m * b[1],
        start[2] + t * v[2] + k * a[2] + m * b[2],
    )
