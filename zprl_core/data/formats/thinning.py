# SPDX-License-Identifier: Apache-2.0
"""Rates: every k-th tick of a dataset that was recorded k times as fast as the task runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError

_SAME = 1e-3
"""Two rates within this share of each other are one."""


def stride(source_hz: float, task_hz: float, allowed: bool, what: str) -> int:
    """k: which ticks of the source are kept, 1 where the rates are the same.

    Args:
        source_hz, task_hz: ticks per second.
        allowed: whether ticks may be left out.
        what: names the source, for messages.

    Raises:
        DataError: the rates differ and it is not allowed, or the source's is no whole multiple of the task's.
    """
    ratio = source_hz / task_hz
    k = round(ratio)
    whole = k >= 1 and abs(ratio - k) <= _SAME * ratio
    if whole and k == 1:
        return 1
    if not whole:
        raise DataError(
            f"{what}: has {source_hz:g} Hz, which is no whole multiple of the task's {task_hz:g} Hz; ticks "
            "between ticks are not made up: set rate_hz of the task to the source's or to a whole part of it"
        )
    if not allowed:
        raise DataError(
            f"{what}: has {source_hz:g} Hz, the task {task_hz:g} Hz; --thin keeps every {k}th tick, or set "
            f"rate_hz: {source_hz:g} in the task"
        )
    return k


def thin_rewards(rewards: NDArray[np.floating], k: int) -> NDArray[np.float32]:
    """Rewards (T,) of ticks -> (ceil(T / k),), summed over the ticks that each kept one stands for."""
    return np.add.reduceat(rewards.astype(np.float64), np.arange(0, len(rewards), k)).astype(np.float32)


def thin_dones(dones: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """Dones (T,) of ticks -> (ceil(T / k),), true where any tick's is that a kept one stands for."""
    return np.logical_or.reduceat(dones.astype(bool), np.arange(0, len(dones), k))
