# SPDX-License-Identifier: Apache-2.0
"""Action residuals: a = a_base + scale * da, on the whole chunk (section III-C; Policy Decorator).

Of Policy Decorator (Yuan et al., ICLR 2025, arXiv 2412.13630, and its public code) this has the bounded
residual (`res_scale`), the critic on the sum of base action and residual (`critic_input: sum`), and the
progressive exploration, which is `progressive_share`. Ours differs: the actor sees the base action beside the
observation (their `actor_input: obs_base_action`, where their default is the observation alone); rewards are
the task's, where they subtract 1; residuals before the first update are the actor's, nearly uniform ones,
where theirs are uniform and then all but zero, from output layers that begin a hundredth as large;
exploration is set in over environment steps, where theirs counts chunks (30,000 to 300,000 of them); no
gradient is clipped (theirs at 50); SAC's settings are Table V's (theirs: batches of 1024, gamma .97, tau .01,
one update for four chunks, a temperature from 1 towards an entropy of -H da), and the target has no entropy
term."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from zprl_core.inference.backend import Backend
    from zprl_core.policy.base_policy import BasePolicy


class ActionResidual:
    """Steers the normalised action chunk, flattened to (B, H * da). Implements `Steering`.

    scale: of the residual; 1 is half of the range of the demonstrated actions.
    backend: what computes the policy's chunks; None: the policy itself.
    """

    def __init__(self, policy: BasePolicy, scale: float, backend: Backend | None = None) -> None:
        self.policy, self.scale, self.backend = policy, scale, backend or policy

    @property
    def dim(self) -> int:
        """H * da."""
        return self.policy.chunk * self.policy.action_dim

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """The base policy's chunk for w, normalised to [-1, 1]."""
        return self.policy.actions(self.backend.act(c, w)).flatten(1)

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """a_base."""
        return base

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """The steered chunk in physical units; the policy has had its say in `draw`."""
        return self.policy.actions.inverse(steered.view(-1, self.policy.chunk, self.policy.action_dim))


def progressive_share(done: int, until: int) -> float:
    """Probability that the residual is added at all; rises to 1 linearly. Both are environment steps, or
    records of a learner's log.
    """
    return 1.0 if done >= until else done / until
