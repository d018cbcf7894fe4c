# SPDX-License-Identifier: Apache-2.0
"""Noise steering with noise aliasing (DSRL-NA; Wagenmaker et al., CoRL 2025, arXiv 2506.15799, Algorithm 1).

A critic Q^A(c, a) of executed chunks learns by temporal differences; a critic Q^W(c, w) of the flow's noise
is fitted to Q^A of the chunk that the frozen flow makes of w ~ N(0, I); the actor follows Q^W. Different
noise that gives the same chunk thus has the same value, and any transition teaches Q^A, whoever made it.

Ours differs: Table V's networks and rates (theirs 2048 wide on can and square, 128 and 1024 on Gym); one fit
of Q^W an update, where theirs has 10 after every 20; one update a transition for their 5 (20 for each step of
four copies); and as `noise_steering.py`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zprl_core.rl.critic import CriticEnsemble
from zprl_core.rl.sac import SAC, Batch, UpdateNoise

if TYPE_CHECKING:
    from zprl_core.config import RLConfig

Decode = Callable[[Tensor, Tensor], Tensor]
"""(c (B, c_dim), standardised, w (B, dim)) to the normalised chunk (B, dim)."""


class NoiseAliasedSAC(SAC):
    """SAC on the flow's noise, whose critic is distilled from one of chunks.

    Args:
        c_dim, dim, scale, config, dense_reward: those of `SAC`, of noise steering.
        decode: the frozen flow.
    """

    draws = 3

    def __init__(
        self,
        c_dim: int,
        dim: int,
        scale: float,
        config: RLConfig,
        dense_reward: bool,
        decode: Decode,
    ) -> None:
        super().__init__(c_dim, dim, scale, config, dense_reward)
        self.decode = decode
        del self.target_critics  # only Q^A bootstraps
        self.action_critics = CriticEnsemble(
            config.critics, c_dim, dim, config.hidden, config.layers, config.layer_norm
        )
        self.target_action_critics = copy.deepcopy(self.action_critics).requires_grad_(False)
        self.optimizers["action_critics"] = torch.optim.Adam(
            self.action_critics.parameters(), config.critic_lr, fused=True
        )

    def learn_values(self, batch: Batch, noise: UpdateNoise) -> tuple[Tensor, Tensor]:
        """One gradient step of Q^A, then of Q^W; the loss of Q^A and its q (E, B)."""
        loss, q = self.action_critic_loss(batch, self.target(batch, noise))
        self._step("action_critics", loss)
        self._step("critics", self.aliasing_loss(batch, noise))
        return loss, q

    @torch.no_grad()
    def target(self, batch: Batch, noise: UpdateNoise) -> Tensor:
        """y = r + gamma Q^A(c', flow(c', w')), w' of the actor, (B,)."""
        dz, _ = self.actor.sample(batch.c_next, batch.z_next, noise.next)
        w = batch.z_next + self.scale * dz  # eq. (7)
        chunk = self.decode(batch.c_next, w)
        return self.bootstrapped(batch, self.target_action_critics, chunk, noise)

    def action_critic_loss(self, batch: Batch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error of Q^A on the chunks that were executed, summed over the critics, and q (E, B)."""
        with torch.no_grad():
            chunk = self.decode(batch.c, batch.z_tilde)
        q = self.action_critics(batch.c, chunk)
        return (q - y).square().mean(dim=1).sum(), q

    def aliasing_loss(self, batch: Batch, noise: UpdateNoise) -> Tensor:
        """Squared error of Q^W(c, w) against Q^A(c, flow(c, w)), member by member, for w ~ N(0, I)."""
        assert noise.flow is not None
        with torch.no_grad():
            wanted = self.action_critics(batch.c, self.decode(batch.c, noise.flow))
        return (self.critics(batch.c, noise.flow) - wanted).square().mean(dim=1).sum()

    @torch.no_grad()
    def update_target(self) -> None:
        """Q-bar^A <- (1 - tau) Q-bar^A + tau Q^A."""
        self.follow(self.target_action_critics, self.action_critics)
