# SPDX-License-Identifier: Apache-2.0
"""DPPO: policy gradients through every step of a generating chain (Ren et al., ICLR 2025, arXiv 2409.00588).

The environment's chunk and the chain's steps make one two-layer Markov decision process. Each step of the
chain is an action of its own with the chunk's advantage, discounted towards the noise; its ratio is clipped
the less the nearer it is to the chunk. From its public configurations for square (ft_ppo_diffusion_mlp from
state, ..._mlp_img from pictures): std 0.1, denoising discount 0.99, clipping 0.001 to 0.01 at rate 3, 10
epochs, GAE 0.95, target KL 1, learning rates 1e-4 (1e-5 from pictures) and 1e-3, an eighth of an iteration a
minibatch.

Ours differs:

- A flow of four equal steps, all trained, each with the std that is the least one of theirs, in place of 20
  steps of diffusion of which the last 10 are. Its prediction of the chunk is not cut to [-1, 1] in every
  step, nor is noise at 3 deviations. (Theirs for a U-Net from state, as ours is, has learning rates of 2e-5
  and more.)
- An episode ends at success, where theirs goes on to the horizon and earns 1 in every step of it; the
  discount per chunk is the task's (theirs .999); rewards are not divided by a running deviation of their
  returns, which asks more of the critic where they are dense.
- At the horizon the value of what is seen there counts, and nothing runs over it; theirs takes the next
  episode's first value, and lets advantages run on.
- The observation encoder stays frozen; the advantage is normalised over an iteration, not over a minibatch;
  the actor learns from the first iteration on, where theirs waits for two of the critic's.
- Iterations are smaller than their 20,000 chunks, so that the budget has 50 of them, and none of less than
  1000; no minibatch is of less than 500. So `cpu` takes 20 gradient steps an iteration, theirs 200."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zprl_core.finetuning.chain import FixedStd, FlowChain
from zprl_core.finetuning.ppo import LEAST_BATCH, PPOConfig
from zprl_core.policy.base_policy import BasePolicy

STD = 0.1
DENOISING_DISCOUNT = 0.99
CLIP_BASE, CLIP, CLIP_RATE = 0.001, 0.01, 3.0
LOG_PROB_RANGE = (-5.0, 2.0)


def dppo_chain(policy: BasePolicy) -> FlowChain:
    """The policy with the noise that DPPO explores by."""
    return FlowChain(policy, FixedStd(policy.chunk * policy.action_dim, STD))


def dppo_config(gamma: float, chunks: int, *, pictures: bool) -> PPOConfig:
    """DPPO's numbers. chunks: of one iteration. pictures: whether the policy sees any."""
    actor_lr, batch = 1e-5 if pictures else 1e-4, max(LEAST_BATCH, chunks // 8)
    return PPOConfig(
        gamma=gamma, chunks=chunks, batch=batch, actor_lr=actor_lr, critic_lr=1e-3, epochs=10, target_kl=1.0
    )


class DPPO(nn.Module):
    """The objective of the chain's steps. Implements `Objective`."""

    def forward(self, new: Tensor, old: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor]:
        """The clipped loss over all steps, and the KL."""
        logs = [each[:, 1:].clamp(*LOG_PROB_RANGE).mean(dim=(2, 3)) for each in (new, old)]
        log_ratio = logs[0] - logs[1]  # (B, M)
        ratio, steps = log_ratio.exp(), log_ratio.shape[1]
        discount = DENOISING_DISCOUNT ** torch.arange(steps - 1, -1, -1, device=advantage.device)
        weighted, clip = advantage[:, None] * discount, clipping(steps).to(advantage.device)
        clipped = torch.max(torch.min(ratio, 1.0 + clip), 1.0 - clip)
        loss = -torch.min(weighted * ratio, weighted * clipped).mean()
        return loss, ((ratio - 1.0) - log_ratio).mean().detach()


def clipping(steps: int) -> Tensor:
    """How far each step's ratio may move, (M,), from the noise to the chunk."""
    t = torch.linspace(0.0, 1.0, steps) if steps > 1 else torch.ones(1)
    rise = (torch.exp(CLIP_RATE * t) - 1.0) / (math.exp(CLIP_RATE) - 1.0)
    return CLIP_BASE + (CLIP - CLIP_BASE) * rise
