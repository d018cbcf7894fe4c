# SPDX-License-Identifier: Apache-2.0
"""Two-dimensional maps of features and actions, as in the paper's Fig. 11 (a) and (b)."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FEWEST = 16
"""Rows that UMAP's neighbourhoods need."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MARKERS = ("o", "s", "^", "D")
UNSTEERED: Mapping[str, Any] = {"facecolors": "none", "edgecolors": "#999999", "linewidths": 0.7, "s": 26}


@dataclass(frozen=True, eq=False)
class Cloud:
    """Features or chunks of the same states, (N, any): not steered and steered, by name of the steering."""

    name: str
    before: NDArray[np.floating]
    after: NDArray[np.floating]


def draw_map(axes: Any, title: str, clouds: Sequence[Cloud], seed: int) -> str:
    """All clouds on one map: not steered in grey, steered in colour; returns how it was made."""
    parts = [np.asarray(part) for each in clouds for part in (each.before, each.after)]
    points, method = flat_map(np.concatenate([part.reshape(len(part), -1) for part in parts]), seed)
    ends = np.cumsum([0, *map(len, parts)])
    for number, (start, end) in enumerate(itertools.pairwise(ends)):
        index, steered = number // 2 % len(COLOURS), bool(number % 2)
        name = f"{clouds[number // 2].name}, steered" if steered else "not steered"
        style = {"color": COLOURS[index], "marker": MARKERS[index], "s": 4} if steered else UNSTEERED
        axes.scatter(*points[start:end].T, label=name if steered or number == 0 else None, **style)
    axes.set(title=title, xticks=[], yticks=[])
    return method


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
