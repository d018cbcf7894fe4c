# SPDX-License-Identifier: Apache-2.0
"""Velocity, acceleration and jerk of a tool by a Savitzky-Golay filter.

In a window of `WINDOW_S` around each point a polynomial of degree `DEGREE` is fitted by least squares, and
its derivatives are taken in the middle (A. Savitzky, M. J. E. Golay, Analytical Chemistry 36, 1964). It
passes motion up to about 8 Hz and averages the noise of sensors, which three plain differences would blow up.
Commands and measurements go through the same filter, so that they compare.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from zprl_core.smoothness.track import GRID_HZ, Piece
from zprl_core.transforms import Array

WINDOW_S = 0.2
"""Length of the filter's window: 21 points."""
SHORTEST_S = 2.0 * WINDOW_S
"""Half a window at both ends has no derivative, so a piece must last longer than one."""
DEGREE = 5


class Derivatives(NamedTuple):
    """Magnitudes at n points of a piece, float64 (n,), half a window away from both ends."""

    speed: Array  # m/s
    acceleration: Array  # m/s^2
    jerk: Array  # m/s^3
    angular_speed: Array  # rad/s
    angular_acceleration: Array  # rad/s^2
    angular_jerk: Array  # rad/s^3


def differentiate(piece: Piece) -> Derivatives:
    """The derivatives of a piece that lasts at least `WINDOW_S`."""
    values = np.concatenate((piece.position, piece.quaternion), axis=1)
    fitted = sliding_window_view(values, _POINTS, axis=0) @ _COEFFICIENTS  # (n, 7, 4)
    linear, q = fitted[:, :3], fitted[:, 3:]
    magnitude = np.linalg.norm(linear[:, :, 1:], axis=1)
    angular = np.linalg.norm(_angular(q), axis=1)
    return Derivatives(*magnitude.T, *angular.T)


def _angular(q: Array) -> Array:
    """Angular velocity, acceleration and jerk (n, 3, 3), the last axis the order, from a quaternion and its
    derivatives (n, 4, 4): omega = 2 vec(q' q*), and so on by the product rule.
    """
    square = np.sum(q[:, :, 0] ** 2, axis=1)[:, None]
    q0, q1, q2, q3 = (q[:, :, order] for order in range(4))
    velocity = _vector_part(q1, q0)
    acceleration = _vector_part(q2, q0)  # q' q'* is a scalar
    jerk = _vector_part(q3, q0) + _vector_part(q2, q1)
    return np.stack([2.0 * each / square for each in (velocity, acceleration, jerk)], axis=2)


def _vector_part(a: Array, b: Array) -> Array:
    """The vector part of a b*, (n, 3)."""
    return np.asarray(b[:, :1] * a[:, 1:] - a[:, :1] * b[:, 1:] - np.cross(a[:, 1:], b[:, 1:]))


def _coefficients(points: int) -> Array:
    """(points, 4): weights of a window that give the fitted polynomial's value and derivatives 1 to 3."""
    at_s = (np.arange(points) - points // 2) / GRID_HZ
    fit = np.linalg.pinv(np.vander(at_s, DEGREE + 1, increasing=True))[:4]
    return np.ascontiguousarray((fit * np.array([[1.0], [1.0], [2.0], [6.0]])).T)


_POINTS = round(WINDOW_S * GRID_HZ) + 1
_COEFFICIENTS = _coefficients(_POINTS)
