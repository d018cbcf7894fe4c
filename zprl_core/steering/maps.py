# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional maps of features and actions, as in the paper's Fig. 11 (a) and (b)."""

from __future__ import annotations

import importlib
import warnings

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def flat_map(rows: NDArray[np.floating], seed: int) -> tuple[Array, str]:
    """Rows (N, d) on a plane, (N, 2), and by which method: UMAP, or principal components without umap-learn.

    Args:
        rows: standardised by column first; a constant column counts for nothing.
        seed: of UMAP, which is deterministic with it.
    """
    data = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    spread = data.std(axis=0)
    data = (data - data.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    try:
        umap = importlib.import_module("umap")  # of the extra `analysis`
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own, about one thread where a seed is given
            found = umap.UMAP(n_components=2, random_state=seed, n_jobs=1).fit_transform(data)
        return np.asarray(found, dtype=np.float64), "UMAP"
    except ImportError:
        from sklearn.decomposition import PCA

        found = PCA(n_components=2, random_state=seed).fit_transform(data)
        return np.asarray(found, dtype=np.float64), "principal components (UMAP: pip install umap-learn)"
