"""Exponential moving average of a module's weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """Keeps `averaged`, a copy of the module: averaged <- d * averaged + (1 - d) * module.

    After n updates d = min(max_decay, 1 - (1 + n)^-power), as in Diffusion Policy: short runs are not held
    back by their initial weights. Buffers are copied.
    """

    def __init__(self, module: M, power: float = 0.75, max_decay: float = 0.9999) -> None:
        self.averaged: M = copy.deepcopy(module).requires_grad_(False).eval()
        self.power, self.max_decay = power, max_decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: M) -> None:
        """Take one step towards the module's present weights."""
        decay = min(self.max_decay, 1.0 - (1.0 + self.updates) ** -self.power)
        self.updates += 1
        mine = [p.detach() for p in self.averaged.parameters()]
        theirs = [p.detach() for p in module.parameters()]
        torch._foreach_lerp_(mine, theirs, 1.0 - decay)
        for kept, new in zip(self.averaged.buffers(), module.buffers(), strict=True):
            kept.copy_(new)
