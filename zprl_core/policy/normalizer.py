"""Affine normalisation of vectors, fitted on the demonstrations and kept inside the checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONSTANT = 1e-4
"""A dimension whose half range or standard deviation is below this is taken as constant."""


class Normalizer(nn.Module):
    """forward(x) = (x - offset) / scale, and inverse. Works on (..., dim), float32."""

    offset: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit_range(self, x: Tensor) -> None:
        """Map each dimension's [min, max] over x (N, dim) to [-1, 1]; a constant one to 0.

        The inverse keeps a constant dimension constant whatever comes in: an arm whose demonstrations never
        tilted the tool must not tilt it by a network's noise.
        """
        low, high = x.float().amin(dim=0), x.float().amax(dim=0)
        self._set((low + high) / 2, ((high - low) / 2).clamp_min(CONSTANT))

    def fit_moments(self, x: Tensor) -> None:
        """Map each dimension over x (N, dim) to mean 0 and standard deviation 1; shift a constant one."""
        scale = x.double().std(dim=0, correction=0)
        self._set(x.double().mean(dim=0), torch.where(scale < CONSTANT, torch.ones_like(scale), scale))

    def _set(self, offset: Tensor, scale: Tensor) -> None:
        self.offset.copy_(offset)
        self.scale.copy_(scale)

    def forward(self, x: Tensor) -> Tensor:
        """The normalised x."""
        return (x - self.offset) / self.scale

    def inverse(self, y: Tensor) -> Tensor:
        """The x with forward(x) = y."""
        return y * self.scale + self.offset
