# SPDX-License-Identifier: Apache-2.0
"""One numbered update of SAC from a replay buffer: every draw is a function of (seed, number)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zprl_core import noise
from zprl_core.noise import Stream
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.sac import SAC, UpdateNoise

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig


def seeded_sac(
    task: TaskConfig, c_dim: int, dim: int, apply: Callable[[Tensor, Tensor], Tensor], seed: int
) -> SAC:
    """SAC whose initial weights depend on the seed alone; the arguments are those of `SAC`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(noise.generator(seed, 0, 0, Stream.INITIAL).integers(2**62)))
        return SAC(c_dim, dim, apply, task.rl, task.dense_reward)


def one_update(sac: SAC, replay: ReplayBuffer, seed: int, number: int) -> dict[str, Tensor]:
    """The run's update of this number; returns `SAC.update`'s scalars."""
    rl = sac.config
    index = noise.generator(seed, number, 0, Stream.REPLAY).integers(0, len(replay), rl.batch_size)
    rng = noise.generator(seed, number, 0, Stream.UPDATE)
    draws = rng.standard_normal((2, rl.batch_size, sac.actor.dim), dtype=np.float32)
    pair = rng.permutation(rl.critics)[:2].astype(np.int64)
    drawn = UpdateNoise(torch.from_numpy(draws[0]), torch.from_numpy(draws[1]), torch.from_numpy(pair))
    return sac.update(replay.gather(index), drawn)
