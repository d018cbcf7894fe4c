# SPDX-License-Identifier: Apache-2.0
"""What a user would otherwise run, built from its public description with torch's own layers."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn


class Sinusoidal(nn.Module):
    """Embedding of the step: (B,) -> (B, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, step: Tensor) -> Tensor:
        """The embedding."""
        half = self.size // 2
        rates = torch.exp(-math.log(10_000.0) / (half - 1) * torch.arange(half))
        angle = step[:, None] * rates
        return torch.cat([angle.sin(), angle.cos()], dim=1)


def conv_block(inputs: int, outputs: int, kernel: int, groups: int) -> nn.Sequential:
    """Convolution, GroupNorm, Mish on (B, C, T)."""
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(groups, outputs), nn.Mish()
    )


class ResidualBlock(nn.Module):
    """Two convolution blocks; scale and shift of (step, condition) between them."""

    def __init__(self, inputs: int, outputs: int, condition: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.first = conv_block(inputs, outputs, kernel, groups)
        self.second = conv_block(outputs, outputs, kernel, groups)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * outputs))
        self.shortcut = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, C_in, T) -> (B, C_out, T)."""
        scale, shift = self.film(condition)[:, :, None].chunk(2, dim=1)
        return self.second(scale * self.first(x) + shift) + self.shortcut(x)


class DiffusionPolicyUNet(nn.Module):
    """x (B, T, da), step (B,), condition (B, c_dim) -> (B, T, da). T is a multiple of 2^(levels - 1)."""

    def __init__(
        self, action_dim: int, c_dim: int, widths: tuple[int, ...], step: int, kernel: int, groups: int
    ) -> None:
        super().__init__()
        self.embed = nn.Sequential(
            Sinusoidal(step), nn.Linear(step, 4 * step), nn.Mish(), nn.Linear(4 * step, step)
        )
        sizes = list(pairwise([action_dim, *widths]))
        more = (step + c_dim, kernel, groups)
        self.down = nn.ModuleList(
            nn.ModuleList([ResidualBlock(i, o, *more), ResidualBlock(o, o, *more)]) for i, o in sizes
        )
        self.downsample = nn.ModuleList(nn.Conv1d(o, o, 3, stride=2, padding=1) for _, o in sizes[:-1])
        deepest = widths[-1]
        self.middle = nn.ModuleList([ResidualBlock(deepest, deepest, *more) for _ in range(2)])
        self.up = nn.ModuleList(
            nn.ModuleList([ResidualBlock(2 * o, i, *more), ResidualBlock(i, i, *more)])
            for i, o in reversed(sizes[1:])
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose1d(i, i, 4, stride=2, padding=1) for i, _ in reversed(sizes[1:])
        )
        self.head = nn.Sequential(
            conv_block(widths[0], widths[0], kernel, groups), nn.Conv1d(widths[0], action_dim, 1)
        )

    def forward(self, x: Tensor, step: Tensor, condition: Tensor) -> Tensor:
        """The network's value, (B, T, da)."""
        told, x, skips = torch.cat([self.embed(step), condition], dim=1), x.transpose(1, 2), []
        for index in range(len(self.down)):
            for block in self._pair(self.down, index):
                x = block(x, told)
            skips.append(x)
            if index < len(self.downsample):
                x = self.downsample[index](x)
        for block in self.middle:
            x = block(x, told)
        for index, upsample in enumerate(self.upsample):
            x = torch.cat([x, skips.pop()], dim=1)
            for block in self._pair(self.up, index):
                x = block(x, told)
            x = upsample(x)
        return self.head(x).transpose(1, 2)

    @staticmethod
    def _pair(levels: nn.ModuleList, index: int) -> list[nn.Module]:
        return list(levels[index].children())
