# SPDX-License-Identifier: Apache-2.0
"""Latents that a point's evaluation was planned from, kept for the maps of Fig. 11."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError
from zprl_core.experiments.points import write_arrays
from zprl_core.experiments.policy import Place

LATENTS = "latents"
"""In a trial's folder; a file a point."""
ROWS = 500
"""Chunks that are kept of a point."""
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Latents:
    """z and z~ (n, dim) of n chunks, and where these are: the episodes' and chunks' numbers (n,)."""

    z: Array
    z_tilde: Array
    episode: NDArray[np.int64]
    chunk: NDArray[np.int64]

    @classmethod
    def spread(cls, places: Sequence[Place], z_tilde: Array) -> Latents:
        """At most `ROWS` of these chunks, evenly taken."""
        chosen = np.unique(np.linspace(0, len(places) - 1, ROWS).round().astype(np.int64))
        kept = [places[each] for each in chosen]
        episode, chunk = np.array([(each.episode, each.chunk) for each in kept], np.int64).T
        return cls(np.stack([each.base for each in kept]), z_tilde[chosen], episode, chunk)


def write_latents(folder: Path, point: int, latents: Latents) -> None:
    """Keep those of a point."""
    write_arrays(folder / LATENTS / f"{point:04d}.npz", vars(latents))


def read_latents(folder: Path, point: int) -> Latents | None:
    """Those of a point; None where none were kept.

    Raises:
        DataError: the file is damaged; names it.
    """
    path = folder / LATENTS / f"{point:04d}.npz"
    if not path.exists():
        return None
    try:
        with np.load(path) as found:
            return Latents(**{each.name: found[each.name] for each in fields(Latents)})
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: {error}; remove it, the maps of its point are left out then") from error
