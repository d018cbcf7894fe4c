# SPDX-License-Identifier: Apache-2.0
"""ReinFlow: a learned noise makes the flow a Markov chain with a likelihood (Zhang et al., NeurIPS 2025).

arXiv 2505.22094. A network of the observation sets the deviation of each number of the chunk; the ratio is
that of the whole chain, the initial noise included, whose density is the same for both policies. From the
public configurations for square and for Gym from state (ft_ppo_reflow_mlp): std 0.08 to 0.14, clipping 0.01,
entropy bonus 0.01 (square), learning rates 4.5e-5 and 6.5e-4 (Gym), GAE 0.95, gradient norm 25.

Ours differs: the discount per chunk is the task's (theirs .99 to .999); intermediate chunks are not clipped
to [-1, 1], nor is noise cut at 3 deviations, so that densities are exact; the observation encoder stays
frozen; no warm-up of the critic and no schedule of learning rates; rewards are not rescaled by a running
deviation; epochs stop at a KL of 1 (Gym's; theirs for square .01);
the noise's range does not shrink over training, theirs does after a third of it; 10 epochs, theirs for Gym 5;
iterations as DPPO's here. Log densities are means over a chunk's
numbers and the chain's steps, as theirs are with their two normalisations on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zprl_core.finetuning.chain import FlowChain, LearnedStd
from zprl_core.finetuning.ppo import PPOConfig
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
        gamma=gamma, chunks=chunks, actor_lr=4.5e-5, critic_lr=6.5e-4, entropy=0.01, max_grad_norm=25.0
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
