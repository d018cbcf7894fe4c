# SPDX-License-Identifier: Apache-2.0
"""What steering does to latents, features and actions: the numbers of the paper's Fig. 11."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zprl_core import noise
from zprl_core.noise import Stream
from zprl_core.perturbation import GUIDELINE
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.guard import rms
from zprl_core.steering.latents import LatentDistribution

Array = NDArray[np.float32]
DISPLACEMENT = 0.8
"""Average L2 distance of g(z~) to g(z) below which steering "works well in practice" (paper's appendix)."""


@dataclass(frozen=True, eq=False)
class Steered:
    """A policy's states, not steered and steered, N of them; the same z and w both ways.

    Attributes:
        z, z_tilde: (N, dim z). feature, steered_feature: g(z) and g(z~), (N, c_dim).
        actions, steered_actions: (N, H, da), physical units; None where they were not asked for.
        explored: z + lambda dz with dz drawn, as in training, (N, dim z); None where it was not.
    """

    z: Array
    z_tilde: Array
    feature: Array
    steered_feature: Array
    actions: Array | None = None
    steered_actions: Array | None = None
    explored: Array | None = None


@dataclass(frozen=True)
class Effect:
    """How far a policy steers, over its states.

    Attributes:
        states: how many.
        rms_ratio: RMS(z~ - z) / RMS(z). explored_ratio: the same with dz drawn, which is what the paper's
            guideline is about; NaN where it was not.
        mahalanobis, mahalanobis_base: mean distance of z~, and of z, to the offline latents (Ledoit-Wolf).
        far: share of the z~ beyond the distance that 1 % of the offline latents exceed.
        displacement, displacement_p95: L2 distance of g(z~) to g(z), mean and 95th percentile.
        action_shift: RMS difference of the actions over their standard deviation without steering, of those
            numbers that vary; NaN where none do, or no actions are known.
    """

    states: int
    rms_ratio: float
    explored_ratio: float
    mahalanobis: float
    mahalanobis_base: float
    far: float
    displacement: float
    displacement_p95: float
    action_shift: float

    def within(self) -> dict[str, bool]:
        """The paper's two guidelines: whether each is kept."""
        known = math.isfinite(self.explored_ratio)
        ratio, where = (self.explored_ratio, " while exploring") if known else (self.rms_ratio, "")
        return {
            f"RMS(z~ - z) / RMS(z){where} is at most {GUIDELINE[1]:.0%}": ratio <= GUIDELINE[1],
            f"g(z~) is on average within {DISPLACEMENT:g} of g(z)": self.displacement <= DISPLACEMENT,
        }


@torch.inference_mode()
def steer(runtime: PolicyRuntime, c: Array, seed: int, *, actions: bool) -> Steered:
    """Steer states as the policy does when it is evaluated: dz = tanh(mean); and as while it explores.

    Args:
        runtime: with the actor. c: embeddings (N, c_dim). seed: of z and w. actions: also plan chunks.
    """
    features = torch.from_numpy(np.ascontiguousarray(c, dtype=np.float32))
    bottleneck = runtime.model.bottleneck
    draws = noise.normal(seed, 0, 0, Stream.LATENT, (len(c), bottleneck.latent_dim))
    z = bottleneck.sample(features, torch.from_numpy(draws))
    standard, lambda_ = bottleneck.standardise(features), runtime.steering.scale
    z_tilde = z + lambda_ * runtime.actor.mean(standard, z)  # eq. (7)
    drawn = torch.from_numpy(noise.normal(seed, 0, 0, Stream.PERTURBATION, tuple(z.shape)))
    explored = z + lambda_ * runtime.actor.sample(standard, z, drawn)[0]  # eq. (7)
    w = noise.normal(seed, 0, 0, Stream.FLOW, (len(c), *runtime.action_shape)) if actions else None
    return replace(described(runtime, z, z_tilde, w), explored=explored.numpy())


@torch.inference_mode()
def described(runtime: PolicyRuntime, z: Tensor, z_tilde: Tensor, w: Array | None) -> Steered:
    """Latents that were drawn and steered, (N, dim z), with what they give; w (N, H, da) or None."""
    decode = runtime.model.bottleneck.decode
    feature, steered = decode(z), decode(z_tilde)
    plans: list[Array | None] = [None, None]
    if w is not None:
        plans = [_plan(runtime, each, w) for each in (feature, steered)]
    return Steered(z.numpy(), z_tilde.numpy(), feature.numpy(), steered.numpy(), *plans)


def _plan(runtime: PolicyRuntime, condition: Tensor, w: Array, batch: int = 256) -> Array:
    parts = [
        runtime.model.policy.act(condition[at : at + batch], torch.from_numpy(w[at : at + batch])).numpy()
        for at in range(0, len(w), batch)
    ]
    return np.concatenate(parts)


def _ratio(steered: Array, z: Array) -> float:
    return rms(steered - z) / max(rms(z), 1e-9)


def effect(found: Steered, latents: LatentDistribution | None) -> Effect:
    """The numbers of Fig. 11 (c) and (d) and of the guideline.

    Args:
        found: states. latents: of the demonstrations; None: not known, and distances are NaN.
    """
    moved = np.linalg.norm(found.steered_feature - found.feature, axis=1)
    distance, base = (
        (np.full(len(found.z), np.nan),) * 2
        if latents is None
        else (latents.distance(found.z_tilde), latents.distance(found.z))
    )
    far = np.nan if latents is None else latents.far
    shift = np.nan
    if found.actions is not None and found.steered_actions is not None:
        spread = found.actions.std(axis=0)
        moves = spread > 1e-6
        if moves.any():
            shift = rms((found.steered_actions - found.actions)[:, moves] / spread[moves])
    return Effect(
        states=len(found.z),
        rms_ratio=_ratio(found.z_tilde, found.z),
        explored_ratio=float("nan") if found.explored is None else _ratio(found.explored, found.z),
        mahalanobis=float(np.mean(distance) * far),
        mahalanobis_base=float(np.mean(base) * far),
        far=float(np.mean(distance > 1.0)) if latents is not None else float("nan"),
        displacement=float(moved.mean()),
        displacement_p95=float(np.percentile(moved, 95)),
        action_shift=float(shift),
    )
