"""Chunks of a demonstration are over when their time is, and a pause stops that clock."""

from __future__ import annotations

from zprl_core.session.by_time import ChunksByTime

S = 1_000_000_000


def test_a_chunk_is_over_after_its_time_and_goes_on_from_there_after_a_pause() -> None:
    """Chunks of 2 s: five in 11 s, a pause at 20 s, and the sixth 2 s after it went on at 50 s."""
    clock, cleared = ChunksByTime(2.0), -1
    found = []
    for now in (11, 12, 21):
        cleared = clock.ended(10 * S, cleared, now * S)
        found.append(cleared)
    assert found == [-1, 0, 4]
    assert [clock.ended(50 * S, cleared, now * S) for now in (50, 51, 52)] == [4, 4, 5]


def test_the_next_episode_begins_anew() -> None:
    clock = ChunksByTime(2.0)
    assert clock.ended(10 * S, -1, 20 * S) == 4
    assert clock.ended(30 * S, -1, 31 * S) == -1
