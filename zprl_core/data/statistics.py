# SPDX-License-Identifier: Apache-2.0
"""Statistics of a dataset's vectors, per dimension."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "median": 0.5, "q99": 0.99}


def statistics(rows: NDArray[np.float32]) -> dict[str, list[float]]:
    """Minimum, maximum, mean, standard deviation (of the population) and quantiles of each column of (N, d).

    The mean and the deviation are what `Normalizer.fit_moments` fits, the extremes what `fit_range` does.
    """
    numbers = rows.astype(np.float64)
    found = {
        "min": numbers.min(axis=0),
        "max": numbers.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
        **{name: np.quantile(numbers, share, axis=0) for name, share in QUANTILES.items()},
    }
    return {name: [float(value) for value in values] for name, values in found.items()}
