"""Poses as the xArm's controller wants them: mm, and rad as roll, pitch, yaw or as a rotation vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from zprl_core import transforms
from zprl_core.transforms import Pose

Array = NDArray[np.float64]
MM = 1000.0
_NO_ROTATION = 1e-6


def pose_from_rpy(numbers: Sequence[float]) -> Pose:
    """(x, y, z, roll, pitch, yaw), mm and rad about the fixed axes x, y, z, as a pose in m."""
    quaternion = np.roll(Rotation.from_euler("xyz", numbers[3:6]).as_quat(), 1)
    return Pose(np.asarray(numbers[:3], dtype=np.float64) / MM, quaternion)


def rpy_from_pose(pose: Pose) -> list[float]:
    """The inverse of `pose_from_rpy`."""
    angles = Rotation.from_quat(np.roll(pose.quaternion, -1)).as_euler("xyz")
    return [*(pose.position * MM).tolist(), *angles.tolist()]


def continuous_rotvec(quaternion: Array, before: Array | None) -> Array:
    """The rotation vector of an orientation, rad, float64 (3,), on the same side of pi as the one before.

    A rotation by a about an axis is one by 2 pi - a about the opposite axis: of the two, the vector nearer to
    `before` (at first: the shorter one).
    """
    rotvec = transforms.rotvec_from_quaternion(quaternion)
    angle = float(np.linalg.norm(rotvec))
    if before is None or angle < _NO_ROTATION:
        return rotvec
    other: Array = rotvec * (1.0 - 2.0 * math.pi / angle)
    return other if np.linalg.norm(other - before) < np.linalg.norm(rotvec - before) else rotvec
