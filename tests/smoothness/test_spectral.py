"""Spectral arc length against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.smoothness.motions import times
from zprl_core.smoothness import spectral_arc_length


def bell(t: np.ndarray, begin_s: float = 0.0, duration_s: float = 1.0) -> np.ndarray:
    """The speed of a minimum-jerk movement of 1 m."""
    u = np.clip((t - begin_s) / duration_s, 0.0, 1.0)
    return np.asarray(30.0 / duration_s * u**2 * (1.0 - u) ** 2)


def test_a_bell_is_about_as_smooth_as_can_be() -> None:
    assert spectral_arc_length(bell(times(1.0, 100.0)), 100.0) == pytest.approx(-1.41, abs=0.01)


def test_a_rectangle_by_hand() -> None:
    """Its spectrum is a sinc. Up to the last lobe above 5 % the curve goes up and down each of them,
    which are 1/(pi (n + 1/2)) high, and its arc length is at least that.
    """
    found = spectral_arc_length(np.ones(200), 100.0)  # 2 s: a zero every half hertz
    assert found is not None
    lobes = 1.0 / (np.pi * (np.arange(1, 6) + 0.5))
    least = 1.0 + 2.0 * lobes.sum()
    assert -1.35 * least < found < -least


def test_more_movements_are_less_smooth() -> None:
    t = times(6.0, 100.0)
    one = spectral_arc_length(bell(t), 100.0)
    two = spectral_arc_length(bell(t) + bell(t, 1.5), 100.0)
    three = spectral_arc_length(bell(t) + bell(t, 1.5) + bell(t, 3.0), 100.0)
    assert one is not None and two is not None and three is not None
    assert one > two > three


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 20.0), st.floats(0.0, 2.0), st.integers(0, 100))
def test_neither_size_nor_rest_before_and_after_change_it(factor: float, begin_s: float, after: int) -> None:
    """Only through how finely the spectrum is sampled."""
    plain = spectral_arc_length(bell(times(1.0, 100.0)), 100.0)
    t = times(1.0 + begin_s + after / 100.0, 100.0)
    assert spectral_arc_length(factor * bell(t, begin_s), 100.0) == pytest.approx(plain, abs=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.6, 3.0))
def test_a_slower_movement_is_as_smooth(duration_s: float) -> None:
    """The cut-off adapts: it is where the spectrum falls below 5 % for good."""
    found = spectral_arc_length(bell(times(duration_s, 100.0), 0.0, duration_s), 100.0)
    assert found == pytest.approx(-1.41, abs=0.03)


def test_where_there_is_nothing_to_say() -> None:
    assert spectral_arc_length(np.zeros(100), 100.0) is None
    assert spectral_arc_length([0.1, 0.2, 0.1], 100.0) is None
    with pytest.raises(ValueError, match="rate_hz is 15, allowed: more than 20"):
        spectral_arc_length(np.ones(50), 15.0)
