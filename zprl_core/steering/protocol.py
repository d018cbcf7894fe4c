"""The steering interface: where a perturbation dz enters the frozen policy.

SAC sees (c, base) -> dz and values (c, steered); it does not know what base is. For ZPRL base is z; an action
residual would use the base action, noise steering w, embedding steering c.
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

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """The action chunk (B, H, da), physical units."""
        ...
