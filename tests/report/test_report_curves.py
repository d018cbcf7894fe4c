# SPDX-License-Identifier: Apache-2.0
"""Running means, bands over seeds, and when a rate is reached: by hand, and beside Student's t."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from tests.report import made
from zprl_core.report.curves import POINTS, WINDOW, band, method_band, points, running, steps_to
from zprl_core.report.runs import methods


def test_a_running_mean_by_hand() -> None:
    """Episodes of 10, 20, 30, 40 steps, a window of two: means stand where the window's last episode ends."""
    records = [
        record
        for outcome, steps in zip("sffs", (10, 20, 30, 40), strict=True)
        for record in made.episodes("train", outcome, steps=steps)
    ]
    found = running(records, window=2)
    assert found.steps.tolist() == [30.0, 60.0, 100.0]
    assert found.success.tolist() == pytest.approx([0.5, 0.0, 0.5])
    assert found.length.tolist() == pytest.approx([15.0, 25.0, 35.0])
    assert not len(running(records, window=5).steps)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 40))
def test_a_running_mean_is_a_mean(won: list[bool], window: int) -> None:
    records = made.episodes("train", "".join("s" if each else "f" for each in won))
    found = running(records, window)
    assert len(found.steps) == max(0, len(won) - window + 1)
    for number, value in enumerate(found.success):
        assert value == pytest.approx(np.mean(won[number : number + window]))


def test_steps_to_a_rate(tmp_path: Path) -> None:
    """45 of 50 is 0.9 exactly: after 10 failures, 40 more episodes are one too few, 45 enough."""
    done = made.folder(tmp_path / "done", made.episodes("train", "f" * 10 + "s" * 60))
    never = made.folder(tmp_path / "never", made.episodes("train", "f" * 6 + ("s" * 7 + "f") * 12))
    few = made.folder(tmp_path / "few", made.episodes("train", "s" * (WINDOW - 1)))
    first, second, third = made.read(done, never, few)
    assert steps_to(first, 0.9) == 5500.0
    assert steps_to(second, 0.9) is None and steps_to(third, 0.9) is None
    assert steps_to(first, 0.8) == 5000.0


def test_only_training_that_counts_is_in_a_curve(tmp_path: Path) -> None:
    records = made.numbered(
        made.episodes("base_c", "f" * 60),
        made.episodes("train", "s" * 49 + "vv"),
        made.episodes("train", "s", shadow_chunks=1),
        made.episodes("train", "s"),
    )
    (run,) = made.read(made.folder(tmp_path / "run", records))
    curve = running(run.trained)
    assert curve.steps.tolist() == [5000.0] and curve.success.tolist() == [1.0]


def test_evaluations_stand_where_training_was(tmp_path: Path) -> None:
    """Base first although it drove second; cases are not among them."""
    records = made.numbered(
        made.episodes("base_z", "sf"),
        made.episodes("base_c", "ss"),
        made.episodes("train", "sfv", steps=50),
        made.episodes("eval_1", "sffv", steps=80),
        made.episodes("train", "s", steps=50),
        made.episodes("final", "s", case="pushed"),
        made.episodes("final", "ss"),
    )
    (run,) = made.read(made.folder(tmp_path / "run", records))
    found = [(each.block, each.steps, each.chunks, each.successes.successes) for each in points(run)]
    assert found == [("base_c", 0, 0, 2), ("base_z", 0, 0, 1), ("eval_1", 100, 14, 1), ("final", 150, 21, 2)]
    assert points(run)[2].successes.trials == 3 and points(run)[2].length == 80.0


def test_a_band_is_students() -> None:
    """Three seeds that are 0, 1 and 2 everywhere: 1 +- 4.3027 * 1 / sqrt(3)."""
    x = np.array([0.0, 10.0])
    found = band([(x, np.full(2, value)) for value in (0.0, 1.0, 2.0)])
    assert found is not None and found.low is not None and found.high is not None
    assert found.mean == pytest.approx(np.ones(POINTS)) and found.curves == 3
    half = 4.302652729911275 / math.sqrt(3.0)
    assert found.low == pytest.approx(np.full(POINTS, 1.0 - half))
    assert found.high == pytest.approx(np.full(POINTS, 1.0 + half))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-5.0, 5.0), min_size=3, max_size=8))
def test_a_band_beside_scipy(values: list[float]) -> None:
    x = np.array([0.0, 1.0])
    found = band([(x, np.full(2, value)) for value in values])
    assert found is not None and found.low is not None and found.high is not None
    scale = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    low, high = t.interval(0.95, len(values) - 1, np.mean(values), scale) if scale else (np.mean(values),) * 2
    assert found.low[0] == pytest.approx(low, abs=1e-9) and found.high[-1] == pytest.approx(high, abs=1e-9)


def test_a_band_needs_three_seeds_that_overlap() -> None:
    a, b = ((np.array([0.0, 10.0]), np.array([0.0, 1.0])), (np.array([5.0, 20.0]), np.array([1.0, 1.0])))
    two = band([a, b])
    assert two is not None and two.low is None and two.high is None
    assert (two.steps[0], two.steps[-1]) == (5.0, 10.0)  # only where both are known
    assert two.mean[0] == pytest.approx(0.75) and two.mean[-1] == pytest.approx(1.0)
    assert band([a, (np.array([10.0, 20.0]), np.ones(2))]) is None
    assert band([]) is None and band([(np.empty(0), np.empty(0))]) is None
    unknown = band([a, (np.empty(0), np.empty(0)), b])
    assert unknown is not None and unknown.curves == 2 and unknown.low is None


def test_seeds_of_different_lengths(tmp_path: Path) -> None:
    """The mean ends where the shortest seed does; a seed below the window is none."""
    lengths = (60, 55, 70, 10)
    paths = [
        made.folder(tmp_path / f"s{seed}", made.episodes("train", "s" * count), seed=seed)
        for seed, count in enumerate(lengths)
    ]
    (method,) = methods(made.read(*paths))
    found = method_band(method, "success")
    assert found is not None and found.curves == 3
    assert (found.steps[0], found.steps[-1]) == (5000.0, 5500.0)
    assert found.low == pytest.approx(np.ones(POINTS))


def test_one_seed_several_times_gives_no_band(tmp_path: Path) -> None:
    paths = [
        made.folder(tmp_path / f"run{n}", made.episodes("train", "s" * 60), seed=seed)
        for n, seed in enumerate((0, 0, 1))
    ]
    (method,) = methods(made.read(*paths))
    found = method_band(method, "length")
    assert method.repeated == [0] and found is not None and found.low is None
