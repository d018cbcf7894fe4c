# SPDX-License-Identifier: Apache-2.0
"""Intervals against published numbers and their own defining equations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.stats import Z95, Proportion, apart, difference, percentile, pooled, wilson

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857-872, Table I, method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_newcombe(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 873-890, Table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_difference_against_newcombe(a: tuple[int, int], b: tuple[int, int], low: float, high: float) -> None:
    assert difference(Proportion(*a), Proportion(*b)) == pytest.approx((low, high), abs=5e-5)


@given(counts)
def test_wilson_bounds_solve_the_score_equation(count: tuple[int, int]) -> None:
    k, n = count
    p = k / n
    for bound in wilson(k, n):
        if 0 < bound < 1:
            assert (p - bound) ** 2 == pytest.approx(Z95**2 * bound * (1 - bound) / n, abs=1e-9)


@given(counts)
def test_wilson_holds_the_rate_and_mirrors(count: tuple[int, int]) -> None:
    k, n = count
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    mirrored = wilson(n - k, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)


@given(counts, counts)
def test_difference_holds_the_gap_and_flips(a: tuple[int, int], b: tuple[int, int]) -> None:
    x, y = Proportion(*a), Proportion(*b)
    low, high = difference(x, y)
    assert -1 <= low <= x.rate - y.rate + 1e-12
    assert x.rate - y.rate - 1e-12 <= high <= 1
    assert difference(y, x) == pytest.approx((-high, -low), abs=1e-12)


def test_nothing_is_known_without_trials() -> None:
    nothing = Proportion(0, 0)
    assert nothing.wilson() == (0.0, 1.0)
    assert math.isnan(nothing.rate)
    assert difference(nothing, Proportion(1, 2)) == (-1.0, 1.0)
    assert pooled([]) == nothing


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3), (0, -1)])
def test_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{k} successes in {n} trials"):
        wilson(k, n)
    with pytest.raises(ValueError, match="trials"):
        Proportion(k, n)


def test_pooled_and_apart() -> None:
    base = pooled(Proportion(k, 100) for k in (40, 45, 50))
    assert base == Proportion(135, 300)
    assert apart(Proportion(80, 100), Proportion(45, 100))
    assert not apart(Proportion(52, 100), Proportion(45, 100))


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3.0, 1.0, 2.0], 50, 2.0), ([1.0, 2.0], 50, 1.5), ([5.0], 99, 5.0), ([0.0, 10.0], 99, 9.9)],
)
def test_percentile(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == pytest.approx(expected)
    assert math.isnan(percentile([], percent))
