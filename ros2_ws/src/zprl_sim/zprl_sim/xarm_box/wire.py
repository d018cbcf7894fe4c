# SPDX-License-Identifier: Apache-2.0
"""Poses on the wire: millimetres, and rotations as roll, pitch, yaw or as a rotation vector, in rad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from zprl_core import transforms
from zprl_core.transforms import Pose

MM = 1000.0


def pose_from_rpy(numbers: Sequence[float]) -> Pose:
    """(x, y, z, roll, pitch, yaw), mm and rad, turned about the fixed axes x, y, z in this order."""
    quaternion = np.roll(Rotation.from_euler("xyz", numbers[3:6]).as_quat(), 1)
    return Pose(np.asarray(numbers[:3]) / MM, quaternion)


def pose_from_aa(numbers: Sequence[float]) -> Pose:
    """(x, y, z, rx, ry, rz), mm and rad; the last three are axis times angle."""
    return Pose(np.asarray(numbers[:3]) / MM, transforms.quaternion_from_rotvec(numbers[3:6]))


def rpy_from_pose(pose: Pose) -> list[float]:
    """The inverse of `pose_from_rpy`."""
    with_scalar_last = np.roll(pose.quaternion, -1)
    angles = Rotation.from_quat(with_scalar_last).as_euler("xyz")
    return [*(pose.position * MM).tolist(), *angles.tolist()]


def aa_from_pose(pose: Pose) -> list[float]:
    """The inverse of `pose_from_aa`."""
    rotvec = transforms.rotvec_from_quaternion(pose.quaternion)
    return [*(pose.position * MM).tolist(), *rotvec.tolist()]
