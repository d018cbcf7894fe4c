"""An ensemble of critics Q(c, z~), computed in one batch of matrix products."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F


class EnsembleLinear(nn.Module):
    """E linear layers side by side: (E, B, inputs) -> (E, B, outputs), initialised like nn.Linear."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(E, B, outputs)."""
        return torch.baddbmm(self.bias, x, self.weight)


class EnsembleLayerNorm(nn.Module):
    """Layer normalisation with each member's own scale and shift, (E, B, size)."""

    def __init__(self, members: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, size))
        self.bias = nn.Parameter(torch.zeros(members, 1, size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised over the last dimension."""
        return torch.addcmul(self.bias, F.layer_norm(x, x.shape[-1:]), self.weight)


class CriticEnsemble(nn.Module):
    """E multi-layer perceptrons with GELU on (c, z~).

    c: float32 (B, c_dim), standardised by the caller. z~: (B, dim). Output (E, B).
    layer_norm: normalise each hidden layer before its GELU, the paper's choice for dense rewards.
    """

    def __init__(
        self, members: int, c_dim: int, dim: int, hidden: int = 256, layers: int = 4, layer_norm: bool = False
    ) -> None:
        super().__init__()
        self.members = members
        sizes = [c_dim + dim, *[hidden] * layers]
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            parts.append(EnsembleLinear(members, inputs, outputs))
            if layer_norm:
                parts.append(EnsembleLayerNorm(members, outputs))
            parts.append(nn.GELU())
        self.network = nn.Sequential(*parts, EnsembleLinear(members, sizes[-1], 1))

    def forward(self, c: Tensor, z: Tensor, only: Tensor | None = None) -> Tensor:
        """Every member's value, (E, B); with `only`, int64 (M,), that of these members, (M, B)."""
        inputs = torch.cat([c, z], dim=1)
        if only is None:
            q: Tensor = self.network(inputs.expand(self.members, -1, -1))
        else:
            theirs = {name: parameter[only] for name, parameter in self.network.named_parameters()}
            q = functional_call(self.network, theirs, inputs.expand(len(only), -1, -1))
        return q.squeeze(2)


def aggregated(critics: CriticEnsemble, c: Tensor, z: Tensor, how: str, pair: Tensor) -> Tensor:
    """The ensemble's one value, (B,): "min", "mean", or "min_of_random_two" of the members in `pair` (2,),
    without computing the others.
    """
    if how == "min":
        return critics(c, z).amin(dim=0)
    if how == "mean":
        return critics(c, z).mean(dim=0)
    if how == "min_of_random_two":
        return critics(c, z, pair).amin(dim=0)
    raise ValueError(f"aggregation {how!r} is none of: min, mean, min_of_random_two")
