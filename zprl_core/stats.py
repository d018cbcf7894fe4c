# SPDX-License-Identifier: Apache-2.0
"""Intervals for success rates. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Proportion:
    """k successes in n trials."""

    successes: int
    trials: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be.

        Raises:
            ValueError: not 0 <= successes <= trials.
        """
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"{self.successes} successes in {self.trials} trials")

    @property
    def rate(self) -> float:
        """k / n, NaN when there were no trials."""
        return self.successes / self.trials if self.trials else math.nan

    def wilson(self, z: float = Z95) -> tuple[float, float]:
        """Wilson's score interval of the rate."""
        return wilson(self.successes, self.trials, z)


def wilson(successes: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a proportion (E. B. Wilson, JASA 1927).

    Args:
        successes: 0 <= successes <= n.
        n: trials; with none, nothing is known: (0, 1).
        z: normal quantile, 1.96 for 95 %.

    Returns:
        (low, high), both in [0, 1].

    Raises:
        ValueError: counts that cannot be.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} trials")
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    denominator = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / denominator
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / denominator
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return max(0.0, low), min(1.0, high)


def difference(a: Proportion, b: Proportion, z: float = Z95) -> tuple[float, float]:
    """Interval of rate(a) - rate(b), independent samples (Newcombe 1998, method 10: from Wilson's).

    Returns:
        (low, high), both in [-1, 1]; nothing is known when either has no trials.
    """
    if not a.trials or not b.trials:
        return -1.0, 1.0
    (low_a, high_a), (low_b, high_b) = a.wilson(z), b.wilson(z)
    gap = a.rate - b.rate
    low = gap - math.hypot(a.rate - low_a, high_b - b.rate)
    high = gap + math.hypot(high_a - a.rate, b.rate - low_b)
    return max(-1.0, low), min(1.0, high)


def pooled(samples: Iterable[Proportion]) -> Proportion:
    """All trials of several samples, such as seeds, taken together."""
    samples = list(samples)
    return Proportion(sum(s.successes for s in samples), sum(s.trials for s in samples))


def apart(a: Proportion, b: Proportion, z: float = Z95) -> bool:
    """Whether the two Wilson intervals do not overlap."""
    (low_a, high_a), (low_b, high_b) = a.wilson(z), b.wilson(z)
    return high_a < low_b or high_b < low_a


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile by linear interpolation between order statistics; NaN of an empty sequence.

    Args:
        values: in any order.
        percent: 0 to 100.
    """
    if not values:
        return math.nan
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100.0
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
