# SPDX-License-Identifier: Apache-2.0
"""PPO over chunks, for policies that act in a flow's chain (Schulman et al. 2017).

The objectives are `dppo.py`'s and `reinflow.py`'s; what stands here they share: a critic V(c), generalised
advantages, epochs of minibatches, and a stop when the policy has moved far enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zprl_core.bottleneck.vib import mlp
from zprl_core.finetuning.chain import FlowChain

Array = NDArray[np.float32]


LEAST_BATCH = 500
"""Chunks of a minibatch."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """What DPPO and ReinFlow set differently, or do not say.

    Attributes:
        gamma, gae_lambda: per chunk.
        chunks: of one iteration. epochs: passes over them. batch: chunks of a minibatch.
        actor_lr, critic_lr: of Adam. entropy: weight of the bonus.
        target_kl: a minibatch's that ends the iteration's learning.
    """

    gamma: float
    chunks: int
    epochs: int
    batch: int
    actor_lr: float
    critic_lr: float
    target_kl: float
    gae_lambda: float = 0.95
    entropy: float = 0.0


class Objective(Protocol):
    """What is maximised, as a loss."""

    def __call__(self, new: Tensor, old: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and approximate KL, scalars.

        new, old: log densities (B, M + 1, H, da), see `FlowChain.log_prob`, under the policy that learns and
        the one that acted.
        advantage: (B,), of mean 0 and standard deviation 1.
        """
        ...


@dataclass(frozen=True, eq=False)
class Experience:
    """Chunks of one iteration: c (N, c_dim), chain (N, M + 1, H, da), advantage and target of V, (N,)."""

    c: Tensor
    chain: Tensor
    advantage: Tensor
    target: Tensor


def generalised_advantages(
    reward: Array, value: Array, next_value: Array, terminal: Array, last: Array, gamma: float, lam: float
) -> Array:
    """GAE (Schulman et al. 2016) of consecutive chunks (T,) of one copy.

    Args:
        reward, value: of each chunk, and V before it.
        next_value: V behind it, of the very observation that was seen there.
        terminal: 1 where nothing follows by the task's rules; the horizon is none.
        last: 1 where the episode ends, for whatever reason.
        gamma, lam: discounts per chunk.
    """
    advantage, following = np.zeros_like(reward), np.float32(0.0)
    for t in range(len(reward) - 1, -1, -1):
        delta = reward[t] + gamma * (1.0 - terminal[t]) * next_value[t] - value[t]
        following = delta + gamma * lam * (1.0 - last[t]) * following
        advantage[t] = following
    return advantage


class PPO(nn.Module):
    """A chain and its critic with their optimisers.

    Args:
        chain: the policy. objective: of its steps. config: see there.
        c_mean, c_std: (c_dim,), moments of c over the demonstrations.
    """

    c_mean: Tensor
    c_std: Tensor

    def __init__(
        self, chain: FlowChain, objective: Objective, config: PPOConfig, c_mean: Tensor, c_std: Tensor
    ) -> None:
        super().__init__()
        self.chain, self.objective, self.config = chain, objective, config
        self.critic = mlp(len(c_mean), 256, 3, 1)
        self.register_buffer("c_mean", c_mean)
        self.register_buffer("c_std", c_std)
        self.optimizers = {
            "actor": torch.optim.Adam(chain.parameters(), config.actor_lr, fused=True),
            "critic": torch.optim.Adam(self.critic.parameters(), config.critic_lr, fused=True),
        }

    def standardise(self, c: Tensor) -> Tensor:
        """c with mean 0 and standard deviation 1 over the demonstrations."""
        return (c - self.c_mean) / self.c_std

    @torch.no_grad()
    def value(self, c: Tensor) -> Tensor:
        """V(c), (B,)."""
        found: Tensor = self.critic(self.standardise(c)).squeeze(1)
        return found

    def update(self, found: Experience, rng: np.random.Generator) -> tuple[int, dict[str, float]]:
        """Learn from one iteration; returns gradient steps taken, and means over them."""
        config, size = self.config, min(self.config.batch, len(found.c))
        advantage = (found.advantage - found.advantage.mean()) / (found.advantage.std() + 1e-8)
        with torch.no_grad():
            old, _ = self.chain.log_prob(found.c, self.standardise(found.c), found.chain)
        seen = list[tuple[float, float, float]]()
        for row in _minibatches(len(found.c), size, config.epochs, rng):
            seen.append(self._step(found, old, advantage, row))
            if seen[-1][2] > config.target_kl:
                break
        policy, value, kl = np.mean(seen, axis=0)
        return len(seen), {"policy_loss": float(policy), "value_loss": float(value), "kl": float(kl)}

    def _step(
        self, found: Experience, old: Tensor, advantage: Tensor, row: Tensor
    ) -> tuple[float, float, float]:
        """A gradient step; its policy loss, value loss and KL."""
        c, standard = found.c[row], self.standardise(found.c[row])
        new, entropy = self.chain.log_prob(c, standard, found.chain[row])
        loss, kl = self.objective(new, old[row], advantage[row])
        value_loss = 0.5 * (self.critic(standard).squeeze(1) - found.target[row]).square().mean()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        (loss - self.config.entropy * entropy.mean() + value_loss).backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return loss.item(), value_loss.item(), kl.item()


def _minibatches(count: int, size: int, epochs: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Rows of each minibatch, in another order each epoch; what is left over of an epoch is left out."""
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(count))
        yield from order[: count // size * size].split(size)
