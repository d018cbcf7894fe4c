"""The online actor pi(dz | c, z): a tanh-Gaussian (Table V)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zprl_core.bottleneck.vib import mlp


class Actor(nn.Module):
    """dz = tanh(u), u ~ N(mean, diag std^2), mean and log std from (c, z).

    c: float32 (B, c_dim), standardised by the caller. z, noise, dz: (B, dim).
    """

    def __init__(
        self,
        c_dim: int,
        dim: int,
        hidden: int = 256,
        layers: int = 4,
        log_std_min: float = -10.0,
        log_std_max: float = 2.0,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.log_std_min, self.log_std_max = log_std_min, log_std_max
        self.network = mlp(c_dim + dim, hidden, layers, 2 * dim)

    def distribution(self, c: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of u, before the tanh."""
        mean, log_std = self.network(torch.cat([c, z], dim=1)).chunk(2, dim=1)
        return mean, log_std.clamp(self.log_std_min, self.log_std_max)

    def sample(self, c: Tensor, z: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """dz for standard normal noise, and log pi(dz | c, z), (B,)."""
        mean, log_std = self.distribution(c, z)
        u = torch.addcmul(mean, log_std.exp(), noise)
        return torch.tanh(u), tanh_gaussian_log_prob(u, mean, log_std)

    def mean(self, c: Tensor, z: Tensor) -> Tensor:
        """tanh(mean): dz without exploration."""
        return torch.tanh(self.distribution(c, z)[0])


def tanh_gaussian_log_prob(u: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log density of tanh(u), u ~ N(mean, exp(log_std)^2), summed over the last dimension.

    log N(u) - log(1 - tanh(u)^2), with 1 - tanh(u)^2 = 4 / (e^u + e^-u)^2
    = exp(2 (log 2 - u - softplus(-2u))), which stays finite for any u.
    """
    gaussian = -0.5 * ((u - mean) * (-log_std).exp()).square() - log_std - 0.5 * math.log(2.0 * math.pi)
    squash = 2.0 * (math.log(2.0) - u - F.softplus(-2.0 * u))
    return (gaussian - squash).sum(dim=-1)
