"""Exponents of `tests/benchmarks/scaling.py`."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.scaling import Growth, draw, power_law


def test_an_exact_law() -> None:
    """3 n^2 at 1, 2, 5 and 10: 3, 12, 75, 300."""
    law = power_law([1, 2, 5, 10], [3.0, 12.0, 75.0, 300.0])
    assert law == pytest.approx((2.0, 0.0, 3.0), abs=1e-7)


def test_scatter_is_the_standard_error() -> None:
    """By hand, with logarithms to base 2: x = 0, 1, 2 and y = 0, 2, 1.

    So x - mean = -1, 0, 1, and the slope is (0 * -1 + 2 * 0 + 1 * 1) / 2 = 1/2. The line 1/2 + x/2 leaves
    -1/2, 1, -1/2: squares of 3/2 in all, with one degree of freedom, over 2: the slope's variance is 3/4. The
    factor is 2^(1/2).
    """
    law = power_law([1, 2, 4], [1.0, 4.0, 2.0])
    assert law == pytest.approx((0.5, math.sqrt(0.75), math.sqrt(2.0)))


def test_two_points_have_no_scatter_and_one_has_no_law() -> None:
    law = power_law([1, 2], [5.0, 40.0])
    assert law.exponent == pytest.approx(3.0) and math.isnan(law.error)
    for sizes, costs in (([2, 2], [1.0, 3.0]), ([1, 2], [0.0, 3.0]), ([0, 2], [1.0, 3.0])):
        with pytest.raises(ValueError, match="no power law"):
            power_law(sizes, costs)


def test_turns_are_points_of_their_own(tmp_path: Path) -> None:
    growth = Growth("a chunk", "arms", {1: [1.0, 2.0], 2: [2.0, 4.0]})
    assert growth.law.exponent == pytest.approx(1.0) and growth.law.error > 0.0
    exact = Growth("a chunk", "arms", {1: [1.0], 2: [2.0]})
    assert exact.data()["error"] is None, "not known, which JSON has no number for"
    draw([growth, exact], tmp_path / "found.png")
    assert (tmp_path / "found.png").stat().st_size > 10_000


@pytest.mark.skipif(importlib.util.find_spec("zprl_interfaces") is None, reason="needs ROS 2")
def test_the_script_measures_keeps_and_draws(tmp_path: Path) -> None:
    words = ["--out", str(tmp_path), "--turns", "2", "--rounds", "2", "--only", "bridges"]
    command = [sys.executable, "-m", "tests.benchmarks.scaling", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    (cost,) = json.loads((tmp_path / "scaling.json").read_text())["costs"]
    assert cost["axis"] == "arms" and [len(cost["medians_ms"][n]) for n in "12"] == [2, 2]
    assert cost["error"] > 0.0 and "exponent" in done.stdout
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
