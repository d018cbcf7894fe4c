# SPDX-License-Identifier: Apache-2.0
"""ReinFlow: a learned noise makes the flow a Markov chain with a likelihood (Zhang et al., NeurIPS 2025).

arXiv 2505.22094. A network of the observation and the step sets the deviation of each number of the chunk;
the ratio is that of the whole chain, the initial noise included, whose density is the same for both policies.
From its public configuration for transport from state (ft_ppo_reflow_mlp), the one of Robomimic with four
steps: std 0.08 to 0.14, clipping 0.01, entropy bonus 0.01, learning rates 4.5e-5 and 6.5e-4, 5 epochs, target
KL 0.01, GAE 0.95, half an iteration a minibatch. Log densities are means over a chunk's numbers and the
chain's steps, as theirs are with their two normalisations on.

Ours differs:

- Chunks are not cut to [-1, 1], nor is noise at 3 deviations, so that densities are exact; the noise network
  has 256 numbers in two layers (theirs 64 or 128) and sees k itself beside the observation, theirs an
  embedding of it.
- An episode ends at success, where theirs goes on to the horizon and earns 1 in every step of it; the
  discount per chunk is the task's (theirs .999); rewards are not divided by a running deviation of their
  returns.
- The observation encoder stays frozen; no warm-up of the critic (theirs two iterations) and no schedule of
  learning rates; iterations as DPPO's here."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zprl_core.finetuning.chain import STEPS, FlowChain, LearnedStd
from zprl_core.finetuning.ppo import LEAST_BATCH, PPOConfig
from zprl_core.policy.base_policy import BasePolicy

STD_RANGE = (0.08, 0.14)
CLIP = 0.01
LOG_PROB_RANGE = (-1.0, 1.0)


def reinflow_chain(policy: BasePolicy) -> FlowChain:
    """The policy with a noise network."""
    return FlowChain(policy, LearnedStd(policy.c_dim, policy.chunk * policy.action_dim, *STD_RANGE))


def reinflow_config(gamma: float, chunks: int) -> PPOConfig:
    """ReinFlow's numbers. chunks: of one iteration."""
    return PPOConfig(
        gamma=gamma,
        chunks=chunks,
        batch=max(LEAST_BATCH, chunks // 2),
        actor_lr=4.5e-5,
        critic_lr=6.5e-4,
        epochs=5,
        target_kl=0.01,
        entropy=0.01 * STEPS / (STEPS + 1),  # they sum over the M steps, and divide by M + 1
    )


class ReinFlow(nn.Module):
    """The objective of the whole chain. Implements `Objective`."""

    def forward(self, new: Tensor, old: Tensor, advantage: Tensor) -> tuple[Tensor, Tensor]:
        """The clipped loss, and the KL."""
        logs = [each.mean(dim=(1, 2, 3)).clamp(*LOG_PROB_RANGE) for each in (new, old)]
        log_ratio = logs[0] - logs[1]  # (B,)
        ratio = log_ratio.exp()
        clipped = ratio.clamp(1.0 - CLIP, 1.0 + CLIP)
        loss = -torch.min(advantage * ratio, advantage * clipped).mean()
        return loss, ((ratio - 1.0) - log_ratio).mean().detach()
