# SPDX-License-Identifier: Apache-2.0
"""Embedding steering without a bottleneck: c~ = c + scale * dc (the paper's ResEmb, section V-B)."""

from __future__ import annotations

from torch import Tensor

from zprl_core.bottleneck.vib import Bottleneck
from zprl_core.policy.base_policy import BasePolicy


class EmbeddingSteering:
    """Steers the standardised embedding. Implements `Steering`.

    Standardised is ours: image embeddings and proprioception are then perturbed alike.
    bottleneck: knows the moments of c, and is not used otherwise.
    scale: 1 is a standard deviation of each component of c over the demonstrations.
    """

    def __init__(self, policy: BasePolicy, bottleneck: Bottleneck, scale: float) -> None:
        self.policy, self.bottleneck, self.scale = policy, bottleneck, scale

    @property
    def dim(self) -> int:
        """Length of c."""
        return self.policy.c_dim

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """c, standardised."""
        return self.bottleneck.standardise(c)

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """c."""
        return base

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """a ~ base(.|c~)."""
        return self.policy.act(self.bottleneck.unstandardise(steered), w)
