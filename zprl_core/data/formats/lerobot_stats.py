# SPDX-License-Identifier: Apache-2.0
"""Statistics of LeRobot's features: min, max, mean, std (of the population), quantiles and count.

Vectors have one number a dimension; pictures one a channel, of pixels in 0 .. 1, in the shape (3, 1, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
FRAMES_PER_EPISODE = 100
"""Of longer episodes so many frames are looked at, evenly spread."""
_LEVELS = 256


def vector_stats(rows: NDArray[Any]) -> dict[str, Any]:
    """Of (T, d) or (T,): lists of d numbers."""
    numbers = rows.reshape(len(rows), -1).astype(np.float64)
    found = {
        "min": numbers.min(axis=0),
        "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
    }
    for share, quantile in zip(QUANTILES, np.quantile(numbers, QUANTILES, axis=0), strict=True):
        found[_name(share)] = quantile
    return {key: value.tolist() for key, value in found.items()} | {"count": [len(rows)]}


def histogram(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many pixels (3, 256) of up to `FRAMES_PER_EPISODE` frames (T, h, w, 3) have which level.

    Histograms of episodes add up, and hold all that `image_stats` needs.
    """
    ticks = np.unique(np.linspace(0, len(frames) - 1, FRAMES_PER_EPISODE).round().astype(int))
    pixels = frames[ticks].reshape(-1, frames.shape[-1])
    return np.stack([np.bincount(channel, minlength=_LEVELS) for channel in pixels.T])


def image_stats(counts: NDArray[np.int64], frames: int) -> dict[str, Any]:
    """Of a histogram (3, 256), over this many frames."""
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    total = counts.sum(axis=1)
    mean = counts @ levels / total
    variance = counts @ levels**2 / total - mean**2
    found = {
        "min": levels[np.argmax(counts > 0, axis=1)],
        "max": levels[_LEVELS - 1 - np.argmax(counts[:, ::-1] > 0, axis=1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(variance, 0.0)),
    }
    below = counts.cumsum(axis=1)
    for share in QUANTILES:
        found[_name(share)] = levels[np.argmax(below >= share * total[:, None], axis=1)]
    return {key: value.reshape(3, 1, 1).tolist() for key, value in found.items()} | {"count": [frames]}


def _name(share: float) -> str:
    return f"q{round(100 * share):02d}"
