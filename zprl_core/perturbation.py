"""How large may lambda be? The paper's guideline, and what a sweep does to z and c^ before anything moves.

The guideline (appendix): RMS(lambda * dz) of 10 to 20 % of RMS(z). Its Fig. 11 tracks two more numbers, which
the sweep shows beside it: how far z~ lies outside the distribution of z, and how far c^ moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor

from zprl_core.base import load_base
from zprl_core.bottleneck.vib import Bottleneck
from zprl_core.errors import CheckpointError
from zprl_core.steering.guard import rms
from zprl_core.steering.latents import LatentDistribution

GUIDELINE = (0.10, 0.20)
TARGET_RATIO = 0.15
"""RMS(lambda dz) / RMS(z) of the proposal: the middle of the guideline."""
SWEEP_RATIOS = (0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.50, 0.75, 1.0, 1.5)
SAMPLES = 10_000
"""At most this many latents, as in the paper."""
FAR = 0.99
"""Quantile of the offline latents' distances that the guard takes as far."""


@dataclass(frozen=True)
class SweepRow:
    """What one lambda does, over the data.

    rms_ratio: RMS(lambda dz) / RMS(z).
    mahalanobis: mean distance of z~ to the Gaussian fitted to z (Ledoit-Wolf covariance).
    mahalanobis_base: the same of z itself, about sqrt(dim z).
    displacement: mean of ||g(z~) - g(z)||, in units of c; the paper keeps it below about 0.8 for its c.
    displacement_relative: displacement / RMS distance of c from its mean, without a unit.
    """

    lambda_: float
    rms_ratio: float
    mahalanobis: float
    mahalanobis_base: float
    displacement: float
    displacement_relative: float


def untrained_dz(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Perturbations (count, dim) as an untrained actor draws them: tanh of a standard normal."""
    return np.tanh(np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32))


def propose_lambda(z_rms: float, dz: NDArray[np.float32], ratio: float = TARGET_RATIO) -> float:
    """The lambda with RMS(lambda dz) / z_rms = ratio.

    Raises:
        ValueError: dz or z is zero, so that no lambda has this ratio.
    """
    size = rms(dz)
    if not size > 0 or not z_rms > 0:
        raise ValueError(f"no lambda follows from RMS(z) = {z_rms} and RMS(dz) = {size}")
    return ratio * z_rms / size


@torch.no_grad()
def draw_latents(bottleneck: Bottleneck, c: Tensor, seed: int) -> Tensor:
    """z ~ p(z|c), (n, dim z), for at most 10,000 embeddings drawn from c (N, c_dim)."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(c))[:SAMPLES]
    noise = rng.standard_normal((len(rows), bottleneck.latent_dim), dtype=np.float32)
    return bottleneck.sample(c[rows], torch.from_numpy(noise))


def fit_latents(bottleneck: Bottleneck, c: Tensor, seed: int) -> LatentDistribution:
    """The Gaussian that the guard measures against, from embeddings c (N, c_dim) of the demonstrations.

    As in the paper's appendix: Ledoit-Wolf's covariance of 10,000 latents.
    """
    z = draw_latents(bottleneck, c, seed).double().numpy()
    gaussian = LedoitWolf().fit(z)
    far = float(np.quantile(np.sqrt(gaussian.mahalanobis(z)), FAR))
    return LatentDistribution(gaussian.location_, gaussian.precision_, far)


@torch.no_grad()
def sweep(
    bottleneck: Bottleneck, z: Tensor, dz: NDArray[np.float32], lambdas: Sequence[float]
) -> list[SweepRow]:
    """One row per lambda for latents z and perturbations dz, both (n, dim z)."""
    latents = z.numpy()
    gaussian = LedoitWolf().fit(latents)
    feature = bottleneck.decode(z)
    spread = feature.var(dim=0, correction=0).sum().sqrt().item()
    base = float(np.sqrt(gaussian.mahalanobis(latents)).mean())
    rows = []
    for lambda_ in lambdas:
        steered = latents + np.float32(lambda_) * dz
        moved = (bottleneck.decode(torch.from_numpy(steered)) - feature).norm(dim=1).mean().item()
        rows.append(
            SweepRow(
                lambda_=lambda_,
                rms_ratio=lambda_ * rms(dz) / rms(latents),
                mahalanobis=float(np.sqrt(gaussian.mahalanobis(steered)).mean()),
                mahalanobis_base=base,
                displacement=moved,
                displacement_relative=moved / spread if spread > 0 else float("inf"),
            )
        )
    return rows


def sweep_lambdas(z_rms: float, dz: NDArray[np.float32]) -> list[float]:
    """Lambdas around the guideline, from 2 % to 150 % of RMS(z), rounded to two digits."""
    return [float(f"{propose_lambda(z_rms, dz, ratio):.2g}") for ratio in SWEEP_RATIOS]


def propose(base: Path, ratio: float = TARGET_RATIO) -> float:
    """The lambda that the guideline gives for a base checkpoint, from RMS(z) over its demonstrations.

    Raises:
        CheckpointError: see `load_base`; or the checkpoint does not say RMS(z).
    """
    model, _, info = load_base(base)
    try:
        z_rms = float(info["bottleneck"]["z_rms"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{base}: info.bottleneck.z_rms is missing, so no lambda can be proposed; give one with --lambda"
        ) from error
    return propose_lambda(z_rms, untrained_dz(SAMPLES, model.bottleneck.latent_dim, 0), ratio)
