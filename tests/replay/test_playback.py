# SPDX-License-Identifier: Apache-2.0
"""When what of a bag is played: everything before a chunk is asked for, nothing twice, nothing dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay import made
from zprl_bringup.replayable import read_replayable
from zprl_core.replay.episodes import filled_snapshots, replay_episodes
from zprl_core.replay.playback import LOOK_BACK_NS, Ask, Event, Playback, Sample, events

S = 1_000_000_000


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """What is played of a bag of three seconds."""
    task = made.task()
    found = read_replayable(made.bag(tmp_path_factory.mktemp("bags") / "bag"), task)
    episodes = replay_episodes(found.recording, task, found.account, lockstep=False)
    return events(found.recording, episodes, filled_snapshots(found.recording, task, lockstep=False))


def played(playback: Playback, now_ns: int, *, answer: bool = True) -> list[Event]:
    """All that is due at a time; plans come at once where they are to."""
    found = []
    while (event := playback.due(now_ns)) is not None:
        found.append(event)
        if isinstance(event, Ask) and answer:
            assert playback.planned(event.episode.running.episode, event.moment.chunk, now_ns) is event
    return found


def test_a_chunk_follows_all_samples_that_its_snapshot_needs(queue: list[Event]) -> None:
    asks = [(number, event) for number, event in enumerate(queue) if isinstance(event, Ask)]
    # Running for 2 s from t = 1 s: the first tick 0.2 s later, a chunk every 8 ticks of 1/30 s.
    assert [ask.moment.chunk for _, ask in asks] == list(range(6))
    for number, ask in asks:
        sent = {(event.stream, event.stamp_ns) for event in queue[:number] if isinstance(event, Sample)}
        assert set(zip(("third_view", "proprioception"), ask.newest_ns, strict=True)) <= sent
    assert [ask.begins for _, ask in asks] == [True] + [False] * 5


def test_as_fast_as_possible_everything_goes_out_once_in_order(queue: list[Event]) -> None:
    playback = Playback(queue, None, 0)
    assert played(playback, 0) == queue
    assert playback.over


def test_the_next_chunk_waits_for_the_plan_of_the_one_before(queue: list[Event]) -> None:
    playback = Playback(queue, None, 0)
    first = played(playback, 0, answer=False)
    second = next(event for event in queue if isinstance(event, Ask) and event.moment.chunk == 1)
    assert first == queue[: queue.index(second)]
    assert playback.due(0) is None and not playback.over
    assert playback.planned(0, 3, 0) is None  # another chunk's plan is no answer
    assert playback.planned(0, 0, 0) is not None
    assert playback.due(0) is second


@settings(max_examples=30, deadline=None)
@given(rate=st.floats(0.1, 50.0), share=st.floats(0.0, 1.0))
def test_at_a_pace_what_has_come_is_what_is_due(queue: list[Event], rate: float, share: float) -> None:
    playback = Playback(queue, rate, 5)
    length_ns = queue[-1].at_ns - queue[0].at_ns
    now_ns = 5 + round(share * length_ns / rate)
    found = played(playback, now_ns)
    position = queue[0].at_ns + round((now_ns - 5) * rate)
    assert found == [event for event in queue if event.at_ns <= position]


def test_a_pause_stands_still(queue: list[Event]) -> None:
    playback = Playback(queue, 1.0, 0)
    before = played(playback, S // 2)
    playback.pause(S // 2)
    assert played(playback, 10 * S) == []
    playback.resume(10 * S)
    assert played(playback, 10 * S) == []
    after = played(playback, 10 * S + S // 10)
    assert before + after == [event for event in queue if event.at_ns <= queue[0].at_ns + 6 * S // 10]


def test_a_late_plan_makes_the_rest_later_and_not_faster(queue: list[Event]) -> None:
    playback = Playback(queue, 1.0, 0)
    late_ns = queue[-1].at_ns - queue[0].at_ns + 5 * S
    first = played(playback, late_ns, answer=False)
    assert isinstance(first[-1], Sample)
    assert playback.planned(0, 0, late_ns) is not None
    burst = played(playback, late_ns)
    assert len([event for event in burst if isinstance(event, Ask)]) == 1


@pytest.mark.parametrize("after_s", [0.5, 1.7, 2.5])
def test_seeking_begins_anew_with_what_a_snapshot_looks_back_at(queue: list[Event], after_s: float) -> None:
    playback = Playback(queue, None, 0)
    played(playback, 0)
    playback.seek(after_s, 0)
    found, at_ns = played(playback, 0), queue[0].at_ns + round(after_s * S)
    asks = [event for event in found if isinstance(event, Ask)]
    wanted = [event for event in queue if isinstance(event, Ask) and event.at_ns >= at_ns]
    assert [ask.moment for ask in asks] == [ask.moment for ask in wanted]
    assert [ask.begins for ask in asks] == [True] + [False] * (len(asks) - 1) if asks else True
    samples = [event for event in queue if isinstance(event, Sample)]
    assert [e for e in found if isinstance(e, Sample)] == [
        sample for sample in samples if sample.at_ns >= at_ns - LOOK_BACK_NS
    ]


def test_a_bag_without_a_sample_is_over_at_once(tmp_path: Path) -> None:
    playback = Playback([], None, 0)
    assert playback.over and playback.due(0) is None and playback.length_s == 0.0
    playback.seek(1.0, 0)
