"""When chunks are observed and started, in ticks counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from policy_node.schedule import Schedule
from zprl_core.grid import TickGrid

TICK_NS = 100_000_000
PATIENCE_NS = 2_000_000_000


def _schedule(**changes: Any) -> Schedule:
    """At 10 Hz, observed first at tick 10, two ticks before its chunk of 16."""
    settings = {"observe_tick": 10, "lead": 2, "chunk_ticks": 16, "patience_s": 2.0}
    return Schedule(TickGrid(10.0), **{**settings, **changes})


def _observed() -> Schedule:
    """Chunk 0 was observed: it starts at tick 12, and chunk 1 is observed at tick 26."""
    schedule = _schedule()
    schedule.observed(10)
    return schedule


def test_chunks_follow_each_other() -> None:
    schedule = _schedule()
    assert not schedule.due(9) and schedule.due(10) and schedule.observe_ns == 10 * TICK_NS
    schedule.observed(10)
    assert (schedule.start_tick, schedule.start_ns) == (12, 12 * TICK_NS)
    assert (schedule.chunk, schedule.observe_tick) == (1, 26), "two ticks before 28, where the first one ends"


def test_a_tick_that_is_served_late_is_still_the_one_that_is_observed() -> None:
    """Its chunk starts in time, at tick 12, as long as the tick served is before that."""
    schedule = _schedule()
    assert [schedule.observing(tick) for tick in (10, 11, 12, 13)] == [10, 10, 12, 13]
    assert _schedule(lead=0).observing(10) == 10


@pytest.mark.parametrize(
    ("after_start_ns", "start_tick", "observe_tick", "stall"),
    [
        (-TICK_NS, 12, 26, False),
        (0, 12, 26, False),
        (1, 13, 27, True),
        (TICK_NS - 1, 13, 27, True),
        (TICK_NS, 14, 28, True),  # that tick is under way: the chunk has the next one
    ],
)
def test_a_chunk_that_is_late_starts_at_the_next_tick(
    after_start_ns: int, start_tick: int, observe_tick: int, stall: bool
) -> None:
    schedule = _observed()
    assert schedule.catch_up(12 * TICK_NS + after_start_ns) is stall
    assert (schedule.start_tick, schedule.observe_tick, schedule.chunk) == (start_tick, observe_tick, 1)


@pytest.mark.parametrize(
    ("after_start_ns", "too_late"), [(-1, False), (PATIENCE_NS, False), (PATIENCE_NS + 1, True)]
)
def test_the_patience_counts_from_the_chunks_start(after_start_ns: int, too_late: bool) -> None:
    assert _observed().too_late(12 * TICK_NS + after_start_ns) is too_late


def test_a_chunk_is_observed_again() -> None:
    """And the next one follows from when that one begins."""
    schedule = _observed()
    assert schedule.again(60 * TICK_NS + 5)
    assert (schedule.chunk, schedule.observe_tick) == (0, 61)
    schedule.observed(61)
    assert (schedule.start_tick, schedule.chunk, schedule.observe_tick) == (63, 1, 77)
    assert not schedule.too_late(64 * TICK_NS)


def test_a_chunk_is_late_for_the_first_time_only_once() -> None:
    schedule = _observed()
    assert schedule.again(60 * TICK_NS)
    schedule.observed(61)
    assert not schedule.again(90 * TICK_NS)
    schedule.observed(91)
    assert not schedule.catch_up(93 * TICK_NS + 1)
    schedule.observed(schedule.observe_tick)
    assert schedule.catch_up(schedule.start_ns + 1), "the next chunk's own"
