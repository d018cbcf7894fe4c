"""The distribution of the offline latents: what the guard measures z~ against. Fitted by `zprl pretrain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LatentDistribution:
    """A Gaussian over z, and how far from its mean the offline latents lie.

    Attributes:
        mean: (d,). precision: (d, d), inverse of the covariance.
        far: Mahalanobis distance that 1 % of the offline latents exceed.

    Raises:
        DataError: shapes that do not belong together, or numbers that are not finite.
    """

    mean: Array
    precision: Array
    far: float

    def __post_init__(self) -> None:
        """Refuse what is no distribution."""
        (dim,) = self.mean.shape if self.mean.ndim == 1 else (-1,)
        if self.precision.shape != (dim, dim):
            shapes = f"{self.mean.shape} and {self.precision.shape}"
            raise DataError(
                f"offline latents: mean and precision have shapes {shapes}, expected (d,) and (d, d)"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.precision).all() and self.far > 0.0):
            raise DataError(f"offline latents: numbers must be finite and far above 0; far is {self.far}")

    def distance(self, z: NDArray[np.floating[Any]]) -> Array:
        """Mahalanobis distance of latents (..., d) over `far`, (...): 1 is where the last 1 % begins."""
        away = np.asarray(z, np.float64) - self.mean
        squared = np.einsum("...i,ij,...j->...", away, self.precision, away)
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)) / self.far)

    def to_state(self) -> dict[str, Any]:
        """Plain data and tensors for a checkpoint."""
        return {
            "mean": torch.from_numpy(self.mean.copy()),
            "precision": torch.from_numpy(self.precision.copy()),
            "far": self.far,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LatentDistribution:
        """The inverse of `to_state`.

        Raises:
            DataError: a key is missing, or see the class.
        """
        try:
            return cls(state["mean"].numpy(), state["precision"].numpy(), float(state["far"]))
        except KeyError as error:
            raise DataError(f"offline latents: {error} is missing") from error
