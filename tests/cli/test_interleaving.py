# SPDX-License-Identifier: Apache-2.0
"""Two policies in turns: the plan, the layouts, an early end, and a session that walks it over kills."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.cli.session import where
from zprl_core.errors import DataError
from zprl_core.pairing import pair
from zprl_core.plan import (
    Block,
    Trial,
    evaluation_plan,
    interleaved,
    place_in_words,
    position,
    stopped_early,
    training_plan,
    trial,
    write_plan,
)
from zprl_core.records import EpisodeRecord, Outcome, append_record
from zprl_core.run_folder import RunFolder
from zprl_core.session import Session, SessionConfig, layout_seed
from zprl_core.session.layouts import next_layout_seed
from zprl_core.stats import Pairs

BOTH = ("base_c", "steer")


def record(episode: int, block: Block, layout: int, outcome: Outcome, **more: int) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode,
        block=block.name,
        mode=block.mode,
        case=block.case,
        layout_seed=layout,
        outcome=outcome,
        steps=16,
        chunks=1,
        start_stamp_ns=0,
        end_stamp_ns=10**9,
        label_author="judge",
        **more,
    )


def walk(plan: tuple[Block, ...], outcomes: list[Outcome], seed: int = 7) -> list[EpisodeRecord]:
    """Episodes with these outcomes, until the plan or they are at their end."""
    records: list[EpisodeRecord] = []
    for outcome in outcomes:
        place = position(plan, records)
        if place is None:
            break
        layout = next_layout_seed(seed, place, records)
        records.append(record(len(records), place.block, layout, outcome))
    return records


def test_each_layout_is_given_to_both_one_after_the_other() -> None:
    plan = evaluation_plan(BOTH, 20, seed=7)
    assert interleaved(plan) and not interleaved(training_plan(100, 4, 20))
    records = walk(plan, ["success"] * 99)
    assert len(records) == 40
    for first, second in _twos(records):
        assert first.layout_seed == second.layout_seed
        assert {first.block, second.block} == {"base_c", "final"}
    layouts = [one.layout_seed for one in records[::2]]
    assert layouts == [layout_seed(7, "evaluation", index) for index in range(20)]


def _twos(records: list[EpisodeRecord]) -> list[tuple[EpisodeRecord, EpisodeRecord]]:
    return list(zip(records[::2], records[1::2], strict=True))


def test_who_begins_is_drawn_anew_for_each_layout_from_the_seed() -> None:
    first = [block.name for block in evaluation_plan(BOTH, 400, seed=7)[::2]]
    assert 160 < first.count("final") < 240
    runs = [len(list(group)) for _, group in itertools.groupby(first)]
    assert 1.8 < sum(runs) / len(runs) < 2.2  # of a fair coin: 2
    assert first == [block.name for block in evaluation_plan(BOTH, 400, seed=7)[::2]]
    assert first != [block.name for block in evaluation_plan(BOTH, 400, seed=8)[::2]]


def test_a_void_trial_is_made_up_for_on_its_layout_before_the_other_policy_goes_on() -> None:
    records = walk(
        evaluation_plan(BOTH, 2, seed=7), ["success", "void", "void", "failure", "success", "success"]
    )
    assert len(records) == 6
    assert [r.layout_seed for r in records[:4]] == [layout_seed(7, "evaluation", 0)] * 4
    assert records[1].block == records[2].block == records[3].block != records[0].block


def test_cases_go_through_the_same_layouts_one_after_the_other() -> None:
    plan = evaluation_plan(BOTH, 40, seed=7, cases={"push": 3, "shift": 2})
    records = walk(plan, ["success"] * 99)
    assert [r.case for r in records] == ["push"] * 6 + ["shift"] * 4
    assert {r.layout_seed for r in records if r.case == "shift"} < {r.layout_seed for r in records[:6]}


def test_it_ends_early_once_the_pairs_decide_and_not_in_the_middle_of_one() -> None:
    plan = evaluation_plan(BOTH, 50, seed=7, error_rate=0.05)
    good: dict[str, Outcome] = {"final": "success", "base_c": "failure"}
    records: list[EpisodeRecord] = []
    while (place := position(plan, records)) is not None:
        layout = next_layout_seed(7, place, records)
        records.append(record(len(records), place.block, layout, good[place.block.name]))
    assert len(records) == 14  # seven layouts
    assert stopped_early(plan, records) and not stopped_early(plan, records[:-1])
    corrected = [*records[:-1], replace(records[-1], outcome="void")]
    assert position(plan, corrected) is not None
    assert not stopped_early(evaluation_plan(BOTH, 50, seed=7), records)


@given(st.lists(st.sampled_from(["success", "failure", "void"]), max_size=60), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_a_session_that_is_killed_anywhere_goes_on_as_if_it_had_not_been(
    outcomes: list[str], seed: int
) -> None:
    """Every episode by a new process, against one process: same layouts, same order, same end."""
    config = SessionConfig(
        run_id="run",
        seed=seed,
        plan=evaluation_plan(BOTH, 20, seed=seed, error_rate=0.2),
        horizon_chunks=2,
        chunk_steps=8,
        lockstep=True,
    )
    whole, pieces = Session(config), Session(config)
    ids = (f"id{n}" for n in itertools.count())
    for outcome in outcomes:
        done = [_episode(session, outcome, ids) for session in (whole, pieces)]
        assert done[0] == done[1]
        pieces = Session(config, pieces._records.values())


def _episode(session: Session, outcome: str, ids: Iterator[str]) -> tuple[str, ...]:
    """One episode; who drove, on which layout, and how it ended."""
    episode = session.view.episode
    session.command(next(ids), episode, "start", "Ada", 0)
    if session.view.state == "done":
        return ("done",)
    episode = session.view.episode
    assert session.reset_done(episode, "", 0).accepted and session.begin(episode, 0).accepted
    if outcome == "void":
        assert session.command(next(ids), episode, "abort", "Ada", 0).accepted
    else:
        assert session.label(next(ids), episode, 0, outcome, "judge", 0).accepted
    view = session.view
    return view.mode, str(view.layout_seed), view.outcome, str(view.episode)


def test_an_earlier_trial_becomes_void_and_is_made_up_for() -> None:
    """In a training run's evaluation it would be measured with another actor, and is refused."""
    plan = evaluation_plan(BOTH, 3, seed=7)
    records = walk(plan, ["success"] * 3)
    config = SessionConfig(run_id="run", seed=7, plan=plan, horizon_chunks=2, chunk_steps=8, lockstep=True)
    session = Session(config, records)
    assert session.command("a", 0, "correct", "Ada", 0, "void").accepted
    session.command("b", session.view.episode, "start", "Ada", 0)
    assert (session.view.mode, session.view.layout_seed) == (records[0].mode, records[0].layout_seed)
    plan = training_plan(10, 1, None)
    session = Session(replace(config, plan=plan), walk(plan, ["success"] * 2))
    assert "its block 'base_c' is over" in session.command("a", 0, "correct", "Ada", 0, "void").reason


def test_which_trial_it_is() -> None:
    plan = evaluation_plan(BOTH, 3, seed=7, error_rate=0.05)
    records = walk(plan, ["success", "void", "success"])
    numbers = [trial(plan, records, episode) for episode in range(4)]
    assert [str(now) for now in numbers] == [f"trial {n} of at most 6" for n in (1, 2, 2, 3)]
    assert trial(training_plan(10, 1, None), records, 0) is None
    case = trial(evaluation_plan(BOTH, 3, cases={"push": 2}), (), 0)
    assert case == Trial(1, 4, "push")
    assert place_in_words(case, "final", blind=True) == "trial 1 of 4, push"
    assert place_in_words(case, "final", blind=False) == "trial 1 of 4, push, final"
    assert place_in_words(None, "train", blind=False) == "train"


def test_a_terminal_is_told_the_trial_and_not_the_policy(
    tmp_path: Path, new_folder: Callable[..., RunFolder]
) -> None:
    plan = evaluation_plan(BOTH, 3, seed=7)
    for blind, told in ((True, "trial 2 of 6"), (False, "trial 2 of 6, final")):
        folder = new_folder(tmp_path / str(blind), mode="evaluate", blind=blind)
        write_plan(folder.plan_file, plan)
        append_record(folder.episodes_file, walk(plan, ["success"])[0])
        assert where(folder, 1, "final") == told


def test_pairs_of_one_evaluation_and_of_two() -> None:
    base, steered = Block("base_c", "base_c", episodes=9), Block("final", "steer", episodes=9)
    a = [
        record(n, steered, n, outcome)
        for n, outcome in enumerate(("success", "success", "failure", "horizon"))
    ]
    b = [
        record(n, base, n, outcome) for n, outcome in enumerate(("success", "failure", "success", "failure"))
    ]
    assert pair(a, b) == Pairs(both=1, only_a=1, only_b=1, neither=1)
    assert pair(a, b[:1]) == Pairs(1, 0, 0, 0)
    assert pair(a, [replace(one, layout_seed=100 + one.layout_seed) for one in b]).count == 0
    left_out = [record(8, steered, 0, "void"), record(9, steered, 1, "success", shadow_chunks=1)]
    assert pair([*left_out, *a[2:]], b) == Pairs(0, 0, 1, 1)
    elsewhere = [replace(one, case="push") for one in b]
    assert pair([*a, *elsewhere], [*b, *elsewhere]).count == 8


def test_two_policies_mixed_up_are_refused() -> None:
    block = Block("final", "steer", episodes=9)
    doubled = [record(0, block, 5, "success"), record(3, block, 5, "failure")]
    with pytest.raises(
        DataError, match="episodes 0 and 3 have one layout, 5; pair the episodes of one policy"
    ):
        pair(doubled, [])
