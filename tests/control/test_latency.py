"""How late a motion is, from what was commanded and what was measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.cli.motion import HEIGHT_M, QUIET_S, TIMES, height_m
from zprl_core.errors import DataError
from zprl_core.latency import fit_delay

WAY_S = 0.8
LENGTH_S = 2 * QUIET_S + 2 * TIMES * WAY_S


def heights(times: np.ndarray) -> np.ndarray:
    return np.array([height_m(t, WAY_S) for t in times])


def commanded(rate_hz: float = 100.0) -> tuple[np.ndarray, np.ndarray]:
    times = np.arange(0.0, LENGTH_S, 1.0 / rate_hz)
    return times, heights(times)


def test_the_profile_is_quiet_at_both_ends_and_smooth_between() -> None:
    times = np.arange(0.0, LENGTH_S, 1e-3)
    profile = heights(times)
    assert profile.max() == pytest.approx(HEIGHT_M, abs=1e-6) and profile.min() == 0.0
    assert not profile[times < QUIET_S].any() and not profile[times > LENGTH_S - QUIET_S + 1e-3].any()
    speed = np.diff(profile) / 1e-3
    assert np.abs(speed).max() < 1.88 * HEIGHT_M / WAY_S
    assert np.abs(np.diff(speed)).max() / 1e-3 < 5.8 * HEIGHT_M / WAY_S**2
    tops = np.flatnonzero((profile[1:-1] >= profile[:-2]) & (profile[1:-1] > profile[2:]))
    assert len(tops) == TIMES


@given(
    delay_s=st.floats(-0.03, 0.4),
    gain=st.floats(0.8, 1.1),
    offset_m=st.floats(-1.0, 1.0),
    noise=st.floats(0.0, 0.02),
    rate_hz=st.floats(60.0, 250.0),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_shifted_noisy_profile_is_recovered(
    delay_s: float, gain: float, offset_m: float, noise: float, rate_hz: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    steps = random.uniform(0.5, 1.5, int(LENGTH_S * rate_hz)) / rate_hz
    times = np.cumsum(steps)
    measured = offset_m + gain * heights(times - delay_s)
    measured += noise * HEIGHT_M * random.standard_normal(len(times))
    found = fit_delay(*commanded(), times, measured)
    assert found.delay_s == pytest.approx(delay_s, abs=0.001 + 0.2 * noise)
    assert found.gain == pytest.approx(gain, abs=0.02) and found.explained > 0.98


def test_an_arm_that_lags_is_late_by_its_lag() -> None:
    times, wish = commanded(500.0)
    seen = np.zeros_like(wish)
    for i in range(1, len(wish)):
        seen[i] = seen[i - 1] + (wish[i] - seen[i - 1]) * 0.002 / 0.06
    assert fit_delay(times, wish, times, seen).delay_s == pytest.approx(0.06, abs=0.005)


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (lambda t: np.zeros_like(t), "is not the commanded one: 0.00 times"),
        (lambda t: 0.3 * heights(t), "0.30 times its size, allowed 0.5 to 1.5"),
        (lambda t: np.sin(9.0 * t), "is the arm free"),
        (lambda t: heights(t - 0.53), "late, or more: allowed -0.05 to 0.5 s"),
        (lambda t: np.where(t > 1.0, np.nan, 0.0), "every number must be finite"),
    ],
)
def test_another_motion_is_refused(measured: object, said: str) -> None:
    times = np.arange(0.0, LENGTH_S, 0.01)
    with pytest.raises(DataError, match=said):
        fit_delay(*commanded(), times, measured(times))


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="needs 20 or more"):
        fit_delay(*commanded(), [0.0, 1.0], [0.0, 0.0])
