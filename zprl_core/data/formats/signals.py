# SPDX-License-Identifier: Apache-2.0
"""Rewards, dones and splits of an episode, as its facts in dataset.json hold them.

    rewards     {"ticks": [...], "values": [...]}: those that are not 0, in order
    done_ticks  [...]: where done was true
    splits      [...]: names of the parts of the dataset that the episode belongs to, such as "train"

A key is there only where the source has it. The outcome is no fact: it has a field of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.episode import EpisodeInfo

REWARDS, DONES, SPLITS = "rewards", "done_ticks", "splits"


def signal_facts(
    rewards: NDArray[np.floating] | None, dones: NDArray[Any] | None, splits: Sequence[str] = ()
) -> dict[str, Any]:
    """Facts of rewards (T,) and dones (T,), each None where the source has none."""
    facts: dict[str, Any] = {}
    if rewards is not None:
        ticks = np.flatnonzero(rewards)
        facts[REWARDS] = {"ticks": ticks.tolist(), "values": rewards[ticks].astype(float).tolist()}
    if dones is not None:
        facts[DONES] = np.flatnonzero(dones).tolist()
    if splits:
        facts[SPLITS] = list(splits)
    return facts


def rewards_of(info: EpisodeInfo) -> NDArray[np.float32]:
    """Rewards (T,) float32: the source's, or 1 at the last tick of a success."""
    rewards = np.zeros(info.length, dtype=np.float32)
    known: Mapping[str, Any] | None = info.facts.get(REWARDS)
    if known is not None:
        rewards[known["ticks"]] = known["values"]
    else:
        rewards[-1] = float(info.success)
    return rewards


def dones_of(info: EpisodeInfo) -> NDArray[np.bool_]:
    """Dones (T,): the source's, or true at the last tick of an episode that a success or a failure ended."""
    dones = np.zeros(info.length, dtype=np.bool_)
    known: Sequence[int] | None = info.facts.get(DONES)
    if known is not None:
        dones[list(known)] = True
    else:
        dones[-1] = info.outcome in ("success", "failure")
    return dones


def splits_of(info: EpisodeInfo) -> tuple[str, ...]:
    """Names of the parts that the episode belongs to."""
    return tuple(info.facts.get(SPLITS, ()))
