"""The variational information bottleneck z ~ p(z|c), c^ = g(z), eq. (3) to (5), after Deep VIB (Alemi 2017).

Its loss trains the bottleneck only: c arrives detached, and the flow is a function of its input here, whose
parameters get no gradient (section IV-A).

c is standardised on its way in and c^ is scaled back on its way out, with moments of c that are buffers of
this module. That is ours: image embeddings and proprioception then weigh alike, and the decoder starts from
the mean embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOG_VARIANCE_RANGE = (-20.0, 4.0)
"""Of the posterior; clamped so that exp stays finite in float32."""
MIN_STD = 1e-4
"""A component of c that varies less than this is taken as constant."""


def mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """`layers` GELU layers of width `hidden`, then a linear output."""
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Linear(inputs, hidden), nn.GELU()]
        inputs = hidden
    return nn.Sequential(*parts, nn.Linear(inputs, outputs))


class Bottleneck(nn.Module):
    """Diagonal-Gaussian encoder p(z|c) and decoder g(z).

    c and c^ are float32 (B, c_dim), z, mean and log_variance (B, latent_dim).
    """

    c_mean: Tensor
    c_std: Tensor
    _tracked_std: Tensor

    def __init__(self, c_dim: int, latent_dim: int, hidden: int = 256, layers: int = 4) -> None:
        super().__init__()
        self.c_dim, self.latent_dim = c_dim, latent_dim
        self.encoder = mlp(c_dim, hidden, layers, 2 * latent_dim)
        self.decoder = mlp(latent_dim, hidden, layers, c_dim)
        self.register_buffer("c_mean", torch.zeros(c_dim))
        self.register_buffer("c_std", torch.ones(c_dim))
        self.register_buffer("_tracked_std", torch.ones(c_dim), persistent=False)

    @torch.no_grad()
    def fit_moments(self, c: Tensor) -> None:
        """Take mean and standard deviation from embeddings c (N, c_dim)."""
        self._set_moments(c.mean(dim=0), c.std(dim=0, correction=0))

    @torch.no_grad()
    def track_moments(self, c: Tensor, rate: float = 0.01) -> None:
        """Follow the moments of a batch c (B, c_dim) while the encoder is still learning."""
        self._tracked_std.lerp_(c.std(dim=0, correction=0), rate)
        self._set_moments(self.c_mean.lerp(c.mean(dim=0), rate), self._tracked_std)

    def _set_moments(self, mean: Tensor, std: Tensor) -> None:
        self.c_mean.copy_(mean)
        self.c_std.copy_(torch.where(std < MIN_STD, torch.ones_like(std), std))

    def standardise(self, c: Tensor) -> Tensor:
        """c (B, c_dim) with mean 0 and standard deviation 1 over the demonstrations."""
        return (c - self.c_mean) / self.c_std

    def unstandardise(self, standard: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return standard * self.c_std + self.c_mean

    def posterior(self, c: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of p(z|c)."""
        mean, log_variance = self.encoder(self.standardise(c)).float().chunk(2, dim=-1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def sample(self, c: Tensor, noise: Tensor) -> Tensor:
        """z ~ p(z|c) for standard normal noise (B, latent_dim)."""
        mean, log_variance = self.posterior(c)
        return reparameterise(mean, log_variance, noise)

    def decode(self, z: Tensor) -> Tensor:
        """c^ = g(z)."""
        return self.unstandardise(self.decoder(z))


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """mean + standard deviation * noise."""
    return torch.addcmul(mean, (0.5 * log_variance).exp(), noise)


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) per sample, (B, d) -> (B,), in nats."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)
