# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional maps of features and actions, as in the paper's Fig. 11 (a) and (b)."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEWEST = 16
"""Rows that UMAP's neighbourhoods need."""


def flat_map(rows: NDArray[np.floating], seed: int) -> tuple[Array, str]:
    """Rows (N, d) on a plane, (N, 2), and by which method: UMAP, or principal components without umap-learn.

    Args:
        rows: standardised by column first; a constant column counts for nothing.
        seed: of UMAP, which is deterministic with it. Too few rows for its neighbourhoods are mapped by
            principal components.
    """
    data = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    spread = data.std(axis=0)
    data = (data - data.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    if len(data) < FEWEST:
        return _principal(data), f"principal components, as {len(data)} points are too few for UMAP"
    try:
        umap = importlib.import_module("umap")  # of the extra `analysis`
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, about one thread where a seed is given
            found = umap.UMAP(n_components=2, random_state=seed, n_jobs=1).fit_transform(data)
        return np.asarray(found, dtype=np.float64), "UMAP"
    except ImportError:
        return _principal(data), "principal components (UMAP: pip install umap-learn)"


def _principal(data: Array) -> Array:
    """Of centred rows; a direction that is not there is 0. Signs are fixed, so that a map is not mirrored."""
    _, _, axes = np.linalg.svd(data, full_matrices=False)
    axes = axes[:2] * np.sign(axes[np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    found = np.zeros((len(data), 2))
    found[:, : len(axes)] = data @ axes.T
    return found
