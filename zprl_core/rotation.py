"""One rotation at a time, in plain floats: an array of three costs more than its arithmetic at the servo
rate.

Quaternions are (w, x, y, z) and of unit length; rotation vectors are in rad. Nothing is checked here:
`zprl_core.transforms` has checked what comes in.
"""

from __future__ import annotations

import math

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

_SMALL = 1e-4  # rad; below it, the series are exact to double precision


def add(a: Vector, b: Vector) -> Vector:
    """``a + b``."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def subtract(a: Vector, b: Vector) -> Vector:
    """``a - b``."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def scale(factor: float, a: Vector) -> Vector:
    """``factor * a``."""
    return factor * a[0], factor * a[1], factor * a[2]


def norm(a: Vector) -> float:
    """Euclidean length."""
    return math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])


def cross(a: Vector, b: Vector) -> Vector:
    """``a x b``."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Hamilton product."""
    w, x, y, z = a
    v, i, j, k = b
    return (
        w * v - x * i - y * j - z * k,
        w * i + x * v + y * k - z * j,
        w * j - x * k + y * v + z * i,
        w * k + x * j - y * i + z * v,
    )


def conjugate(q: Quaternion) -> Quaternion:
    """The inverse of a unit quaternion."""
    return q[0], -q[1], -q[2], -q[3]


def normalise(q: Quaternion) -> Quaternion:
    """Unit length again, after rounding."""
    length = math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return q[0] / length, q[1] / length, q[2] / length, q[3] / length


def rotate(q: Quaternion, v: Vector) -> Vector:
    """``v`` turned by ``q``."""
    axis = (q[1], q[2], q[3])
    twice = scale(2.0, cross(axis, v))
    return add(add(v, scale(q[0], twice)), cross(axis, twice))


def from_axes(x: Vector, y: Vector, z: Vector) -> Quaternion:
    """The rotation whose matrix has these columns; w is not negative.

    The largest of the four components comes from the diagonal, so that nothing is divided by a small number.
    """
    squares = (
        1.0 + x[0] + y[1] + z[2],
        1.0 + x[0] - y[1] - z[2],
        1.0 - x[0] + y[1] - z[2],
        1.0 - x[0] - y[1] + z[2],
    )
    largest = squares.index(max(squares))
    xy, xz, yz = x[1] + y[0], x[2] + z[0], y[2] + z[1]
    a, b, c = y[2] - z[1], z[0] - x[2], x[1] - y[0]
    rows = (
        (squares[0], a, b, c),
        (a, squares[1], xy, xz),
        (b, xy, squares[2], yz),
        (c, xz, yz, squares[3]),
    )
    w, i, j, k = rows[largest]
    sign = -1.0 if w < 0.0 else 1.0
    return normalise((sign * w, sign * i, sign * j, sign * k))


def exp(r: Vector) -> Quaternion:
    """Rotation vector -> quaternion."""
    angle = norm(r)
    factor = 0.5 - angle * angle / 48.0 if angle < _SMALL else math.sin(0.5 * angle) / angle
    return math.cos(0.5 * angle), factor * r[0], factor * r[1], factor * r[2]


def log(q: Quaternion) -> Vector:
    """Quaternion -> rotation vector, the short way (angle at most pi)."""
    sign = -1.0 if q[0] < 0.0 else 1.0
    axis = (sign * q[1], sign * q[2], sign * q[3])
    sine, cosine = norm(axis), sign * q[0]
    factor = 2.0 + sine * sine / 3.0 if sine < _SMALL else 2.0 * math.atan2(sine, cosine) / sine
    return scale(factor, axis)


def body_velocity(r: Vector, rate: Vector) -> Vector:
    """Angular velocity (rad/s) in the turning frame of ``exp(r(t))``, given ``r`` and its derivative."""
    angle = norm(r)
    if angle < _SMALL:
        first, second = 0.5 - angle**2 / 24.0, 1.0 / 6.0 - angle**2 / 120.0
    else:
        first, second = (1.0 - math.cos(angle)) / angle**2, (angle - math.sin(angle)) / angle**3
    once = cross(r, rate)
    return add(subtract(rate, scale(first, once)), scale(second, cross(r, once)))


def rotvec_rate(r: Vector, omega: Vector) -> Vector:
    """Inverse of `body_velocity`: the derivative of ``r`` for an angular velocity ``omega`` (rad/s)."""
    angle = norm(r)
    if angle < _SMALL:
        second = 1.0 / 12.0 + angle**2 / 720.0
    else:
        half = 0.5 * angle
        second = (1.0 - half * math.cos(half) / math.sin(half)) / angle**2
    once = cross(r, omega)
    return add(add(omega, scale(0.5, once)), scale(second, cross(r, once)))
