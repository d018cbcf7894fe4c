# SPDX-License-Identifier: Apache-2.0
"""The moving average that makes an action residual fit for a robot (section V-D 5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.transforms import Array


def average_recent(
    actions: NDArray[np.float32], before: NDArray[np.float32], steps: int, codec: ActionCodec
) -> NDArray[np.float32]:
    """Each waypoint's pose becomes the mean of its own and those of the steps before it.

    Args:
        actions: a chunk (H, da), physical units. before: the waypoints before it, as planned, (n, da); with
            fewer than steps - 1 of them, the first means are over fewer.
        steps: how many are averaged; 1 changes nothing.
        codec: of the actions. Positions are averaged as they are, rotations as unit quaternions of one sign;
            the gripper is left alone, so that a grasp is not late.

    Returns:
        (H, da) float32.
    """
    if steps == 1:
        return actions
    before = before[max(0, len(before) - (steps - 1)) :]
    joined, first = np.concatenate([before, actions]), len(before)
    if codec.rotation == "none":
        return _means(joined.astype(np.float64), steps)[first:].astype(np.float32)
    averaged = [_averaged(arm, steps) for arm in codec.decode(joined)]
    found: NDArray[np.float32] = codec.encode(averaged)[first:].astype(np.float32)
    return found


def _averaged(arm: ArmWaypoints, steps: int) -> ArmWaypoints:
    mean = transforms.normalise_quaternion(_means(arm.quaternion, steps))  # neighbours have one sign
    return replace(arm, position=_means(arm.position, steps), quaternion=mean)


def _means(x: Array, steps: int) -> Array:
    """Means over the last rows, (T, n): fewer at the beginning."""
    return np.stack([x[max(0, t - steps + 1) : t + 1].mean(axis=0) for t in range(len(x))])
