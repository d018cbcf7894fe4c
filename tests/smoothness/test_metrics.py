"""Speed, acceleration and jerk of motions whose derivatives are known, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_coeffs

from tests.smoothness.motions import START_NS, along_x, minimum_jerk, stamps, times, track, whole
from zprl_core import transforms
from zprl_core.smoothness import QUANTITIES, Smoothness, Track, smoothness_of
from zprl_core.smoothness.derivatives import _COEFFICIENTS, DEGREE
from zprl_core.smoothness.track import GRID_HZ

NOISE_M = 2e-5  # of a tool's position as an arm's encoders give it


def of(found: Track) -> Smoothness:
    return smoothness_of(found, whole(found))


def numbers(found: Smoothness) -> np.ndarray:
    """All spreads in a row."""
    return np.array([found.spread(quantity) for quantity in QUANTITIES], dtype=np.float64)


def wave(rate_hz: float = 60.0, seconds: float = 4.0) -> Track:
    """A motion in which the tool goes and turns about several axes."""
    t = times(seconds, rate_hz)
    where = np.stack([0.2 * np.sin(2.0 * t), 0.1 * np.cos(3.1 * t), 0.05 * np.sin(1.3 * t + 0.4)], axis=1)
    return track(t, where, np.stack([0.4 * np.sin(1.7 * t), 0.3 * np.cos(2.3 * t), 0.8 * t], axis=1))


def test_the_filters_weights_are_those_of_savitzky_and_golay() -> None:
    points = len(_COEFFICIENTS)
    for order in range(4):
        expected = savgol_coeffs(points, DEGREE, deriv=order, delta=1.0 / GRID_HZ, use="dot")
        np.testing.assert_allclose(_COEFFICIENTS[:, order], expected, rtol=1e-8, atol=1e-8 * GRID_HZ**order)


def test_constant_velocity() -> None:
    t = times(2.0, 90.0)
    found = of(track(t, np.outer(t, [0.3, 0.0, -0.4]), np.outer(t, [0.0, 0.0, 1.5])))
    assert found.speed is not None and found.angular_speed is not None
    assert found.speed == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)
    assert found.angular_speed == pytest.approx((1.5, 1.5, 1.5), rel=1e-3)
    assert found.acceleration == pytest.approx((0.0, 0.0, 0.0), abs=1e-4)
    assert found.jerk == pytest.approx((0.0, 0.0, 0.0), abs=1e-2)
    assert found.samples == 181 and found.duration_s == pytest.approx(2.0)


@pytest.mark.parametrize("rate_hz", [60.0, 100.0, 250.0])
def test_a_circle_has_constant_magnitudes(rate_hz: float) -> None:
    """Radius 5 cm, 1 turn a second: w = 2 pi, so |v| = r w, |a| = r w^2, |j| = r w^3."""
    t, w, r = times(3.0, rate_hz), 2.0 * math.pi, 0.05
    found = of(track(t, r * np.stack([np.cos(w * t), np.sin(w * t), 0.0 * t], axis=1)))
    for quantity, order in (("speed", 1), ("acceleration", 2), ("jerk", 3)):
        spread = found.spread(quantity)
        assert spread == pytest.approx((r * w**order,) * 3, rel=(0.001, 0.002, 0.01)[order - 1]), quantity


@pytest.mark.parametrize(
    ("hz", "kept"), [(1.0, (1.0, 1.0, 1.0)), (5.0, (0.99, 0.89, 0.92)), (8.0, (0.84, 0.54, 0.65))]
)
def test_how_much_of_a_sinusoid_is_left(hz: float, kept: tuple[float, ...]) -> None:
    t, w, amplitude = times(4.0, 100.0), 2.0 * math.pi * hz, 0.01
    found = of(track(t, along_x(amplitude * np.sin(w * t))))
    for order, (quantity, share) in enumerate(
        zip(("speed", "acceleration", "jerk"), kept, strict=True), start=1
    ):
        spread = found.spread(quantity)
        assert spread is not None
        assert spread.max / (amplitude * w**order) == pytest.approx(share, abs=0.02), quantity


def test_a_turn_that_speeds_up() -> None:
    """About one axis by 0.5 t^3 rad: w = 1.5 t^2, its derivatives 3 t and 3."""
    t = times(2.0, 100.0)
    found = of(track(t, np.zeros((len(t), 3)), np.outer(0.5 * t**3, [0.0, 1.0, 0.0])))
    assert found.angular_speed is not None and found.angular_acceleration is not None
    assert found.angular_jerk is not None
    last = 2.0 - 0.1  # half a window before the end
    assert found.angular_speed.max == pytest.approx(1.5 * last**2, rel=0.01)
    assert found.angular_acceleration.max == pytest.approx(3.0 * last, rel=0.03)
    assert found.angular_jerk.mean == pytest.approx(3.0, rel=0.05)
    assert found.sparc is None  # the tool centre point did not move


def test_a_minimum_jerk_movement() -> None:
    """30 cm in 1 s: peak speed 15/8 A/T, peak acceleration 10/sqrt(3) A/T^2, jerk 30 A/T^3 in the middle."""
    t = times(2.0, 60.0)
    found = of(track(t, along_x(minimum_jerk(t, 0.3, 0.5, 1.0))))
    assert found.speed is not None and found.acceleration is not None and found.jerk is not None
    assert found.speed.max == pytest.approx(0.3 * 15 / 8, rel=0.01)
    assert found.acceleration.max == pytest.approx(0.3 * 10 / math.sqrt(3), rel=0.03)
    # At both ends jerk jumps from 0 to 60 A/T^3, which the window smears; in the middle it is -30 A/T^3.
    assert 0.3 * 30 < found.jerk.max < 0.3 * 60
    assert found.sparc == pytest.approx(-1.41, abs=0.02)


@pytest.mark.parametrize("rate_hz", [60.0, 125.0])
def test_noise_of_encoders_changes_little(rate_hz: float) -> None:
    t = times(6.0, rate_hz)
    clean = along_x(0.1 * np.sin(2.0 * t))
    noisy = clean + np.random.default_rng(0).normal(0.0, NOISE_M, clean.shape)
    before, after = of(track(t, clean)), of(track(t, noisy))
    assert before.speed is not None and after.speed is not None
    assert after.speed.p95 == pytest.approx(before.speed.p95, rel=0.01)
    assert before.acceleration is not None and after.acceleration is not None
    assert after.acceleration.p95 == pytest.approx(before.acceleration.p95, rel=0.05)
    assert before.jerk is not None and after.jerk is not None
    assert after.jerk.mean - before.jerk.mean < 1.1  # m/s^3: below that a jerk is the sensor's
    plain = np.linalg.norm(np.diff(noisy, 3, axis=0), axis=1) * rate_hz**3
    assert np.percentile(plain, 95) > 10.0 * after.jerk.p95


def test_jitter_shows_in_every_measure() -> None:
    t = times(2.0, 100.0)
    way = minimum_jerk(t, 0.3, 0.3, 1.4)
    calm, shaky = (of(track(t, along_x(way + a * np.sin(2 * np.pi * 6.0 * t)))) for a in (0.0, 0.003))
    assert calm.jerk is not None and shaky.jerk is not None
    assert shaky.jerk.mean > 5.0 * calm.jerk.mean
    assert calm.sparc is not None and shaky.sparc is not None and shaky.sparc < calm.sparc - 0.3


# What must not change anything.


@settings(max_examples=25, deadline=None)
@given(st.integers(-(10**17), 10**17), st.integers(0, 2**32 - 1))
def test_neither_a_later_time_nor_another_order_of_samples(shift_ns: int, seed: int) -> None:
    found = wave()
    order = np.random.default_rng(seed).permutation(len(found))
    moved = Track(found.stamp_ns[order] + shift_ns, found.position[order], found.quaternion[order])
    np.testing.assert_array_equal(numbers(of(moved)), numbers(of(found)))
    assert of(moved).sparc == of(found).sparc


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    st.tuples(*[st.floats(-2.0, 2.0)] * 3),
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
)
def test_neither_another_base_nor_another_tool_frame_turned(
    turn: tuple[float, ...], shift: tuple[float, ...], tool: tuple[float, ...]
) -> None:
    found = wave()
    base, held = (transforms.quaternion_from_rotvec(np.array(v)) for v in (turn, tool))
    everywhere = np.tile(base, (len(found), 1))
    moved = Track(
        found.stamp_ns,
        transforms.rotate(everywhere, found.position) + np.array(shift),
        transforms.quaternion_multiply(
            transforms.quaternion_multiply(everywhere, found.quaternion), np.tile(held, (len(found), 1))
        ),
    )
    np.testing.assert_allclose(numbers(of(moved)), numbers(of(found)), rtol=1e-6, atol=1e-6)
    assert of(moved).sparc == pytest.approx(of(found).sparc, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 5.0))
def test_a_larger_motion_scales_with_its_size_and_is_as_smooth(factor: float) -> None:
    found = wave()
    larger = of(Track(found.stamp_ns, factor * found.position, found.quaternion))
    expected = numbers(of(found))
    expected[:3] *= factor
    np.testing.assert_allclose(numbers(larger), expected, rtol=1e-6, atol=1e-9)
    assert larger.sparc == pytest.approx(of(found).sparc, rel=1e-6)


def test_half_the_speed_halves_quarters_and_eighths() -> None:
    t = times(8.0, 100.0)
    fast = of(track(times(4.0, 100.0), along_x(0.1 * np.sin(3.0 * times(4.0, 100.0)))))
    slow = of(track(t, along_x(0.1 * np.sin(1.5 * t))))
    for quantity, power in (("speed", 2), ("acceleration", 4), ("jerk", 8)):
        a, b = fast.spread(quantity), slow.spread(quantity)
        assert a is not None and b is not None
        assert a.p95 / b.p95 == pytest.approx(power, rel=0.03), quantity


# Where little is known.


@pytest.mark.parametrize(
    ("t_s", "reason"),
    [
        (np.empty(0), "no sample"),
        (np.zeros(1), "1 sample over 0.00 s without a gap of 0.05 s, needed are 0.4 s"),
        (times(0.2, 100.0), "21 samples over 0.20 s without a gap of 0.05 s, needed are 0.4 s"),
        (times(4.0, 2.0), "1 sample over 0.00 s"),  # a lockstep session's states, once a chunk
        (times(4.0, 25.0), "25 samples a second, needed are 40"),
    ],
)
def test_too_few_samples_give_no_number(t_s: np.ndarray, reason: str) -> None:
    found = track(t_s, along_x(np.sin(t_s)))
    result = smoothness_of(found, [(START_NS, START_NS + 10**10)])
    assert result.reason.startswith(reason)
    assert all(result.spread(quantity) is None for quantity in QUANTITIES) and result.sparc is None
    assert result.samples == 0


def test_over_a_gap_and_over_a_pause_nothing_is_differentiated() -> None:
    """A jump of 1 m where nobody looked would be 20 m/s."""
    t = times(3.0, 100.0)
    far = np.where(t > 1.5, 1.0, 0.0) + 0.1 * t
    gap = (t < 1.47) | (t > 1.53)
    found = of(track(t[gap], along_x(far[gap])))
    assert found.speed == pytest.approx((0.1,) * 3, abs=1e-5)
    begin, middle, end = (int(stamps(at)) for at in (0.0, 1.5, 3.0))
    paused = smoothness_of(track(t, along_x(far)), [(begin, middle - 1), (middle + 10_000_000, end)])
    assert paused.speed == pytest.approx((0.1,) * 3, abs=1e-5)
    assert paused.duration_s == pytest.approx(2.98, abs=0.021)


def test_what_is_outside_of_the_intervals_does_not_count() -> None:
    t = times(4.0, 100.0)
    x = np.where(t < 2.0, 0.1 * t, 0.2 + 5.0 * (t - 2.0) ** 2)
    begin, end = int(stamps(0.0)), int(stamps(2.0))
    found = smoothness_of(track(t, along_x(x)), [(begin, end)])
    assert found.speed == pytest.approx((0.1,) * 3, abs=1e-6)


def test_a_reading_that_was_stamped_twice() -> None:
    """Within microseconds the same place: a spline through both would swing."""
    t = times(2.0, 60.0)
    x = 0.1 * np.sin(2.0 * t)
    twice = np.sort(np.concatenate([t, t[10:20] + 1e-5]))
    found = of(track(twice, along_x(np.interp(twice, t, x))))
    expected = of(track(t, along_x(x)))
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9)
    assert found.samples == len(t)
