# SPDX-License-Identifier: Apache-2.0
"""Means over episodes with bootstrap intervals. Pure; the draws are the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zprl_core.transforms import Array

DRAWS, SEED = 4000, 0
LEAST = 5
"""Episodes below which there is no interval: a bootstrap of so few is too narrow."""


@dataclass(frozen=True)
class Estimate:
    """A number, its 95 % interval, and how many episodes it is from.

    Attributes:
        value: the mean, or a ratio of means; None where there is none.
        low, high: percentile bootstrap over episodes; None with fewer than `LEAST` of them.
        n: episodes; of a ratio, of the smaller sample.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int


def mean(values: Sequence[float]) -> Estimate:
    """The mean of a number of each episode."""
    if not values:
        return Estimate(None, None, None, 0)
    found = np.array(values, np.float64)
    return _estimate(float(found.mean()), _means(found, 0) if len(found) >= LEAST else None, len(found))


def ratio(values: Sequence[float], base: Sequence[float]) -> Estimate:
    """The mean of one sample over that of another, both drawn anew and independently.

    None where the base's mean is 0, or a sample is empty.
    """
    least = min(len(values), len(base))
    if not least or not np.mean(base):
        return Estimate(None, None, None, least)
    over, under = np.array(values, np.float64), np.array(base, np.float64)
    draws = None
    if least >= LEAST:
        below = _means(under, 1)
        draws = _means(over, 0) / np.where(below == 0.0, np.nan, below)
    return _estimate(float(over.mean() / under.mean()), draws, least)


def _estimate(value: float, draws: Array | None, n: int) -> Estimate:
    if draws is None or not np.isfinite(draws).all():
        return Estimate(value, None, None, n)
    low, high = np.percentile(draws, (2.5, 97.5))
    return Estimate(value, float(low), float(high), n)


def _means(values: Array, stream: int) -> Array:
    """Means (DRAWS,) of as many episodes, drawn with replacement."""
    rng = np.random.default_rng((SEED, stream))
    return np.asarray(values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1))
