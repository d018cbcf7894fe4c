"""From a device's clock to the system's, on hand-written tables of arrivals."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zprl_cameras import stamps

MS, SECOND = 1_000_000, 1_000_000_000
START = 1_700_000_000 * SECOND


def test_the_shortest_delay_decides_and_a_late_frame_keeps_its_place() -> None:
    clock = stamps.ClockMap()
    assert clock(100 * MS, START + 109 * MS) == START + 109 * MS  # all that is known: 9 ms at most
    assert clock(133 * MS, START + 137 * MS) == START + 137 * MS  # 4 ms: better
    assert clock(166 * MS, START + 366 * MS) == START + 170 * MS  # 200 ms late, stamped where it belongs
    assert clock(200 * MS, START + 206 * MS) == START + 204 * MS


def test_the_window_follows_a_drift() -> None:
    """A device clock that is slow by 100 ppm: after a minute 6 ms, of which the window leaves 1 ms."""
    clock, worst = stamps.ClockMap(), 0
    for n in range(1800):
        true_ns = START + n * SECOND // 30
        device_ns = round((true_ns - START) * (1 - 1e-4))
        worst = max(worst, abs(clock(device_ns, true_ns) - true_ns))
    assert 0.9 * MS < worst < 1.1 * MS


def test_a_device_that_restarts_is_mapped_anew() -> None:
    clock = stamps.ClockMap()
    clock(5000 * MS, START + 5003 * MS)
    assert clock(10 * MS, START + 6000 * MS) == START + 6000 * MS


def test_a_system_clock_that_is_set_is_followed_and_a_hiccup_is_not() -> None:
    clock = stamps.ClockMap()
    for n in range(30):
        clock(n * 33 * MS, START + n * 33 * MS + 5 * MS)
    late = clock(990 * MS, START + 3000 * MS)  # this process stood still for two seconds
    assert late == START + 995 * MS
    assert clock(2990 * MS, START + 2998 * MS) == START + 2995 * MS
    ahead = 3600 * SECOND
    mapped = [clock((3000 + 33 * n) * MS, START + ahead + (3005 + 33 * n) * MS) for n in range(6)]
    assert mapped[3] < START + ahead and mapped[5] == START + ahead + (3005 + 33 * 5) * MS
    behind = START - ahead
    assert clock(3300 * MS, behind + 3305 * MS) == behind + 3305 * MS


@given(st.lists(st.integers(0, 500), min_size=1, max_size=200), st.integers(-(10**12), 10**12))
def test_never_before_the_truth_and_never_after_the_arrival(delays_ms: list[int], offset_ns: int) -> None:
    clock, least = stamps.ClockMap(), 10**18
    for n, delay_ms in enumerate(delays_ms):
        true_ns = START + n * 33 * MS
        arrival_ns = true_ns + delay_ms * MS
        least = min(least, delay_ms * MS)
        mapped_ns = clock(true_ns + offset_ns, arrival_ns)
        assert true_ns <= mapped_ns <= arrival_ns
        assert n * 33 * MS > stamps.WINDOW_NS or mapped_ns == true_ns + least


def test_a_buffer_on_the_monotonic_clock_and_on_the_system_clock() -> None:
    monotonic, system = 7000 * SECOND, START
    for buffer in (monotonic - 12 * MS, system - 12 * MS):
        assert stamps.BufferClock(33 * MS)(buffer, monotonic, system) == system - 12 * MS


def test_a_buffer_that_waited_is_as_old_as_it_is() -> None:
    """While a process stands still its buffers wait; taken for new, a policy would act on them."""
    monotonic, system = 7000 * SECOND, START
    for now in (monotonic, system):
        clock = stamps.BufferClock(33 * MS)
        clock(now - 12 * MS, monotonic, system)
        for waited in (999 * MS, 1001 * MS, 4 * SECOND, 3600 * SECOND):
            assert clock(now - waited, monotonic, system) == system - waited
        for nonsense in (now + SECOND, 0, -5):
            assert clock(nonsense, monotonic, system) == system - 33 * MS // 2, "no stamp"


def test_without_a_usable_stamp_half_a_frame_before_the_arrival() -> None:
    monotonic, system = 7000 * SECOND, START
    clock = stamps.BufferClock(32 * MS)
    for nonsense in (0, monotonic - 3 * SECOND, monotonic + SECOND, -5):
        assert clock(nonsense, monotonic, system) == system - 16 * MS
    assert stamps.before_arrival(100, 20) == 90


def test_milliseconds_since_the_epoch_are_exact_to_a_microsecond() -> None:
    """RealSense gives global time as a float of ms."""
    exact = START + 123_456_789
    assert abs(round(np.float64(exact / 1e6) * 1e6) - exact) < 1000
