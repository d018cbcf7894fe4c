"""Anything that people, judges, arms, clocks, disks and kills can do to a session, in any order."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from zprl_core.errors import DataError
from zprl_core.plan import Block, evaluation_plan
from zprl_core.records import EpisodeRecord
from zprl_core.session import (
    TRANSITIONS,
    Answer,
    CorrectLabel,
    Effect,
    Entry,
    RecordEpisode,
    ResetWorld,
    Session,
    SessionConfig,
    State,
    in_effect,
)

S = 1_000_000_000
CHUNKS = 3
ARROWS = {
    (source, target)
    for sources in TRANSITIONS.values()
    for source, targets in sources.items()
    for target in targets
} | {(state, state) for state in State}
COMMANDS = ("start", "begin", "pause", "resume", "abort", "undo", "clear", "dance")
authors = st.sampled_from(["Ada", "Bo", "judge"])
near = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far the episode or chunk that somebody means is from the present one."""
waits = st.sampled_from([0, 1, 3, 11])
outcomes = st.sampled_from(["success", "failure", "horizon", "void"])


class Disk:
    """Keeps entries, as long as there is room."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.full = False

    def append(self, entry: Entry) -> None:
        if self.full:
            raise DataError("no space left")
        self.entries.append(entry)


class AnySession(RuleBasedStateMachine):
    """One run of a session, over restarts."""

    @initialize(
        lockstep=st.booleans(),
        auto_begin=st.booleans(),
        countdown_s=st.sampled_from([0.0, 2.0]),
        undo_window_s=st.sampled_from([None, 0.0, 5.0]),
        plan=st.sampled_from(
            [
                (Block("final", "steer", 8),),
                (Block("train", "explore", chunks=1000),),
                evaluation_plan(("base_c", "steer"), 4, seed=1, error_rate=0.2),
            ]
        ),
    )
    def begin_run(
        self,
        *,
        lockstep: bool,
        auto_begin: bool,
        countdown_s: float,
        undo_window_s: float | None,
        plan: tuple[Block, ...],
    ) -> None:
        self.config = SessionConfig(
            run_id="run",
            seed=1,
            plan=plan,
            horizon_chunks=CHUNKS,
            chunk_steps=8,
            lockstep=lockstep,
            auto_begin=auto_begin,
            countdown_s=countdown_s,
            judge_window_s=10.0,
            undo_window_s=undo_window_s,
        )
        self.disk, self.now, self.ids = Disk(), 0, (f"id{n}" for n in itertools.count())
        self.take_up()

    def take_up(self) -> None:
        """A process that begins, and knows what is on the disk and nothing else."""
        latest = {entry.record.episode: entry.record for entry in in_effect(self.disk.entries)}
        answered = [entry.command_id for entry in in_effect(self.disk.entries)]
        self.session = Session(self.config, latest.values(), self.disk, answered)
        self.records: dict[int, EpisodeRecord] = dict(latest)
        self.said: list[tuple[str, tuple, Answer]] = []
        self.asked, self.seen, self.moved = False, len(self.disk.entries), False
        self.undone = -1
        self.before = self.session.view
        assert self.before.state == "idle"

    @rule(name=st.sampled_from(COMMANDS), off=near, author=authors, value=outcomes)
    def command(self, name: str, off: int, author: str, value: str) -> None:
        words = (max(self.before.episode + off, 0), name, author, self.now, value)
        identity = next(self.ids)
        self.told("command", identity, words, self.session.command(identity, *words))

    @rule(off=near, chunk_off=near, label=st.sampled_from(["success", "failure", "continue"]), author=authors)
    def label(self, off: int, chunk_off: int, label: str, author: str) -> None:
        chunk = max(self.before.cleared_chunk + 1 + chunk_off, -1)
        words = (max(self.before.episode + off, 0), chunk, label, author, self.now)
        identity = next(self.ids)
        answer = self.session.label(identity, *words)
        if answer.accepted:
            assert words[0] == self.before.episode and chunk in (-1, self.before.cleared_chunk + 1)
        self.told("label", identity, words, answer)

    def told(self, kind: str, identity: str, words: tuple, answer: Answer) -> None:
        self.said.append((identity, (kind, *words), answer))
        self.answered(answer)
        begun = kind == "command" and words[1] == "begin" and answer.accepted
        cleared = kind == "command" and words[1] == "clear" and answer.accepted
        assert self.session.view.clears == self.before.clears + cleared
        self.asked = self.asked or begun

    @rule(which=st.integers(0, 50))
    def say_it_again(self, which: int) -> None:
        """The answer was lost, and the same command comes once more: it counts once."""
        if not self.said:
            return
        identity, (kind, *words), answer = self.said[which % len(self.said)]
        say = self.session.command if kind == "command" else self.session.label
        assert say(identity, *words) == answer  # type: ignore[operator]
        assert self.session.view == self.before

    @rule(which=st.integers(0, 50))
    def say_it_again_after_a_restart(self, which: int) -> None:
        """What is in the ledger was accepted, and counts no second time."""
        kept = [entry for entry in self.disk.entries if entry.command_id and entry.event != "stop"]
        if not kept:
            return
        self.restart()
        entry = kept[which % len(kept)]
        answer = self.session.label(entry.command_id, self.before.episode, -1, "failure", "Bo", self.now)
        assert answer.accepted and self.session.view == self.before

    @rule(what=st.sampled_from(["stop", "fault", "disk", "restart"]), author=authors)
    def something_breaks(self, what: str, author: str) -> None:
        if what == "disk":
            self.disk.full = not self.disk.full
        elif what == "restart":
            self.restart()
        elif what == "stop":
            assert self.session.command("", 99, "stop", author, self.now).accepted
            halted = {"done": "done", "faulted": "faulted"}.get(self.before.state, "stopped")
            assert self.session.view.state == halted
        else:
            self.answered(self.session.fault("arm", self.now))
            assert self.session.view.state in ("faulted", "done")

    @rule(which=st.integers(0, 50), author=authors)
    def somebody_does_what_is_possible(self, which: int, author: str) -> None:
        """The page offers it, and the session accepts it."""
        offered = [word for word in self.before.possible if word not in ("stop", "correct")]
        if not offered:
            return
        word, episode = offered[which % len(offered)], self.before.episode
        identity = next(self.ids)
        if word in ("success", "failure"):
            words: tuple = (episode, -1, word, author, self.now)
            answer = self.session.label(identity, *words)
        else:
            words = (episode, word, author, self.now, "")
            answer = self.session.command(identity, *words)
        assert answer.accepted or self.disk.full
        self.told("label" if len(words) == 5 and words[1] == -1 else "command", identity, words, answer)

    @rule()
    def it_goes_on(self) -> None:
        """What comes next by itself."""
        view = self.before
        if view.state == "resetting":
            self.reset_done(0)
        elif view.state in ("running", "paused"):
            self.chunk_ended(0, 0)
            if self.config.lockstep:
                self.label(0, 0, "continue", "judge")
        else:
            self.time_passes(11)

    @rule(off=near)
    def reset_done(self, off: int) -> None:
        answer = self.session.reset_done(self.before.episode + off, "here", self.now)
        self.moved = self.moved and not answer.accepted
        self.answered(answer)

    @rule(off=near)
    def a_person_moves_an_arm(self, off: int) -> None:
        self.session.displaced(self.before.episode + off)
        self.moved = self.moved or (off == 0 and self.before.state == "ready")

    @rule(off=near)
    def begin(self, off: int) -> None:
        answer = self.session.begin(self.before.episode + off, self.now)
        self.asked = self.asked or answer.accepted
        self.answered(answer)

    @rule(off=near, chunk_off=near)
    def chunk_ended(self, off: int, chunk_off: int) -> None:
        chunk = self.before.cleared_chunk + 1 + chunk_off
        self.answered(self.session.chunk_ended(self.before.episode + off, chunk, self.now))

    @rule(off=near)
    def a_person_has_the_arm(self, off: int) -> None:
        self.session.helped(self.before.episode + off, max(self.before.cleared_chunk, 0))
        assert self.session.view == self.before

    @rule(wait=waits)
    def time_passes(self, wait: int) -> None:
        self.now += wait * S
        changed = self.session.elapse(self.now)
        assert changed == (self.session.view.sequence != self.before.sequence)
        if changed and self.before.state == "ready":
            assert self.config.auto_begin or self.asked

    @rule(ending=st.sampled_from(["", "", "success", "failure", "abort"]), author=authors)
    def an_episode_runs(self, ending: str, author: str) -> None:
        """The usual way, so that the rest happens to more than the beginning of a run."""
        ways = {
            "stopped": "clear",
            "faulted": "clear",
            "idle": "start",
            "labelled": "start",
            "ready": "begin",
        }
        while self.before.state in (*ways, "resetting"):
            before = self.before
            if self.before.state == "resetting":
                self.reset_done(0)
            else:
                self.command(ways[self.before.state], 0, author, "")
            self.check()
            if self.before == before:  # a stop is not in the ledger yet
                assert self.disk.full
                return
        if ending == "abort":
            self.command("abort", 0, author, "")
        elif ending:
            self.label(0, 0, ending, author)

    @rule(which=st.integers(0, 9), value=outcomes, author=authors)
    def an_outcome_is_corrected(self, which: int, value: str, author: str) -> None:
        words = (which % (self.before.episode + 1), "correct", author, self.now, value)
        identity = next(self.ids)
        self.told("command", identity, words, self.session.command(identity, *words))

    def restart(self) -> None:
        """The process ends and is started again."""
        self.check()
        self.take_up()

    def answered(self, answer: Answer) -> None:
        assert answer.accepted == (answer.reason == "")
        if not answer.accepted:
            assert self.session.view == self.before

    @invariant()
    def check(self) -> None:
        """What always holds, after whatever happened to it."""
        if not hasattr(self, "session"):
            return
        before, after = self.before, self.session.view
        effects = self.session.take_effects()
        self.before = self.session.view  # a stop that cannot be entered says so there
        told = replace(after, sequence=self.before.sequence, reason=self.before.reason)
        assert self.before == told and self.before.sequence - after.sequence in (0, 1)
        assert self.before == after or (self.disk.full and after.state in ("stopped", "faulted", "idle"))
        assert (State(before.state), State(after.state)) in ARROWS
        assert after.sequence - before.sequence in (0, 1)
        assert (after.sequence == before.sequence) == (after == before)
        assert 0 <= after.clears - before.clears <= 1
        assert after.episode - before.episode in (0, 1)
        if after.state == "running":
            assert after.outcome == "" and (before.state != "ready" or not self.moved)
        if after.state == "resetting":
            self.asked = self.asked and before.state in ("ready", "resetting")
            self.moved = self.moved and before.state in ("ready", "resetting")
        elif after.state in ("idle", "stopped", "faulted"):
            self.asked = False
        self.entered()
        self.carried_out(effects, after.episode)
        self.agree()

    def entered(self) -> None:
        """A void stays void, but for the label that is due after an undo."""
        for entry in self.disk.entries[self.seen :]:
            old, new = self.records.get(entry.record.episode), entry.record
            if old is None:
                assert entry.before == "" and new.episode == len(self.records)
            elif old.void:
                assert self.undone == new.episode and entry.before == ""
            elif entry.event == "correct":
                assert (entry.before, new.outcome) != (new.outcome, entry.before)
                changes = {"outcome": old.outcome, "label_author": old.label_author, "reason": old.reason}
                assert asdict(replace(new, **changes)) == asdict(old)  # type: ignore[arg-type]
            else:
                assert entry.event == "undo" and new.void and entry.before == old.outcome
            self.undone = new.episode if entry.event == "undo" else -1
            self.records[new.episode] = new
        self.seen = len(self.disk.entries)

    def carried_out(self, effects: list[Effect], episode: int) -> None:
        """Of every entry there is a record to write, and a reset is for the present episode."""
        for effect in effects:
            if isinstance(effect, RecordEpisode | CorrectLabel):
                assert self.records[effect.record.episode] == effect.record
            elif isinstance(effect, ResetWorld):
                assert effect.episode == episode
                assert not effect.laid_out or self.asked

    def agree(self) -> None:
        """The ledger in effect is what everyone is told; ids are in it once."""
        latest = {entry.record.episode: entry.record for entry in in_effect(self.disk.entries)}
        assert latest == self.records and sorted(latest) == list(range(len(latest)))
        ids = [entry.command_id for entry in self.disk.entries if entry.command_id]
        assert len(ids) == len(set(ids))
        view = self.before
        if view.state in ("labelled", "paused") and view.outcome:
            assert latest[view.episode].outcome == view.outcome
        if view.state == "judging" and view.episode in latest:
            assert latest[view.episode].void


TestAnySession = AnySession.TestCase
TestAnySession.settings = settings(derandomize=True, deadline=None, max_examples=100, stateful_step_count=50)
