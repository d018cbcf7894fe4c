"""ZPRL: steering in the bottleneck latent, eq. (7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from zprl_core.bottleneck.vib import Bottleneck

if TYPE_CHECKING:
    from zprl_core.inference.backend import Backend


class LatentSteering:
    """z ~ p(z|c), z~ = z + lambda * dz, a ~ base(.|g(z~)). Implements `Steering`; `scale` is lambda."""

    def __init__(self, policy: Backend, bottleneck: Bottleneck, lambda_: float) -> None:
        self.policy, self.bottleneck, self.scale = policy, bottleneck, lambda_

    @property
    def dim(self) -> int:
        """dim(z)."""
        return self.bottleneck.latent_dim

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """z ~ p(z|c)."""
        return self.bottleneck.sample(c, noise)

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """z."""
        return base

    def condition(self, steered: Tensor) -> Tensor:
        """c^ = g(z~)."""
        return self.bottleneck.decode(steered)

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """a ~ base(.|g(z~))."""
        return self.policy.act(self.condition(steered), w)
