from __future__ import annotations

import itertools
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.errors import ConfigError
from zprl_core.plan import Block, training_plan
from zprl_core.records import EpisodeRecord
from zprl_core.session import (
    TRANSITIONS,
    Answer,
    Event,
    FinishRun,
    Ledger,
    RecordEpisode,
    ResetWorld,
    Session,
    SessionConfig,
    SessionView,
    State,
    layout_seed,
    mermaid,
)

ROOT = Path(__file__).parents[2]
S = 1_000_000_000
TRAIN = (Block("train", "explore", chunks=6),)


def config(plan: tuple[Block, ...] = TRAIN, **changes: Any) -> SessionConfig:
    values: dict[str, Any] = {
        "run_id": "run", "seed": 7, "plan": plan, "horizon_chunks": 3, "chunk_steps": 8, "lockstep": True,
    }  # fmt: skip
    return SessionConfig(**{**values, **changes})


class Driver:
    """Gives every command a fresh id and keeps what comes out."""

    def __init__(
        self,
        settings: SessionConfig | None = None,
        records: tuple[EpisodeRecord, ...] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self.session = Session(settings or config(), records, ledger)
        self.ids = (f"id{n}" for n in itertools.count())
        self.now = 0
        self.resets: list[ResetWorld] = []
        self.records: list[EpisodeRecord] = []
        self.finished = 0

    @property
    def view(self) -> SessionView:
        return self.session.view

    def carry_out(self) -> None:
        for effect in self.session.take_effects():
            if isinstance(effect, ResetWorld):
                self.resets.append(effect)
            elif isinstance(effect, RecordEpisode):
                self.records.append(effect.record)
            else:
                self.finished += isinstance(effect, FinishRun)

    def command(self, name: str, episode: int | None = None) -> Answer:
        where = self.view.episode if episode is None else episode
        answer = self.session.command(next(self.ids), where, name, "Ada", self.now)
        self.carry_out()
        return answer

    def label(self, label: str, chunk: int = -1, episode: int | None = None) -> Answer:
        where = self.view.episode if episode is None else episode
        answer = self.session.label(next(self.ids), where, chunk, label, "judge", self.now)
        self.carry_out()
        return answer

    def run(self) -> Driver:
        """Starts the next episode."""
        assert self.command("start").accepted
        assert self.session.reset_done(self.view.episode, "orange at 1, 2", self.now).accepted
        assert self.session.begin(self.view.episode, self.now).accepted
        return self


def running(**changes: Any) -> Driver:
    return Driver(config(**changes)).run()


def test_an_episode_that_succeeds() -> None:
    d = Driver()
    assert d.view.state == "idle"
    assert d.command("start").accepted and d.view.state == "resetting"
    assert (
        d.resets == [ResetWorld(0, layout_seed(7, "training", 0))]
        and d.view.layout_seed == d.resets[0].layout_seed
    )
    assert d.session.reset_done(0, "orange at 1, 2", 0).accepted and d.view.state == "ready"
    assert d.session.begin(0, 5 * S).accepted
    assert (d.view.state, d.view.mode, d.view.block, d.view.cleared_chunk) == (
        "running",
        "explore",
        "train",
        -1,
    )
    assert d.label("continue", 0).accepted and d.view.cleared_chunk == 0 and d.view.state == "running"
    d.now = 9 * S
    assert d.label("success", 1).accepted
    assert (d.view.state, d.view.outcome, d.view.ending_chunk, d.view.cleared_chunk) == (
        "labelled",
        "success",
        1,
        0,
    )
    (record,) = d.records
    assert record == EpisodeRecord(
        episode=0, block="train", mode="explore", layout_seed=d.view.layout_seed, outcome="success",
        steps=16, chunks=2,
        start_stamp_ns=5 * S, end_stamp_ns=9 * S, label_author="judge", layout="orange at 1, 2",
    )  # fmt: skip


def test_failure_and_horizon_in_lockstep() -> None:
    d = running()
    assert d.label("failure", 0).accepted
    assert (d.view.outcome, d.view.ending_chunk) == ("failure", 0)
    d.run()
    assert d.view.episode == 1
    for chunk in range(3):
        assert d.view.state == "running"
        assert d.label("continue", chunk).accepted
    assert (d.view.state, d.view.outcome, d.view.ending_chunk) == ("labelled", "horizon", 2)
    assert d.view.cleared_chunk == 1  # the last chunk ended the episode
    assert [r.outcome for r in d.records] == ["failure", "horizon"]


def test_in_real_time_only_the_ending_waits() -> None:
    d = running(lockstep=False, judge_window_s=10.0)
    assert d.session.chunk_ended(0, 0, S).accepted and d.view.cleared_chunk == 0
    assert not d.label("continue").accepted
    assert d.session.chunk_ended(0, 1, 2 * S).accepted and d.view.state == "running"
    assert d.session.chunk_ended(0, 2, 3 * S).accepted and d.view.state == "judging"
    assert not d.session.elapse(12 * S)
    d.now = 12 * S
    assert d.label("success").accepted
    assert (d.view.outcome, d.view.ending_chunk) == ("success", 2)


def test_the_judging_window_closes_with_the_horizon() -> None:
    d = running(lockstep=False, judge_window_s=10.0)
    for chunk in range(3):
        d.session.chunk_ended(0, chunk, 3 * S)
    assert d.session.elapse(13 * S)
    assert (d.view.state, d.view.outcome, d.view.ending_chunk) == ("labelled", "horizon", 2)


def test_a_press_belongs_to_the_chunk_that_executes() -> None:
    d = running(lockstep=False)
    d.session.chunk_ended(0, 0, S)
    assert not d.session.chunk_ended(0, 0, S).accepted  # reported twice
    answer = d.label("success", 0)
    assert (
        not answer.accepted and answer.reason == "chunk 0 was cleared already; a label now is about chunk 1"
    )
    assert not d.label("success", 2).accepted
    assert d.label("success").accepted and d.view.ending_chunk == 1


def test_a_lost_report_does_not_hold_the_session_up() -> None:
    d = running(lockstep=False, horizon_chunks=9)
    assert d.session.chunk_ended(0, 3, S).accepted and d.view.cleared_chunk == 3


def test_a_command_id_counts_once() -> None:
    d = running()
    for _ in range(3):
        assert d.session.label("same", 0, 0, "continue", "judge", 0) == Answer(True)
    assert d.view.cleared_chunk == 0
    sequence = d.view.sequence
    assert not d.session.label("late", 5, -1, "success", "Ada", 0).accepted
    assert d.session.label("late", 0, -1, "success", "Ada", 0) == Answer(
        False, "label is for episode 5, this is episode 0"
    )
    assert d.view.sequence == sequence
    assert "has no id" in d.session.label("", 0, -1, "success", "Ada", 0).reason


def test_refusals_say_why() -> None:
    d = Driver()
    assert (
        d.label("success").reason == "label is not possible while idle; possible in: running, paused, judging"
    )
    assert "unknown, allowed: start, begin, pause" in d.command("dance").reason
    assert "unknown, allowed: success" in d.label("maybe").reason
    assert d.command("start", episode=4).reason == "start is for episode 4, this is episode 0"
    d.run()
    d.label("success")
    assert "label is not possible while labelled" in d.label("failure").reason
    assert not d.session.chunk_ended(0, 0, 0).accepted
    assert not d.session.begin(0, 0).accepted


@pytest.mark.parametrize("how", ["stop", "fault", "abort"])
def test_stop_fault_and_abort_make_the_episode_void(how: str) -> None:
    d = running()
    d.label("continue", 0)
    if how == "fault":
        assert d.session.fault("camera lost", 3 * S).accepted
        d.carry_out()
    else:
        assert d.command(how).accepted
    assert (d.view.outcome, d.view.ending_chunk) == ("void", 1)
    assert d.view.state == {"stop": "stopped", "fault": "faulted", "abort": "labelled"}[how]
    assert d.view.reason == {"stop": "stopped by Ada", "fault": "camera lost", "abort": "aborted by Ada"}[how]
    assert [r.outcome for r in d.records] == ["void"]
    if how == "abort":
        assert "stays void" in d.command("undo").reason
    else:
        assert not d.command("start").accepted
        assert d.command("clear").accepted and d.view.state == "idle"
    layout = d.view.layout_seed
    d.run()
    assert d.view.episode == 1
    assert d.view.layout_seed == layout  # a void episode does not use its layout up


def test_stop_needs_no_id_and_no_episode_and_works_everywhere() -> None:
    for prepare in (Driver, running):
        d = prepare()
        assert d.session.command("", 99, "stop", "Ada", 0).accepted
        assert d.view.state == "stopped"
        assert d.session.command("", 99, "stop", "Bob", 0).accepted
        assert d.view.reason == "stopped by Ada"
    for used in ("stop", "pause"):  # a stop acts even where its id was used before
        d = running()
        assert d.session.command("id", 0, used, "Ada", 0).accepted
        d.command("clear" if used == "stop" else "resume")
        if used == "stop":
            d.run()
        assert d.view.state == "running"
        assert d.session.command("id", 0, "stop", "Ada", 0).accepted and d.view.state == "stopped"
    d = running()
    d.session.fault("first", 0)
    d.session.fault("second", 0)
    assert d.command("stop").accepted
    assert (d.view.state, d.view.reason) == ("faulted", "first")


def test_a_stop_before_the_episode_began_leaves_no_record() -> None:
    d = Driver()
    d.command("start")
    d.command("stop")
    d.command("clear")
    assert d.records == []
    d.command("start")
    assert d.resets[0] == d.resets[1]
    assert not d.session.reset_done(1, "", 0).accepted


def test_a_stop_after_the_label_keeps_the_label() -> None:
    d = running()
    d.label("success")
    d.command("stop")
    assert (d.view.state, d.view.outcome) == ("stopped", "success")
    d.command("clear")
    d.run()
    assert d.view.episode == 1 and [r.outcome for r in d.records] == ["success"]


def test_undo_until_the_next_episode_starts() -> None:
    d = running()
    d.label("continue", 0)
    d.label("success", 1)
    assert d.command("undo").accepted
    assert (d.view.state, d.view.outcome, d.view.ending_chunk) == ("judging", "", -1)
    # A crash now leaves a void episode, not the label that was taken back.
    assert (
        d.records[-1].outcome == "void"
        and d.records[-1].reason == "success by judge undone by Ada, no new label yet"
    )
    assert not d.session.elapse(10**15)  # it was not the horizon: somebody has to say what it was
    assert "stopped by a label" in d.label("continue", 1).reason
    assert d.label("failure", 1).accepted
    assert [r.outcome for r in d.records] == ["success", "void", "failure"]
    assert {r.episode for r in d.records} == {0}
    d.run()
    assert not d.command("undo").accepted
    assert not d.command("undo", episode=0).accepted


def test_pause_and_resume() -> None:
    d = running()
    assert d.command("pause").accepted and (d.view.state, d.view.reason) == ("paused", "paused by Ada")
    assert not d.command("pause").accepted
    assert d.label("continue", 0).accepted  # the chunk that was executing has been judged
    assert (d.view.state, d.view.cleared_chunk, d.view.reason) == ("paused", 0, "paused by Ada")
    assert d.command("resume").accepted and (d.view.state, d.view.reason) == ("running", "")
    d.command("pause")
    assert d.label("failure").accepted and d.view.state == "labelled"
    d.command("pause")
    assert "labelled failure already; undo first" in d.label("success").reason
    assert not d.command("abort").accepted
    d.command("resume")
    assert d.view.state == "labelled"


def test_what_happens_by_itself() -> None:
    d = Driver(config(undo_window_s=2.0))
    d.command("start")
    d.session.reset_done(0, "", 0)
    assert d.session.elapse(S) and d.view.state == "running"
    assert not d.session.elapse(S)
    d.now = 5 * S
    d.label("success")
    assert not d.session.elapse(7 * S - 1)
    assert d.session.elapse(7 * S) and d.view.state == "resetting" and d.view.episode == 1
    by_hand = Driver(config(auto_begin=False))
    by_hand.command("start")
    by_hand.session.reset_done(0, "", 0)
    assert not by_hand.session.elapse(10**15) and by_hand.view.state == "ready"


def play(d: Driver, labels: str = "s") -> list[tuple[int, str, str, int]]:
    """Plays to the end, episode k ending with the k-th of ``labels`` (s, f or h, again and again)."""
    played: list[tuple[int, str, str, int]] = []
    for letter in itertools.cycle(labels):
        assert d.command("start").accepted
        if d.view.state == "done":
            return played
        d.session.reset_done(d.view.episode, "", 0)
        d.session.begin(d.view.episode, 0)
        view = d.view
        played.append((view.episode, view.block, view.mode, view.layout_seed))
        if letter == "h":
            for chunk in range(3):
                d.label("continue", chunk)
        else:
            d.label("success" if letter == "s" else "failure")
    raise AssertionError


def test_the_plan_is_walked() -> None:
    plan = training_plan(chunks=7, eval_episodes=2, every_chunks=4)
    d = Driver(config(plan))
    played = play(d, "hs")
    assert [p[0] for p in played] == list(range(len(played)))
    names = [(name, len(list(group))) for name, group in itertools.groupby(p[1] for p in played)]
    # Training episodes have 3 and 1 chunks in turn: 3 + 1 reach 4, another 3 reach 7.
    assert names == [("base_c", 2), ("base_z", 2), ("train", 2), ("eval_1", 2), ("train", 1), ("final", 2)]
    layouts = {name: [p[3] for p in played if p[1] == name] for name, _ in names}
    assert layouts["base_c"] == layouts["base_z"] == layouts["eval_1"] == layouts["final"]
    assert len(set(layouts["train"]) | set(layouts["final"])) == 3 + 2
    assert d.view.state == "done" and d.finished == 1
    assert not d.command("start").accepted
    assert d.command("stop").accepted and d.view.state == "done"
    assert not d.session.fault("too late", 0).accepted


@pytest.mark.parametrize("interrupted", range(10))
def test_a_run_taken_up_again_goes_on_alike(interrupted: int) -> None:
    plan = training_plan(chunks=7, eval_episodes=2, every_chunks=4)
    whole = Driver(config(plan))
    expected = play(whole, "hs")
    records = tuple(whole.records[:interrupted])
    labels = "hs" if interrupted % 2 == 0 else "sh"
    assert play(Driver(config(plan), records), labels) == expected[interrupted:]


def test_layouts_depend_on_seed_kind_and_index() -> None:
    seeds = {layout_seed(s, k, i) for s in (1, 2) for k in ("evaluation", "training") for i in range(50)}
    assert len(seeds) == 200 and all(0 <= seed < 1 << 63 for seed in seeds)
    assert layout_seed(7, "evaluation", 0) == 3605812793584671307  # stays the same from version to version


def test_the_view_is_the_message() -> None:
    text = (ROOT / "ros2_ws/src/zprl_interfaces/msg/SessionState.msg").read_text()
    declared = [line.split()[1] for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert declared == ["header", *(field.name.removesuffix("_ns") for field in fields(SessionView))]


def test_the_documented_diagram_is_the_table() -> None:
    document = (ROOT / "docs/session.md").read_text()
    assert document.split("```mermaid\n")[1].split("\n```")[0] == mermaid()
    for event in Event:
        assert f"`{event}`" in document
    for state in State:
        assert f"| `{state}` |" in document


def test_every_state_can_be_left_and_reached() -> None:
    arrows = {
        (a, b)
        for sources in TRANSITIONS.values()
        for a, targets in sources.items()
        for b in targets
        if a != b
    }
    assert {b for _, b in arrows} == set(State)
    assert {a for a, _ in arrows} == set(State) - {State.DONE}


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": ()},
        {"horizon_chunks": 0},
        {"chunk_steps": 0},
        {"judge_window_s": -1.0},
        {"undo_window_s": -0.1},
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="session"):
        config(**changes)


EVENTS = [
    *(("label", name) for name in ("success", "failure", "continue", "success", "continue")),
    *(
        ("command", name)
        for name in ("start", "start", "start", "pause", "resume", "stop", "abort", "undo", "clear")
    ),
    *(
        (name, "")
        for name in ("reset_done", "reset_done", "begin", "chunk_ended", "fault", "elapse", "again")
    ),
]
steps = st.lists(
    st.tuples(st.sampled_from(EVENTS), st.integers(-1, 1), st.integers(-2, 1), st.integers(0, 20)),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps, st.booleans())
def test_no_order_of_events_loses_or_doubles_a_label(events: list[tuple], lockstep: bool) -> None:
    d = Driver(config((Block("train", "explore", chunks=1000),), lockstep=lockstep, undo_window_s=5.0))
    accepted: dict[int, str] = {}  # episode -> outcome that somebody was told
    last: tuple[str, int, int, str] | None = None
    answers: dict[str, Answer] = {}
    for n, ((kind, name), off, chunk, wait) in enumerate(events):
        d.now += wait * S
        before = d.view
        episode = before.episode + (off if off and wait < 4 else 0)
        answer, identity = Answer(True), f"event{n}"
        if kind == "label":
            wanted = -1 if chunk == -2 else max(before.cleared_chunk + 1 + chunk, 0)
            last = (identity, episode, wanted, name)
            answer = answers[identity] = d.session.label(identity, episode, wanted, name, "Ada", d.now)
            if answer.accepted:
                assert episode == before.episode and wanted in (-1, before.cleared_chunk + 1)
                if name in ("success", "failure"):
                    assert before.outcome == "" and d.view.ending_chunk == before.cleared_chunk + 1
                    accepted[episode] = name
        elif kind == "command":
            answer = d.session.command(identity, episode, name, "Ada", d.now)
            if answer.accepted and name == "undo":
                accepted.pop(before.episode, None)
        elif kind == "reset_done":
            answer = d.session.reset_done(episode, "", d.now)
        elif kind == "begin":
            answer = d.session.begin(episode, d.now)
        elif kind == "chunk_ended":
            answer = d.session.chunk_ended(episode, max(before.cleared_chunk + 1 + chunk, 0), d.now)
        elif kind == "fault":
            answer = d.session.fault("fault", d.now)
        elif kind == "elapse":
            d.session.elapse(d.now)
        elif last is not None:  # a repeated label changes nothing
            assert d.session.label(*last, "Ada", d.now) == answers[last[0]]
            assert d.view == before
        d.carry_out()
        after = d.view
        assert answer.accepted == (answer.reason == "")
        if not answer.accepted:
            assert after == before
        assert after.sequence - before.sequence in (0, 1)
        assert (after == before) == (after.sequence == before.sequence)
        assert after.episode in (before.episode, before.episode + 1)
        if (
            after.episode == before.episode
            and before.state != "idle"
            and after.state not in ("idle", "resetting")
        ):
            assert after.cleared_chunk >= before.cleared_chunk
        assert -1 <= after.cleared_chunk <= 1  # the last of three chunks ends the episode
        assert (after.outcome == "") == (after.ending_chunk == -1)
        if after.outcome:
            assert after.ending_chunk == after.cleared_chunk + 1
        if after.state == "running":
            assert after.outcome == ""
    final = {record.episode: record.outcome for record in d.records}
    assert sorted(final) == list(range(len(final)))
    for episode, outcome in accepted.items():
        assert final[episode] == outcome
    for episode, outcome in final.items():
        assert outcome in ("void", "horizon") or accepted[episode] == outcome


def test_an_idle_session_asks_the_arms_to_clear() -> None:
    """An arm may have a fault before anything began; every clear is told once."""
    d = Driver()
    before = d.view
    assert "clear" in before.possible and d.command("clear").accepted
    assert d.view == replace(before, sequence=before.sequence + 1, clears=1)
    d.run()
    d.command("stop")
    assert d.command("clear").accepted and (d.view.state, d.view.clears) == ("idle", 2)
    assert not d.run().command("clear").accepted and d.view.clears == 2


def test_every_reset_has_a_sequence_of_its_own_also_of_the_same_episode() -> None:
    """By it an arm's way home for this reset is told from that for the one before."""
    d = Driver()
    seen = []
    for _ in range(2):
        assert d.command("start").accepted and d.view.state == "resetting"
        seen.append((d.view.episode, d.view.sequence))
        assert d.session.reset_done(0, "", d.now).accepted
        assert d.session.fault("arm", d.now).accepted and d.command("clear").accepted
    assert seen[0][0] == seen[1][0] == 0 and 0 < seen[0][1] < seen[1][1]


def test_chunks_with_the_motors_off_are_counted() -> None:
    d = running()
    for chunk in (0, 0):
        d.session.shadowed(0, chunk)
    d.session.shadowed(1, 0)
    d.label("success")
    (record,) = d.records
    assert record.shadow_chunks == 1 and not record.counts and not record.void


def test_an_episode_of_a_real_arm_counts_down_before_it_begins_by_itself() -> None:
    d = Driver(config(countdown_s=3.0))
    d.command("start")
    d.session.reset_done(0, "", 5 * S)
    assert (d.view.state, d.view.window_s) == ("ready", 3.0)
    assert not d.session.elapse(8 * S - 1) and d.session.elapse(8 * S) and d.view.state == "running"
    waits = Driver(config(auto_begin=False, countdown_s=3.0))
    waits.command("start")
    waits.session.reset_done(0, "", 0)
    assert waits.view.window_s == -1.0


def test_an_arm_that_left_its_home_goes_there_again_and_then_the_episode_begins() -> None:
    d = Driver(config(auto_begin=False, countdown_s=3.0))
    d.command("start")
    d.session.displaced(0)  # too early: it is not at home yet anyway
    d.session.reset_done(0, "orange at 1, 2", 0)
    d.session.displaced(1)  # another episode
    d.session.displaced(0)
    sequence = d.view.sequence
    assert d.command("begin").accepted and d.view.state == "resetting" and d.view.sequence > sequence
    assert d.resets[1:] == [ResetWorld(0, d.view.layout_seed, laid_out=True)]
    assert d.session.reset_done(0, d.view.layout, S).accepted
    assert (d.view.layout, d.view.window_s) == ("orange at 1, 2", 3.0)
    assert d.session.elapse(4 * S) and d.view.state == "running" and d.view.episode == 0


def test_who_moves_the_arm_again_before_it_begins_is_waited_for_again() -> None:
    d = Driver(config(auto_begin=False, countdown_s=3.0))
    d.command("start")
    d.session.reset_done(0, "", 0)
    for turn in (1, 2):
        d.session.displaced(0)
        if turn == 1:
            d.command("begin")
        else:
            assert d.session.elapse(10 * S)  # the countdown's end finds it displaced
        assert d.view.state == "resetting"
        d.session.reset_done(0, "", S)
    assert d.command("stop").accepted and d.command("clear").accepted and d.command("start").accepted
    d.session.reset_done(0, "", S)
    assert d.view.window_s == -1.0  # a reset that was stopped is begun anew, and waits again
