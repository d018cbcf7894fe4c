"""When chunks are observed and started, in ticks counted by hand."""

from __future__ import annotations

from policy_node.schedule import Schedule


def test_chunks_follow_each_other() -> None:
    schedule = Schedule(observe_tick=10, lead=2, chunk_ticks=16)
    assert not schedule.due(9) and schedule.due(10)
    assert schedule.observed(10) == 12
    assert (schedule.chunk, schedule.observe_tick) == (1, 26), "two ticks before 28, where the first one ends"
    schedule.delay(14)
    assert schedule.observe_tick == 28


def test_a_tick_that_is_served_late_is_still_the_one_that_is_observed() -> None:
    """Its chunk starts in time, at tick 12, as long as the tick served is before that."""
    schedule = Schedule(observe_tick=10, lead=2, chunk_ticks=16)
    assert [schedule.observing(tick) for tick in (10, 11, 12, 13)] == [10, 10, 12, 13]
    assert Schedule(observe_tick=10, lead=0, chunk_ticks=16).observing(10) == 10


def test_a_chunk_is_observed_again() -> None:
    """And the next one follows from when that one begins."""
    schedule = Schedule(observe_tick=10, lead=2, chunk_ticks=16)
    schedule.observed(10)
    schedule.again(61)
    assert (schedule.chunk, schedule.observe_tick) == (0, 61)
    assert schedule.observed(61) == 63
    assert (schedule.chunk, schedule.observe_tick) == (1, 77)
