"""Poses as the xArm's controller wants them: mm, and rad as roll, pitch, yaw or as a rotation vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from zprl_core import rotation as rot
from zprl_core.trajectory.motion import as_quaternion
from zprl_core.transforms import Pose

Array = NDArray[np.float64]
MM = 1000.0
_NO_ROTATION = 1e-6


def pose_from_rpy(numbers: Sequence[float]) -> Pose:
    """(x, y, z, roll, pitch, yaw), mm and rad about the fixed axes x, y, z, as a pose in m."""
    x, y, z, roll, pitch, yaw = numbers[:6]
    turned = rot.multiply(rot.exp((0.0, pitch, 0.0)), rot.exp((roll, 0.0, 0.0)))
    quaternion = rot.multiply(rot.exp((0.0, 0.0, yaw)), turned)
    return Pose(np.array((x / MM, y / MM, z / MM)), np.array(quaternion))


def rpy_from_pose(pose: Pose) -> list[float]:
    """The inverse of `pose_from_rpy`."""
    angles = Rotation.from_quat(np.roll(pose.quaternion, -1)).as_euler("xyz")
    return [*(pose.position * MM).tolist(), *angles.tolist()]


def continuous_rotvec(quaternion: Array, before: rot.Vector | None) -> rot.Vector:
    """The rotation vector of an orientation, rad, on the same side of pi as the one before.

    A rotation by a about an axis is one by 2 pi - a about the opposite axis: of the two, the vector nearer to
    `before` (at first: the shorter one).
    """
    rotvec = rot.log(as_quaternion(quaternion))
    angle = rot.norm(rotvec)
    if before is None or angle < _NO_ROTATION:
        return rotvec
    other = rot.scale(1.0 - 2.0 * math.pi / angle, rotvec)
    nearer = rot.norm(rot.subtract(other, before)) < rot.norm(rot.subtract(rotvec, before))
    return other if nearer else rotvec
