# SPDX-License-Identifier: Apache-2.0
"""What robomimic's files and diffusion_policy's buffers have in common: how robosuite names observations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from numpy.typing import NDArray

from zprl_core.config import TaskConfig

_POSE = ("robot{}_eef_pos", "robot{}_eef_quat", "robot{}_gripper_qpos")


def cameras_of(task: TaskConfig, have: Collection[str]) -> dict[str, str]:
    """{the task's camera: <camera>_image or <camera>}, of those that are among the keys `have`."""
    cameras: dict[str, str] = {}
    for view in task.observation.cameras:
        found = [key for key in (f"{view.name}_image", view.name) if key in have]
        cameras |= {view.name: found[0]} if found else {}
    return cameras


def pose_of(task: TaskConfig) -> tuple[str, ...]:
    """Keys of every arm's position, quaternion (x, y, z, w) and fingers."""
    return tuple(part.format(arm) for arm in range(task.action.arms) for part in _POSE)


def as_columns(array: NDArray[Any]) -> NDArray[Any]:
    """Numbers (T,) as (T, 1); others as they are."""
    return array[:, None] if array.ndim == 1 else array
