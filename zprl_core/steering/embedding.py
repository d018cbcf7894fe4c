# SPDX-License-Identifier: Apache-2.0
"""Embedding steering without a bottleneck: c~ = c + scale * dc (the paper's ResEmb, section V-B)."""

from __future__ import annotations

from torch import Tensor

from zprl_core.policy.base_policy import BasePolicy


class EmbeddingSteering:
    """Steers the standardised embedding. Implements `Steering`.

    Standardised is ours: image embeddings and proprioception are then perturbed alike.
    c_mean, c_std: (c_dim,), over the demonstrations.
    """

    def __init__(self, policy: BasePolicy, c_mean: Tensor, c_std: Tensor, scale: float) -> None:
        self.policy, self.c_mean, self.c_std, self.scale = policy, c_mean, c_std, scale

    @property
    def dim(self) -> int:
        """Length of c."""
        return self.policy.c_dim

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """c, standardised."""
        return (c - self.c_mean) / self.c_std

    def apply(self, base: Tensor, dz: Tensor) -> Tensor:
        """c + scale * dc."""
        return base + self.scale * dz

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """c."""
        return base

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """a ~ base(.|c~)."""
        return self.policy.act(self.c_mean + self.c_std * steered, w)
