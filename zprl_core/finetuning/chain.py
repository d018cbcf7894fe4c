# SPDX-License-Identifier: Apache-2.0
"""A flow whose integration steps are Gaussian, so that a sampled chunk has a likelihood.

    a^(k_m) ~ N(a^(k_(m+1)) - (k_(m+1) - k_m) v(a^(k_(m+1)), k_(m+1), c), std^2),   m = M - 1, ..., 0

with eq. (2)'s step as the mean. DPPO and ReinFlow both act in this inner Markov chain; they differ in std and
in the objective. Chunks are normalised, (B, H, da); a chain is (B, M + 1, H, da), noise first.

The steps are M equal ones, as in both papers' code, and not the sampler's 1, 0.01, 0: the mean of a step of
0.01 hardly depends on the weights, and the noise of the last step would never be contracted again.
"""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from zprl_core.bottleneck.vib import mlp
from zprl_core.policy.base_policy import BasePolicy

STEPS = 4
"""Of ReinFlow's configurations for transport and Gym; DPPO trains the last 10 of 20 steps of diffusion."""


class FlowChain(nn.Module):
    """A copy of a policy's flow, to be trained; the observation encoder stays the frozen one.

    Args:
        policy: whose flow is copied.
        std: gives the standard deviation of every number of a chunk in the step from k, see `FixedStd` and
            `LearnedStd`.
        steps: M.
    """

    def __init__(self, policy: BasePolicy, std: nn.Module, steps: int = STEPS) -> None:
        super().__init__()
        self.flow = copy.deepcopy(policy.flow).requires_grad_(True)
        self.actions, self.std = policy.actions, std
        self.schedule = tuple(1.0 - m / steps for m in range(steps + 1))

    @property
    def steps(self) -> int:
        """M."""
        return len(self.schedule) - 1

    def sample(self, c: Tensor, standard: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """A chain for noise (B, M, H, da); without any, zeros, it is eq. (2).

        c: (B, c_dim); standard: the same standardised. w: (B, H, da), where the chain begins.
        """
        film, chain = self.flow.condition(c), [w]
        for m, (k_from, k_to) in enumerate(pairwise(self.schedule)):
            std = self.std(standard, k_from).view_as(w)
            chain.append(self._mean(chain[m], k_from, k_to, film) + std * noise[:, m])
        return torch.stack(chain, dim=1)

    def log_prob(self, c: Tensor, standard: Tensor, chain: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of the chain's numbers, (B, M + 1, H, da), the initial noise's first.

        Second: the mean entropy of a step's number, (B,).
        """
        film = self.flow.condition(c)
        std = torch.stack([self.std(standard, k) for k in self.schedule[:-1]], dim=1).view_as(chain[:, 1:])
        means = [
            self._mean(chain[:, m], k_from, k_to, film)
            for m, (k_from, k_to) in enumerate(pairwise(self.schedule))
        ]
        distance = (chain[:, 1:] - torch.stack(means, dim=1)) / std
        constant = 0.5 * math.log(2.0 * math.pi)
        log_prob = -0.5 * distance.square() - std.log() - constant
        initial = -0.5 * chain[:, :1].square() - constant
        return torch.cat([initial, log_prob], dim=1), 0.5 + constant + std.log().flatten(1).mean(dim=1)

    def _mean(self, a: Tensor, k_from: float, k_to: float, film: Tensor) -> Tensor:
        k = torch.full((len(a),), k_from, device=a.device)
        return a - (k_from - k_to) * self.flow(a, k, film)  # eq. (2)

    def chunk(self, chain: Tensor) -> Tensor:
        """What is executed, physical units."""
        return self.actions.inverse(chain[:, -1])


class FixedStd(nn.Module):
    """One number for all (DPPO)."""

    value: Tensor

    def __init__(self, size: int, std: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.full((size,), std))

    def forward(self, standard: Tensor, k: float) -> Tensor:
        """(B, H * da)."""
        return self.value.expand(len(standard), -1)


class LearnedStd(nn.Module):
    """A network of the observation and of k, bounded (ReinFlow's noise network).

    The log variance is squashed by tanh into its range.
    """

    def __init__(self, c_dim: int, size: int, low: float, high: float, hidden: int = 256) -> None:
        super().__init__()
        self.network = mlp(c_dim + 1, hidden, 2, size)
        self.low, self.high = 2.0 * math.log(low), 2.0 * math.log(high)

    def forward(self, standard: Tensor, k: float) -> Tensor:
        """(B, H * da)."""
        seen = torch.cat([standard, standard.new_full((len(standard), 1), k)], dim=1)
        share = 0.5 * (torch.tanh(self.network(seen)) + 1.0)
        return (0.5 * (self.low + (self.high - self.low) * share)).exp()
