# SPDX-License-Identifier: Apache-2.0
"""Paired tests and intervals: published examples, another library, hand-made sums, and what must hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from zprl_core.stats import (
    Pairs,
    Proportion,
    decided,
    difference,
    e_value,
    mcnemar,
    paired_difference,
    wilson,
)

cells = st.integers(0, 60)
tables = st.builds(Pairs, cells, cells, cells, cells)
counts = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def flipped(pairs: Pairs) -> Pairs:
    """The same with a and b exchanged."""
    return Pairs(pairs.both, pairs.only_b, pairs.only_a, pairs.neither)


@pytest.mark.parametrize(
    ("pairs", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 2635-2650, Table II, method 10.
        (Pairs(36, 12, 2, 0), 0.0569, 0.3404),
        # Fagerland, Lydersen, Laake, Statistics in Medicine 33 (2014): square-and-add interval.
        (Pairs(1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_paired_difference_against_published_numbers(pairs: Pairs, low: float, high: float) -> None:
    digits = 5e-5 if abs(low) < 0.1 else 5e-4
    assert paired_difference(pairs) == pytest.approx((low, high), abs=digits)


def test_paired_difference_by_hand() -> None:
    """15 both, 9 only a, 1 only b, 5 neither: phi = (75 - 9 - 15) / sqrt(24 * 6 * 16 * 14) = 0.2840."""
    pairs = Pairs(15, 9, 1, 5)
    (low_a, high_a), (low_b, high_b) = wilson(24, 30), wilson(16, 30)
    phi = 51 / math.sqrt(24 * 6 * 16 * 14)
    x, y = 0.8 - low_a, high_b - 16 / 30
    assert paired_difference(pairs)[0] == pytest.approx(8 / 30 - math.sqrt(x * x - 2 * phi * x * y + y * y))
    x, y = high_a - 0.8, 16 / 30 - low_b
    assert paired_difference(pairs)[1] == pytest.approx(8 / 30 + math.sqrt(x * x - 2 * phi * x * y + y * y))


@given(tables)
def test_paired_difference_holds_the_gap_and_flips(pairs: Pairs) -> None:
    low, high = paired_difference(pairs)
    if not pairs.count:
        assert (low, high) == (-1.0, 1.0)
        return
    gap = pairs.a.rate - pairs.b.rate
    assert -1.0 <= low <= gap + 1e-12 and gap - 1e-12 <= high <= 1.0
    assert paired_difference(flipped(pairs)) == pytest.approx((-high, -low), abs=1e-12)


@given(st.integers(1, 200), st.integers(0, 200))
def test_who_never_disagree_are_no_further_apart_than_strangers(n: int, k: int) -> None:
    k = min(k, n)
    low, high = paired_difference(Pairs(k, 0, 0, n - k))
    apart = difference(Proportion(k, n), Proportion(k, n))
    assert apart[0] - 1e-12 <= low <= 0.0 <= high <= apart[1] + 1e-12


@given(counts)
def test_wilson_is_statsmodels(count: tuple[int, int]) -> None:
    assert wilson(*count) == pytest.approx(proportion_confint(*count, method="wilson"), abs=1e-9)


@given(counts, counts)
def test_difference_is_statsmodels(a: tuple[int, int], b: tuple[int, int]) -> None:
    theirs = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff")
    assert difference(Proportion(*a), Proportion(*b)) == pytest.approx(theirs, abs=1e-9)


@given(tables)
def test_mcnemar_is_statsmodels_and_a_fair_coin(pairs: Pairs) -> None:
    table = [[pairs.both, pairs.only_a], [pairs.only_b, pairs.neither]]
    tosses = pairs.only_a + pairs.only_b
    if tosses:
        assert mcnemar(pairs) == pytest.approx(their_mcnemar(table, exact=True).pvalue, abs=1e-12)
        assert mcnemar(pairs) == pytest.approx(stats.binomtest(pairs.only_a, tosses).pvalue, abs=1e-12)
    assert mcnemar(pairs) == mcnemar(flipped(pairs))


def test_mcnemar_by_hand() -> None:
    assert mcnemar(Pairs(1, 1, 7, 12)) == pytest.approx(2 * (1 + 8) / 2**8)
    assert mcnemar(Pairs(3, 0, 0, 4)) == mcnemar(Pairs(0, 5, 5, 0)) == 1.0
    assert mcnemar(Pairs(0, 2000, 100, 0)) == pytest.approx(0.0, abs=1e-300)


def test_e_value_by_hand() -> None:
    """One toss cannot tell: 1/2 * 2 = 1. Two of a kind: 3/8 * 4. One of each: 1/8 * 4."""
    assert e_value(Pairs(9, 0, 0, 9)) == pytest.approx(1.0)
    assert e_value(Pairs(0, 1, 0, 0)) == pytest.approx(1.0)
    assert e_value(Pairs(0, 2, 0, 0)) == pytest.approx(1.5)
    assert e_value(Pairs(0, 1, 1, 0)) == pytest.approx(0.5)
    assert e_value(Pairs(0, 2000, 0, 0)) == math.inf


@given(cells, cells)
def test_e_value_is_the_mixture_that_it_says(won: int, lost: int) -> None:
    def likelihood(angle: float) -> float:
        """Over theta = sin(angle)^2 the Beta(1/2, 1/2) density is flat."""
        return math.sin(angle) ** (2 * won) * math.cos(angle) ** (2 * lost) * 2 / math.pi

    mixed, _ = integrate.quad(likelihood, 0.0, math.pi / 2, epsabs=0.0)
    assert e_value(Pairs(0, won, lost, 0)) == pytest.approx(mixed * 2.0 ** (won + lost), rel=1e-6)


@given(cells, cells)
def test_e_value_is_a_martingale_under_a_fair_coin(won: int, lost: int) -> None:
    now = e_value(Pairs(0, won, lost, 0))
    following = e_value(Pairs(0, won + 1, lost, 0)), e_value(Pairs(0, won, lost + 1, 0))
    assert sum(following) / 2 == pytest.approx(now)


def test_how_many_of_a_kind_decide() -> None:
    """Seven discordant layouts of one kind are not enough at 5 %, eight are: e = 26.8 for 7 of 7."""
    assert not decided(Pairs(0, 6, 0, 0), 0.05)
    assert decided(Pairs(0, 7, 0, 0), 0.05)
    assert not decided(Pairs(0, 7, 0, 0), 0.01)


def test_impossible_pairs() -> None:
    with pytest.raises(ValueError, match="counts are at least 0"):
        Pairs(1, 2, -1, 0)


RUNS, LAYOUTS = 20_000, 100


def _pairs(rng: np.random.Generator, both: float, only_a: float, only_b: float) -> np.ndarray:
    """Simulated evaluations: int (RUNS, LAYOUTS), 0 both, 1 only a, 2 only b, 3 neither."""
    return rng.choice(4, (RUNS, LAYOUTS), p=[both, only_a, only_b, 1.0 - both - only_a - only_b])


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.77, 0.95])
def test_wilson_covers_the_rate(rate: float) -> None:
    """95 % on average over sample sizes of 40 to 100; at a single size it can be some points off."""
    rng = np.random.default_rng(1)
    covered = []
    for n in range(40, 101, 4):
        successes = rng.binomial(n, rate, 4000)
        bounds = np.array([wilson(k, n) for k in range(n + 1)])[successes]
        covered.append(np.mean((bounds[:, 0] <= rate) & (rate <= bounds[:, 1])))
    assert 0.94 <= np.mean(covered) <= 0.97
    assert min(covered) > 0.90


@pytest.mark.parametrize(
    ("a", "b", "n"), [(0.5, 0.5, 40), (0.8, 0.55, 40), (0.775, 0.2, 40), (0.9, 0.9, 100)]
)
def test_newcombe_covers_the_difference_of_strangers(a: float, b: float, n: int) -> None:
    rng = np.random.default_rng(2)
    draws = zip(rng.binomial(n, a, 10_000).tolist(), rng.binomial(n, b, 10_000).tolist(), strict=True)
    bounds = np.array([difference(Proportion(x, n), Proportion(y, n)) for x, y in draws])
    assert 0.94 <= np.mean((bounds[:, 0] <= a - b) & (a - b <= bounds[:, 1])) <= 0.975


@pytest.mark.parametrize(
    ("both", "only_a", "only_b", "n"),
    [(0.3, 0.2, 0.2, 40), (0.45, 0.30, 0.05, 40), (0.18, 0.595, 0.02, 40), (0.80, 0.05, 0.05, 100)],
)
def test_newcombe_covers_the_difference_of_pairs(both: float, only_a: float, only_b: float, n: int) -> None:
    rng = np.random.default_rng(3)
    tables = rng.multinomial(n, [both, only_a, only_b, 1 - both - only_a - only_b], 10_000)
    bounds = np.array([paired_difference(Pairs(*row)) for row in tables.tolist()])
    gap = only_a - only_b
    assert 0.94 <= np.mean((bounds[:, 0] <= gap) & (gap <= bounds[:, 1])) <= 0.985


def _stops(outcomes: np.ndarray, error_rate: float) -> np.ndarray:
    """Layouts after which each evaluation ends, LAYOUTS + 1 where it does not end early."""
    won, lost = np.cumsum(outcomes == 1, axis=1), np.cumsum(outcomes == 2, axis=1)
    ends = np.array(
        [[decided(Pairs(0, w, x, 0), error_rate) for x in range(LAYOUTS + 1)] for w in range(LAYOUTS + 1)]
    )[won, lost]
    return np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, LAYOUTS + 1)


@pytest.mark.parametrize("error_rate", [0.01, 0.05, 0.2])
@pytest.mark.parametrize(("both", "each"), [(0.2, 0.35), (0.5, 0.1), (0.0, 0.5)])
def test_equally_good_policies_seldom_end_early(both: float, each: float, error_rate: float) -> None:
    """At every one of 100 layouts it is looked at, and the rate holds over all looks together."""
    outcomes = _pairs(np.random.default_rng(4), both, each, each)
    assert np.mean(_stops(outcomes, error_rate) <= LAYOUTS) <= error_rate


def test_looking_at_mcnemar_after_every_layout_would_not_do() -> None:
    """What the e-value is for: a p-value that is looked at each time errs several times as often."""
    outcomes = _pairs(np.random.default_rng(4), 0.2, 0.35, 0.35)[:4000]
    won, lost = np.cumsum(outcomes == 1, axis=1), np.cumsum(outcomes == 2, axis=1)
    small = np.array([[mcnemar(Pairs(0, w, x, 0)) < 0.05 for x in range(101)] for w in range(101)])
    assert np.mean(small[won, lost].any(axis=1)) > 0.15


def test_a_better_policy_ends_it_early() -> None:
    """51 % against 83 %, the demo's: of 100 layouts 40 are only a's and 8 only b's."""
    stops = _stops(_pairs(np.random.default_rng(5), 0.43, 0.40, 0.08), 0.05)
    assert np.mean(stops <= LAYOUTS) > 0.95
    assert np.median(stops) < 50
