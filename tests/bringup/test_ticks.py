"""The grid of ticks is exact, and the same in every process."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from hypothesis import given
from hypothesis import strategies as st

from zprl_core.grid import TickGrid

NOW = 1_795_000_000_000_000_000
rates = st.sampled_from([10.0, 15.0, 29.97, 30.0, 60.0, 100.0, 120.0, 250.0])


@given(rates, st.integers(0, 4 * NOW))
def test_index_is_the_last_tick_at_or_before(rate: float, now: int) -> None:
    grid = TickGrid(rate)
    n = grid.index(now)
    assert grid.at(n) <= now < grid.at(n + 1)


@given(rates, st.integers(0, 10**12), st.integers(0, NOW))
def test_at_and_index_are_inverse(rate: float, n: int, origin: int) -> None:
    grid = TickGrid(rate, origin)
    assert grid.index(grid.at(n)) == n


def test_servo_periods_and_ticks_coincide_without_drift() -> None:
    servo, tick = TickGrid(120.0), TickGrid(30.0)
    first = tick.index(NOW)
    assert all(servo.at(4 * n) == tick.at(n) for n in range(first, first + 1000))
    assert tick.at(first + 30 * 86_400) - tick.at(first) == 86_400 * 1_000_000_000
