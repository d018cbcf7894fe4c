# SPDX-License-Identifier: Apache-2.0
"""Numbered updates of SAC from a replay buffer: every draw is a function of (seed, number)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from zprl_core import noise
from zprl_core.noise import Stream
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

Made = TypeVar("Made")
Drawn = TypeVar("Drawn", Batch, UpdateNoise)


def seeded(seed: int, make: Callable[[], Made]) -> Made:
    """What `make` returns, with initial weights that depend on the run's seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(noise.generator(seed, 0, 0, Stream.INITIAL).integers(2**62)))
        return make()


def one_update(sac: SAC, replay: ReplayBuffer, seed: int, number: int) -> dict[str, Tensor]:
    """The run's update of this number, on the device of its weights; returns `SAC.update`'s scalars."""
    batch, drawn = draw(sac, replay, seed, number)
    return sac.update(_placed(batch, sac.log_alpha.device), _placed(drawn, sac.log_alpha.device))


def _placed(given: Drawn, device: torch.device) -> Drawn:
    """The same tensors on a device."""
    found = {field.name: getattr(given, field.name) for field in fields(given)}
    return replace(given, **{name: each.to(device) for name, each in found.items() if each is not None})


def draw(sac: SAC, replay: ReplayBuffer, seed: int, number: int) -> tuple[Batch, UpdateNoise]:
    """What the run's update of this number learns from."""
    rl = sac.config
    index = noise.generator(seed, number, 0, Stream.REPLAY).integers(0, len(replay), rl.batch_size)
    rng = noise.generator(seed, number, 0, Stream.UPDATE)
    draws = rng.standard_normal((sac.draws, rl.batch_size, sac.actor.dim), dtype=np.float32)
    pair = rng.permutation(rl.critics)[:2].astype(np.int64)
    following, now, *flow = (torch.from_numpy(each) for each in draws)
    return replay.gather(index), UpdateNoise(following, now, torch.from_numpy(pair), *flow)
