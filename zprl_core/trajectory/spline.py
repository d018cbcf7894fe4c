"""A C1 path through the waypoints of a chunk."""

from __future__ import annotations

import numpy as np

from zprl_core import rotation as rot
from zprl_core import transforms
from zprl_core.errors import DataError
from zprl_core.rotation import Vector
from zprl_core.trajectory.motion import MotionState, as_quaternion, as_vector, coast
from zprl_core.transforms import Array


class PoseSpline:
    """Passes through waypoint i at ``(i + 1) * dt_s`` after its start, with a continuous velocity.

    Between neighbours the position is a cubic Hermite curve whose slopes are harmonic means of the
    neighbouring differences (Fritsch and Butland): it never leaves the box that two neighbouring waypoints
    span. The rotation is the same in the rotation vector from one waypoint to the next, which is slerp where
    the turning is steady. Outside the waypoints it goes on at its first or last velocity.

    Args:
        position: ``(H, 3)`` float64, m.
        quaternion: ``(H, 4)`` float64, unit, (w, x, y, z), no sign flips between neighbours.
        dt_s: time between waypoints, s, above 0.

    Raises:
        DataError: non-finite numbers, wrong shapes, or a ``dt_s`` that is not above 0.
    """

    def __init__(self, position: Array, quaternion: Array, dt_s: float) -> None:
        position = transforms.finite(position, "waypoint position", 3)
        quaternion = transforms.normalise_quaternion(quaternion)
        dt_s = float(dt_s)
        if not (np.isfinite(dt_s) and dt_s > 0.0):
            raise DataError(f"dt_s: {dt_s}, expected the seconds between waypoints, above 0")
        if position.ndim != 2 or len(position) == 0 or quaternion.shape != (len(position), 4):
            raise DataError(
                f"waypoints: shapes {position.shape} and {quaternion.shape}, expected (H, 3) and (H, 4)"
            )
        self._dt_s = dt_s
        self._positions = [as_vector(p) for p in position]
        self._quaternions = [as_quaternion(q) for q in quaternion]
        turns = transforms.rotvec_from_quaternion(
            transforms.quaternion_multiply(transforms.quaternion_conjugate(quaternion[:-1]), quaternion[1:])
        ).reshape(-1, 3)
        self._turns = [as_vector(r) for r in turns]
        self._velocities = [as_vector(v) for v in _slopes(np.diff(position, axis=0), dt_s)]
        self._omegas = [as_vector(w) for w in _slopes(turns, dt_s)]
        # The rotation vector's rate at the end of segment i, where the turn is already turns[i].
        self._end_rates = [rot.rotvec_rate(r, w) for r, w in zip(self._turns, self._omegas[1:], strict=True)]

    def state(self, elapsed_s: float) -> MotionState:
        """The state ``elapsed_s`` after the start; waypoint 0 lies at ``dt_s``."""
        dt_s = self._dt_s
        knots = elapsed_s / dt_s - 1.0
        last = len(self._positions) - 1
        if knots <= 0.0:
            return self._coast(0, knots * dt_s)
        if knots >= last:
            return self._coast(last, (knots - last) * dt_s)
        i = int(knots)
        weights, rates = _hermite(knots - i, dt_s)
        start = self._positions[i]
        step = rot.subtract(self._positions[i + 1], start)
        position = _combine(weights, self._velocities[i], step, self._velocities[i + 1])
        velocity = _combine(rates, self._velocities[i], step, self._velocities[i + 1])
        turn = _combine(weights, self._omegas[i], self._turns[i], self._end_rates[i])
        turn_rate = _combine(rates, self._omegas[i], self._turns[i], self._end_rates[i])
        quaternion = rot.multiply(self._quaternions[i], rot.exp(turn))
        return MotionState(
            rot.add(start, position), velocity, rot.normalise(quaternion), rot.body_velocity(turn, turn_rate)
        )

    def _coast(self, i: int, elapsed_s: float) -> MotionState:
        at = MotionState(self._positions[i], self._velocities[i], self._quaternions[i], self._omegas[i])
        return coast(at, elapsed_s)


def _slopes(steps: Array, dt_s: float) -> Array:
    """Slopes ``(H, 3)`` at the waypoints from the differences ``(H - 1, 3)`` between them."""
    if len(steps) == 0:
        return np.zeros((1, 3))
    left, right = steps[:-1], steps[1:]
    agree = left * right > 0.0
    total = np.where(agree, left + right, 1.0)
    inner = np.where(agree, 2.0 * (left / total) * right, 0.0)
    return np.asarray(np.concatenate((steps[:1], inner, steps[-1:])) / dt_s, dtype=np.float64)


def _hermite(u: float, dt_s: float) -> tuple[Vector, Vector]:
    """Weights of (first slope, step, last slope) at share ``u`` of a segment, and their derivatives."""
    weights = (u * (1.0 - u) ** 2 * dt_s, u * u * (3.0 - 2.0 * u), u * u * (u - 1.0) * dt_s)
    rates = ((1.0 - u) * (1.0 - 3.0 * u), 6.0 * u * (1.0 - u) / dt_s, u * (3.0 * u - 2.0))
    return weights, rates


def _combine(weights: Vector, a: Vector, b: Vector, c: Vector) -> Vector:
    k, m, n = weights
    return k * a[0] + m * b[0] + n * c[0], k * a[1] + m * b[1] + n * c[1], k * a[2] + m * b[2] + n * c[2]
