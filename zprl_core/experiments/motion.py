# SPDX-License-Identifier: Apache-2.0
"""How fast and how jerky the commanded tool is, as in the paper's section V-C and Table II."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.config.task import ROTATION_DIMS


@dataclass(frozen=True)
class Motion:
    """Means over an episode, of all arms. velocity: m/s. acceleration: m/s^2."""

    velocity: float
    acceleration: float


def motion_of(actions: NDArray[np.float32], task: TaskConfig) -> Motion | None:
    """Finite differences of the commanded positions, (T, da); None for joint targets or under three steps.

    Vel = |a_(t+1) - a_t| / dt and Acc = |a_(t+1) + a_(t-1) - 2 a_t| / dt^2, over the whole episode, the seams
    of chunks included.
    """
    action, dt = task.action, task.waypoint_s
    if action.layout != "end_effector" or len(actions) < 3:
        return None
    width = 3 + ROTATION_DIMS[action.rotation] + int(action.gripper)
    positions = actions.reshape(len(actions), action.arms, width)[:, :, :3].astype(np.float64)
    first, second = np.diff(positions, axis=0) / dt, np.diff(positions, n=2, axis=0) / dt**2
    norms = [float(np.linalg.norm(each, axis=2).mean()) for each in (first, second)]
    return Motion(*norms)


def mean_motion(motions: Iterable[Motion | None]) -> Motion | None:
    """The mean over episodes; None where none has any."""
    found = [each for each in motions if each is not None]
    if not found:
        return None
    return Motion(
        float(np.mean([each.velocity for each in found])),
        float(np.mean([each.acceleration for each in found])),
    )
