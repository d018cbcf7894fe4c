"""The steering interface: where a perturbation dz enters the frozen policy.

SAC sees (c, base) -> dz and values (c, steered); it does not know what base is. For ZPRL base is z, for the
action residual the base action, for embedding steering c; noise steering has none.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Steering(Protocol):
    """One way to steer: steered = base + scale * dz, eq. (7), for dz in [-1, 1].

    B samples, all float32; c (B, c_dim); base, dz and steered (B, dim); w (B, H, da).
    """

    @property
    def dim(self) -> int:
        """Length of dz."""
        ...

    @property
    def scale(self) -> float:
        """lambda of eq. (7), or what the method has in its place; above 0, in units of base."""
        ...

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """The unperturbed base, from standard normal noise (B, dim) and the flow's noise w."""
        ...

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """The steered value with which the base policy acts as if nothing steered it."""
        ...

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """The action chunk (B, H, da), physical units."""
        ...
