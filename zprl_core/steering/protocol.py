"""The steering interface: where a perturbation dz enters the frozen policy.

SAC sees (c, base) -> dz and values (c, steered); it does not know what base is. For ZPRL base is z, for the
action residual the base action, for embedding steering c; noise steering has none.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Steering(Protocol):
    """One way to steer. B samples; c (B, c_dim); base, dz and steered (B, dim); w (B, H, da)."""

    @property
    def dim(self) -> int:
        """Length of dz."""
        ...

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """The unperturbed base, from standard normal noise (B, dim) and the flow's noise w."""
        ...

    def apply(self, base: Tensor, dz: Tensor) -> Tensor:
        """The steered value of base under dz in [-1, 1]. Differentiable in dz."""
        ...

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """The steered value with which the base policy acts as if nothing steered it."""
        ...

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """The action chunk (B, H, da), physical units."""
        ...
