"""Rotations and poses.

Contract of every array here: float64, SI units (m, rad), leading axes are free (``...``), and nothing
non-finite passes.

- quaternion: ``(..., 4)``, order ``(w, x, y, z)``, unit length; ``q`` and ``-q`` are the same rotation.
- rotation vector: ``(..., 3)``, axis times angle in rad; those returned have an angle of at most pi.
- 6-D rotation: ``(..., 6)``, the first two **columns** of the matrix, one after the other:
  ``(R00, R10, R20, R01, R11, R21)`` (Zhou et al., 2019). Libraries that keep the first two *rows*
  (PyTorch3D, and datasets made with it) store the transpose.
- a rotation ``R_ab`` takes coordinates in frame b to frame a; poses compose as ``T_ac = T_ab * T_bc``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from zprl_core import rotation as rot
from zprl_core.errors import DataError

Array = NDArray[np.float64]

IDENTITY_QUATERNION: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
_SHORTEST = 1e-6  # a quaternion or a 6-D column shorter than this names no rotation


def finite(values: ArrayLike, what: str, width: int | None = None) -> Array:
    """``values`` as float64.

    Raises:
        DataError: a value is NaN or infinite, or the last axis is not ``width`` long.
    """
    array = np.asarray(values, dtype=np.float64)
    if width is not None and (array.ndim == 0 or array.shape[-1] != width):
        raise DataError(f"{what}: shape {array.shape}, expected (..., {width})")
    if not np.isfinite(array).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(f"{what}: value {array[bad]} at index {bad}; every number must be finite")
    return array


def normalise_quaternion(quaternion: ArrayLike) -> Array:
    """``(..., 4)`` -> the same rotation with unit length.

    Raises:
        DataError: a non-finite value, or a length below 1e-6 (no rotation can be read from it).
    """
    q = finite(quaternion, "quaternion", 4)
    if q.ndim == 1:
        w, x, y, z = q.tolist()
        if math.sqrt(w * w + x * x + y * y + z * z) >= _SHORTEST:
            return np.array(rot.normalise((w, x, y, z)))
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    if (length < _SHORTEST).any():
        raise DataError(f"quaternion: length {length.min():.2g}, expected about 1 (w, x, y, z)")
    return np.asarray(q / length, dtype=np.float64)


def quaternion_multiply(a: ArrayLike, b: ArrayLike) -> Array:
    """Hamilton product ``(..., 4)``: first ``b``, then ``a``, as for matrices."""
    p, q = finite(a, "quaternion", 4), finite(b, "quaternion", 4)
    if p.ndim == q.ndim == 1:
        return np.array(rot.multiply(p.tolist(), q.tolist()))
    w, x, y, z = np.moveaxis(p, -1, 0)
    v, i, j, k = np.moveaxis(q, -1, 0)
    return np.stack(
        (
            w * v - x * i - y * j - z * k,
            w * i + x * v + y * k - z * j,
            w * j - x * k + y * v + z * i,
            w * k + x * j - y * i + z * v,
        ),
        axis=-1,
    )


def quaternion_conjugate(quaternion: ArrayLike) -> Array:
    """The inverse of a unit quaternion, ``(..., 4)``."""
    return np.asarray(
        finite(quaternion, "quaternion", 4) * np.array((1.0, -1.0, -1.0, -1.0)), dtype=np.float64
    )


def rotate(quaternion: ArrayLike, vector: ArrayLike) -> Array:
    """``vector`` ``(..., 3)`` turned by the unit ``quaternion`` ``(..., 4)``."""
    q = finite(quaternion, "quaternion", 4)
    v = finite(vector, "vector", 3)
    if q.ndim == v.ndim == 1:
        return np.array(rot.rotate(q.tolist(), v.tolist()))
    twice = 2.0 * np.cross(q[..., 1:], v)
    return np.asarray(v + q[..., :1] * twice + np.cross(q[..., 1:], twice), dtype=np.float64)


def quaternion_from_rotvec(rotvec: ArrayLike) -> Array:
    """Rotation vector ``(..., 3)`` in rad -> quaternion ``(..., 4)``."""
    r = finite(rotvec, "rotation vector", 3)
    return _from_scipy(Rotation.from_rotvec(r.reshape(-1, 3)), r.shape[:-1])


def rotvec_from_quaternion(quaternion: ArrayLike) -> Array:
    """Quaternion ``(..., 4)`` -> rotation vector ``(..., 3)``, angle up to pi (sign arbitrary at pi)."""
    q = normalise_quaternion(quaternion)
    return np.asarray(_to_scipy(q).as_rotvec().reshape(*q.shape[:-1], 3), dtype=np.float64)


def quaternion_from_matrix(matrix: ArrayLike) -> Array:
    """Rotation matrix ``(..., 3, 3)`` -> quaternion ``(..., 4)``.

    Raises:
        DataError: the matrix is not a rotation (off by more than 1e-3 from orthonormal, or a mirror image).
    """
    m = finite(matrix, "rotation matrix", 3)
    if m.shape[-2:] != (3, 3):
        raise DataError(f"rotation matrix: shape {m.shape}, expected (..., 3, 3)")
    flat = m.reshape(-1, 3, 3)
    error = np.abs(np.swapaxes(flat, -1, -2) @ flat - np.eye(3)).max(initial=0.0)
    if error > 1e-3 or (np.linalg.det(flat) < 0.0).any():
        raise DataError(f"rotation matrix: not a rotation (R^T R is off by {error:.2g}, or det R < 0)")
    return _from_scipy(Rotation.from_matrix(flat), m.shape[:-2])


def matrix_from_quaternion(quaternion: ArrayLike) -> Array:
    """Quaternion ``(..., 4)`` -> rotation matrix ``(..., 3, 3)``."""
    q = normalise_quaternion(quaternion)
    return np.asarray(_to_scipy(q).as_matrix().reshape(*q.shape[:-1], 3, 3), dtype=np.float64)


def quaternion_from_rot6d(rot6d: ArrayLike) -> Array:
    """6-D rotation ``(..., 6)`` -> quaternion ``(..., 4)``; orthonormalised by Gram-Schmidt, first column
    first.

    Raises:
        DataError: the two columns are (nearly) zero or parallel.
    """
    d = finite(rot6d, "6-D rotation", 6)
    first = _unit(d[..., :3], "6-D rotation: first column")
    second = _unit(d[..., 3:], "6-D rotation: second column")
    dot = np.sum(first * second, axis=-1, keepdims=True)
    second = _unit(second - dot * first, "6-D rotation: second column across the first")
    return quaternion_from_matrix(np.stack((first, second, np.cross(first, second)), axis=-1))


def rot6d_from_quaternion(quaternion: ArrayLike) -> Array:
    """Quaternion ``(..., 4)`` -> 6-D rotation ``(..., 6)``, the first two columns of the matrix."""
    m = matrix_from_quaternion(quaternion)
    return np.concatenate((m[..., 0], m[..., 1]), axis=-1)


def slerp(start: ArrayLike, end: ArrayLike, fraction: ArrayLike) -> Array:
    """Spherical interpolation the short way round; ``fraction`` ``(...)`` in [0, 1]. Returns ``(..., 4)``."""
    a, b = normalise_quaternion(start), normalise_quaternion(end)
    turn = rotvec_from_quaternion(quaternion_multiply(quaternion_conjugate(a), b))
    share = finite(fraction, "fraction")[..., None]
    return quaternion_multiply(a, quaternion_from_rotvec(share * turn))


def angle_between(a: ArrayLike, b: ArrayLike) -> Array:
    """Angle in rad, in [0, pi], between two orientations ``(..., 4)``. Returns ``(...)``."""
    turn = quaternion_multiply(quaternion_conjugate(normalise_quaternion(a)), normalise_quaternion(b))
    sine = np.linalg.norm(turn[..., 1:], axis=-1)
    return np.asarray(2.0 * np.arctan2(sine, np.abs(turn[..., 0])), dtype=np.float64)


def make_continuous(quaternions: ArrayLike, before: ArrayLike | None = None) -> Array:
    """Flips signs along the first axis of ``(H, 4)`` so that neighbours (and ``before``, if given) lie on
    one side.

    Without ``before`` the first quaternion keeps a non-negative w.
    """
    q = finite(quaternions, "quaternion", 4)
    if len(q) == 0:
        return q
    anchor = IDENTITY_QUATERNION if before is None else finite(before, "quaternion", 4)
    previous = np.concatenate((np.asarray(anchor, dtype=np.float64)[None], q[:-1]))
    flips = np.where(np.sum(previous * q, axis=-1) < 0.0, -1.0, 1.0)
    return np.asarray(q * np.cumprod(flips)[:, None], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid transform ``T_ab``: the pose of frame b in frame a. Arrays are read-only copies.

    Attributes:
        position: ``(3,)`` float64, m.
        quaternion: ``(4,)`` float64, (w, x, y, z), normalised on construction.

    Raises:
        DataError: a non-finite value, a wrong shape or a zero quaternion.
    """

    position: Array
    quaternion: Array = field(default_factory=lambda: np.array(IDENTITY_QUATERNION))

    def __post_init__(self) -> None:
        position = finite(self.position, "position", 3).copy()
        quaternion = normalise_quaternion(self.quaternion)
        if position.ndim != 1 or quaternion.ndim != 1:
            raise DataError(f"pose: shapes {position.shape} and {quaternion.shape}, expected (3,) and (4,)")
        for name, array in (("position", position), ("quaternion", quaternion)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def compose(self, other: Pose) -> Pose:
        """``T_ac = T_ab * T_bc``."""
        return Pose(self.transform(other.position), quaternion_multiply(self.quaternion, other.quaternion))

    def inverse(self) -> Pose:
        """``T_ba``."""
        back = quaternion_conjugate(self.quaternion)
        return Pose(-rotate(back, self.position), back)

    def transform(self, points: ArrayLike) -> Array:
        """Points ``(..., 3)`` in frame b -> the same points in frame a, m."""
        return np.asarray(self.position + rotate(self.quaternion, points), dtype=np.float64)

    def matrix(self) -> Array:
        """Homogeneous ``(4, 4)``."""
        homogeneous = np.eye(4)
        homogeneous[:3, :3] = matrix_from_quaternion(self.quaternion)
        homogeneous[:3, 3] = self.position
        return homogeneous

    def distance(self, other: Pose) -> tuple[float, float]:
        """How far ``other`` is: (m, rad)."""
        gap = float(np.linalg.norm(self.position - other.position))
        return gap, float(angle_between(self.quaternion, other.quaternion))


def _unit(vector: Array, what: str) -> Array:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    if (length < _SHORTEST).any():
        raise DataError(f"{what}: length {length.min():.2g}, no direction can be read from it")
    return np.asarray(vector / length, dtype=np.float64)


def _to_scipy(quaternion: Array) -> Any:
    return Rotation.from_quat(np.roll(quaternion.reshape(-1, 4), -1, axis=-1))


def _from_scipy(rotation: Any, leading: tuple[int, ...]) -> Array:
    return np.asarray(np.roll(rotation.as_quat(), 1, axis=-1).reshape(*leading, 4), dtype=np.float64)
