"""Stamps of another machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zprl_core.teleop.clock import RemoteClock

MS = 1_000_000


def test_the_fastest_message_says_what_the_others_took() -> None:
    clock = RemoteClock()
    origin_ns = 1_700_000_000 * 1000 * MS
    assert clock.ours_ns(100.0, origin_ns + 130 * MS) == origin_ns + 130 * MS
    assert clock.ours_ns(110.0, origin_ns + 115 * MS) == origin_ns + 115 * MS
    assert clock.ours_ns(120.0, origin_ns + 160 * MS) == origin_ns + 125 * MS
    assert clock.ours_ns(130.0, origin_ns + 161 * MS) == origin_ns + 135 * MS


def test_it_follows_a_clock_that_drifts() -> None:
    """One that runs ahead of ours by a tenth: what arrived long ago is forgotten."""
    clock = RemoteClock(memory=4)
    for n in range(100):
        ours = clock.ours_ns(11.0 * n, 10 * n * MS)
        assert 0 <= 10 * n * MS - ours <= 3 * MS


@given(st.lists(st.tuples(st.floats(0.0, 1e7), st.integers(0, 500)), min_size=1, max_size=300))
def test_nothing_is_mapped_to_after_its_arrival(messages: list[tuple[float, int]]) -> None:
    clock = RemoteClock()
    for remote_ms, delay_ms in messages:
        arrival_ns = round((remote_ms + 5.0 + delay_ms) * 1e6)
        assert clock.ours_ns(remote_ms, arrival_ns) <= arrival_ns
