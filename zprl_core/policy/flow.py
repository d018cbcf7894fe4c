"""Flow matching over action chunks, eq. (1) and (2). Noise is always an argument, never drawn here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

# The paper's (appendix): 1, 0.99, ..., 0.01 in training, two steps at inference.
TRAINING_STEPS = 100
SAMPLING_SCHEDULE = (1.0, 0.01, 0.0)

Velocity = Callable[[Tensor, Tensor], Tensor]
"""v(a^k (B, H, da), k (B,)) -> (B, H, da), the condition already bound."""


def training_k(index: Tensor, steps: int = TRAINING_STEPS) -> Tensor:
    """k of positions 0..steps-1 of the training schedule: 1 - index / steps, so 1, 0.99, ..., 0.01."""
    return (steps - index).to(torch.float32) / steps


def interpolate(a: Tensor, w: Tensor, k: Tensor) -> Tensor:
    """a^k = (1 - k) a + k w for chunks (B, H, da) and k (B,)."""
    return torch.lerp(a, w, k[:, None, None])


def flow_matching_loss(velocity: Velocity, a: Tensor, w: Tensor, k: Tensor) -> Tensor:
    """Eq. (1) per sample, (B,): ||v(a^k, k, c) - (w - a)||^2, averaged over the chunk's H * da numbers.

    The paper writes the squared norm; the average (as in Diffusion Policy, on which it builds) only rescales
    it and keeps beta of eq. (5) comparable between chunk sizes. Ours.
    """
    return (velocity(interpolate(a, w, k), k).float() - (w - a)).square().mean(dim=(1, 2))  # eq. (1)


def integrate(velocity: Velocity, w: Tensor, schedule: Sequence[float] = SAMPLING_SCHEDULE) -> Tensor:
    """Eq. (2): from a^1 = w (B, H, da) along the schedule to the action chunk a^0 (B, H, da)."""
    a = w
    for k_from, k_to in pairwise(schedule):
        k = torch.full((w.shape[0],), k_from, dtype=w.dtype, device=w.device)
        a = a - (k_from - k_to) * velocity(a, k)  # eq. (2)
    return a
