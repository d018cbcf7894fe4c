# SPDX-License-Identifier: Apache-2.0
"""Intervals and tests for success rates. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""
_LARGEST_LOG = 700.0


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

    def told(self, nothing: str = "not measured") -> str:
        """ "0.83 [0.78, 0.87] of 300", with Wilson's 95 % interval; `nothing` when there were no trials."""
        low, high = self.wilson()
        return f"{self.rate:.2f} [{low:.2f}, {high:.2f}] of {self.trials}" if self.trials else nothing


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


@dataclass(frozen=True)
class Pairs:
    """Outcomes of a and b on the same layouts.

    Attributes:
        both, neither: layouts on which both, or neither, succeeded.
        only_a, only_b: layouts on which one did and the other did not: the discordant ones.
    """

    both: int
    only_a: int
    only_b: int
    neither: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be.

        Raises:
            ValueError: one is below 0.
        """
        if min(self.both, self.only_a, self.only_b, self.neither) < 0:
            raise ValueError(f"{self}: counts are at least 0")

    @property
    def count(self) -> int:
        """Layouts."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def a(self) -> Proportion:
        """Successes of a."""
        return Proportion(self.both + self.only_a, self.count)

    @property
    def b(self) -> Proportion:
        """Successes of b."""
        return Proportion(self.both + self.only_b, self.count)


def paired_difference(pairs: Pairs, z: float = Z95) -> tuple[float, float]:
    """Interval of rate(a) - rate(b) on the same layouts.

    Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10: Wilson's intervals of the two rates, put
    together with the correlation phi of the outcomes, which is brought nearer to 0 where it is positive.

    Returns:
        (low, high), both in [-1, 1]; nothing is known without a pair.
    """
    if not pairs.count:
        return -1.0, 1.0
    a, b, phi = pairs.a, pairs.b, _phi(pairs)
    (low_a, high_a), (low_b, high_b) = a.wilson(z), b.wilson(z)
    gap = (pairs.only_a - pairs.only_b) / pairs.count
    low = gap - _added(a.rate - low_a, high_b - b.rate, phi)
    high = gap + _added(high_a - a.rate, b.rate - low_b, phi)
    return max(-1.0, low), min(1.0, high)


def mcnemar(pairs: Pairs) -> float:
    """Exact two-sided p-value of McNemar's test: were a and b equally good, the discordant layouts would be
    tosses of a fair coin. 1 where there are none.
    """
    tosses, fewer = pairs.only_a + pairs.only_b, min(pairs.only_a, pairs.only_b)
    ways = sum(math.comb(tosses, k) for k in range(fewer + 1))
    return min(1.0, 2 * ways / 2**tosses)  # whole numbers, so that 2**tosses may be larger than any float


def e_value(pairs: Pairs) -> float:
    """Evidence against "a and b are equally good" that may be looked at after every pair.

    The likelihood of the discordant layouts under a coin of unknown bias (mixed over Beta(1/2, 1/2)), over
    that under a fair one: B(w + 1/2, l + 1/2) / B(1/2, 1/2) * 2^(w + l). Were both equally good it would be a
    martingale that starts at 1, so that by Ville's inequality it ever reaches 1 / alpha with a probability of
    at most alpha. Infinite where a float cannot hold it.
    """
    w, lost = pairs.only_a, pairs.only_b
    mixed = math.lgamma(w + 0.5) + math.lgamma(lost + 0.5) - math.lgamma(w + lost + 1.0)
    logarithm = mixed - math.log(math.pi) + (w + lost) * math.log(2.0)
    return math.exp(logarithm) if logarithm < _LARGEST_LOG else math.inf


def decided(pairs: Pairs, error_rate: float) -> bool:
    """Whether the evidence suffices to stop, with at most this probability of ever stopping by mistake."""
    return e_value(pairs) * error_rate >= 1.0


def _phi(pairs: Pairs) -> float:
    """Correlation of the two outcomes, corrected for continuity; 0 where one of them never changed."""
    both, neither, n = pairs.both, pairs.neither, pairs.count
    a, b = pairs.a.successes, pairs.b.successes
    margins = a * (n - a) * b * (n - b)
    if not margins:
        return 0.0
    excess = float(both * neither - pairs.only_a * pairs.only_b)
    if excess > 0.0:
        excess = max(excess - 0.5 * n, 0.0)
    return excess / math.sqrt(margins)


def _added(x: float, y: float, correlation: float) -> float:
    return math.sqrt(max(0.0, x * x - 2.0 * correlation * x * y + y * y))


def pooled(samples: Iterable[Proportion]) -> Proportion:
    """All trials of several samples, such as seeds, taken together."""
    samples = list(samples)
    return Proportion(sum(s.successes for s in samples), sum(s.trials for s in samples))


def apart(a: Proportion, b: Proportion) -> bool:
    """Whether the two Wilson intervals do not overlap."""
    (low_a, high_a), (low_b, high_b) = a.wilson(), b.wilson()
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
