"""Outcomes are in the ledger before they take effect; the ledger survives kills and finds damage."""

from __future__ import annotations

import itertools
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.errors import DataError
from zprl_core.plan import Block
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.session import (
    Answer,
    CorrectLabel,
    Entry,
    LedgerFile,
    RecordEpisode,
    Session,
    SessionConfig,
    in_effect,
    read_ledger,
    record_outcomes,
)

S = 1_000_000_000
IDS = (f"id{n}" for n in itertools.count())


class Full:
    """A disk without space."""

    def append(self, entry: Entry) -> None:
        raise DataError("no space left")


def session(ledger: Any = None, **changes: Any) -> Session:
    values: dict[str, Any] = {
        "run_id": "run", "seed": 7, "plan": (Block("train", "explore", chunks=100),), "horizon_chunks": 3,
        "chunk_steps": 8, "lockstep": False, "undo_window_s": None,
    }  # fmt: skip
    return Session(SessionConfig(**{**values, **changes}), (), ledger)


def do(s: Session, command: str, value: str = "", episode: int | None = None, t: int = 0) -> Answer:
    where = s.view.episode if episode is None else episode
    return s.command(next(IDS), where, command, "Ada", t, value)


def begin(s: Session, t: int = 0) -> None:
    assert do(s, "start", t=t).accepted
    assert s.reset_done(s.view.episode, "", t).accepted and s.begin(s.view.episode, t).accepted


def label(s: Session, word: str, t: int = 0) -> Answer:
    return s.label(next(IDS), s.view.episode, -1, word, "Bo", t)


def record(episode: int, outcome: str = "success") -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode, block="train", mode="explore", layout_seed=episode, outcome=outcome,  # type: ignore[arg-type]
        steps=8, chunks=1, start_stamp_ns=1, end_stamp_ns=2, label_author="Bo",
    )  # fmt: skip


def entry(episode: int, **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "event": "label", "command_id": f"c{episode}", "author": "Bo", "before": "", "stamp_ns": 3,
        "record": record(episode),
    }  # fmt: skip
    return Entry(**{**values, **changes})


def test_what_an_episode_enters(tmp_path: Path) -> None:
    ledger = LedgerFile(tmp_path / "ledger.jsonl")
    s = session(ledger)
    begin(s)
    assert label(s, "success", 2 * S).accepted
    assert do(s, "undo", t=3 * S).accepted
    assert s.view.possible == ("stop", "success", "failure", "abort")
    assert label(s, "failure", 4 * S).accepted
    begin(s)
    assert do(s, "correct", "success", episode=0, t=9 * S).accepted
    assert do(s, "stop", t=10 * S).accepted
    (correction,) = [e for e in s.take_effects() if isinstance(e, CorrectLabel)]
    entries = read_ledger(tmp_path / "ledger.jsonl")
    assert [(e.event, e.record.episode, e.before, e.record.outcome, e.author) for e in entries] == [
        ("label", 0, "", "success", "Bo"),
        ("undo", 0, "success", "void", "Ada"),
        ("label", 0, "", "failure", "Bo"),
        ("correct", 0, "failure", "success", "Ada"),
        ("stop", 1, "", "void", "Ada"),
    ]
    assert [e.stamp_ns // S for e in entries] == [2, 3, 4, 9, 10]
    assert entries[3].record.reason == "failure by Bo corrected by Ada"
    assert (correction.record.episode, correction.record.outcome) == (0, "success")


def test_a_full_disk_refuses_everything_but_a_stop() -> None:
    s = session(Full())
    begin(s)
    before, effects = s.view, s.take_effects()
    for answer in (label(s, "success"), do(s, "abort")):
        assert answer == Answer(False, "no space left")
    assert s.view == before and not s.take_effects() and len(effects) == 1
    assert do(s, "stop").accepted
    assert (s.view.state, s.view.reason) == ("stopped", "stopped by Ada")
    assert s.take_effects() == []
    assert (s.view.state, s.view.reason) == ("stopped", "stopped by Ada; no space left")


class Slow(Full):
    """A disk that is full for a while; what is written is counted."""

    def __init__(self) -> None:
        self.full, self.entries = True, list[Entry]()

    def append(self, entry: Entry) -> None:
        if self.full:
            super().append(entry)
        self.entries.append(entry)


def test_a_stop_is_told_before_it_is_written() -> None:
    """No arm waits for a disk."""
    disk = Slow()
    disk.full = False
    s = session(disk)
    begin(s)
    s.take_effects()
    assert do(s, "stop").accepted
    assert s.view.state == "stopped" and s.view.outcome == "void" and not disk.entries
    (effect,) = s.take_effects()
    assert isinstance(effect, RecordEpisode) and effect.record.outcome == "void"
    (entry,) = disk.entries
    assert (entry.event, entry.record, entry.author) == ("stop", effect.record, "Ada")
    assert s.take_effects() == [] and len(disk.entries) == 1, "once"


def test_no_episode_starts_while_a_stop_cannot_be_written() -> None:
    """Its number would be used twice."""
    disk = Slow()
    s = session(disk)
    begin(s)
    assert do(s, "stop").accepted and do(s, "clear").accepted
    s.take_effects()
    assert do(s, "start") == Answer(False, "no space left")
    assert (s.view.state, s.view.reason) == ("idle", "no space left"), "what it waits for"
    disk.full = False
    s.take_effects()
    assert do(s, "start").accepted and s.view.episode == 1
    assert [e.event for e in disk.entries] == ["stop"]


def test_a_horizon_that_cannot_be_kept_is_a_fault() -> None:
    s = session(Full(), judge_window_s=1.0)
    begin(s)
    for chunk in range(3):
        assert s.chunk_ended(0, chunk, S).accepted
    assert s.view.window_s == 1.0 and s.view.since_ns == S
    assert s.elapse(2 * S) and s.view.state == "faulted" and "no space left" in s.view.reason


def test_what_cannot_be_corrected() -> None:
    s = session()
    begin(s)
    assert "no outcome yet" in do(s, "correct", "success").reason
    label(s, "failure")
    assert "undo its label instead" in do(s, "correct", "success").reason
    begin(s)
    do(s, "stop")
    do(s, "clear")
    for episode, value, why in (
        (0, "failure", "failure already, by Bo"),
        (0, "horizon", "ended after 1 of 3 chunks"),
        (0, "good", "allowed: success, failure, horizon, void"),
        (1, "success", "stays void"),
        (2, "success", "no outcome yet"),
    ):
        assert why in do(s, "correct", value, episode=episode).reason
    assert "correct" in s.view.possible
    assert do(s, "correct", "void", episode=0).accepted


def test_a_label_that_becomes_void_gives_its_layout_back() -> None:
    s = session()
    begin(s)
    first = s.view.layout_seed
    label(s, "success")
    begin(s)
    label(s, "success")
    assert s.view.layout_seed != first
    assert do(s, "correct", "void", episode=0).accepted
    begin(s)
    assert s.view.layout_seed == first


def test_help_is_counted_once_a_chunk() -> None:
    s = session()
    begin(s)
    for chunk in (0, 0, 1):
        s.helped(0, chunk)
    s.helped(1, 0)
    label(s, "success")
    (kept,) = [e.record for e in s.take_effects() if hasattr(e, "record")]
    assert kept.helped_chunks == 2


def test_a_command_that_was_accepted_before_a_restart_counts_once(tmp_path: Path) -> None:
    """The answer to a label was lost with the process that gave it; the page sends it again."""
    ledger = LedgerFile(tmp_path / "ledger.jsonl")
    s = session(ledger)
    begin(s)
    assert s.label("press", 0, -1, "success", "Bo", S).accepted
    entries = LedgerFile(tmp_path / "ledger.jsonl").entries
    again = Session(s._config, [e.record for e in entries], None, [e.command_id for e in entries])
    assert again.label("press", 0, -1, "success", "Bo", S).accepted
    assert again.view.state == "idle" and again.view.episode == 1 and not again.take_effects()


def test_the_episodes_follow_from_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    entries = [entry(0), entry(1), entry(1, event="correct", record=record(1, "failure"))]
    for _ in range(2):
        kept = record_outcomes(path, entries)
        assert [(r.episode, r.outcome) for r in kept] == [(0, "success"), (1, "failure")]
        assert read_records(path) == kept
    assert len(path.read_text().splitlines()) == 2
    forgotten = [*entries, entry(1, event="forget"), entry(1, command_id="new")]
    assert [e.command_id for e in in_effect(forgotten)] == ["c0", "new"]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 2000))
def test_a_ledger_cut_anywhere_keeps_every_whole_line(tmp_path_factory: Any, cut: int) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    ledger = LedgerFile(path)
    for episode in range(4):
        ledger.append(entry(episode))
    content = path.read_bytes()
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    assert list(read_ledger(path)) == ledger.entries[:whole]
    again = LedgerFile(path)
    again.append(entry(9))
    assert list(read_ledger(path)) == [*ledger.entries[:whole], entry(9)]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"success"', '"failure"', "line 1: its checksum is"),
        ('{"number":0', '{"number":7', "line 1: its checksum is"),
        ("{", "[", "line 1: not a line of JSON"),
    ],
)
def test_damage_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "ledger.jsonl"
    LedgerFile(path).append(entry(0))
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=problem):
        read_ledger(path)


def test_a_missing_line_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerFile(path)
    for episode in range(3):
        ledger.append(entry(episode))
    first, _, last = path.read_text().splitlines(keepends=True)
    path.write_text(first + last)
    with pytest.raises(DataError, match="line 2: its number is 2, expected 1"):
        LedgerFile(path)


objects = st.fixed_dictionaries(
    {
        "number": st.integers(0, 2),
        "event": st.text(max_size=8),
        "record": st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
        "crc": st.integers(0, 9),
    }
)
lines = st.binary(max_size=80) | objects.map(lambda data: json.dumps(data).encode())


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, max_size=4))
def test_no_garbage_crashes_the_reader(tmp_path_factory: Any, garbage: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    path.write_bytes(b"\n".join(garbage))
    try:
        assert read_ledger(path) == ()
    except DataError as error:
        assert str(path) in str(error)


def test_a_write_that_fails_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """The limit on a file's size stands in for a full disk."""
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerFile(path)
    ledger.append(entry(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
    try:
        with pytest.raises(DataError, match="nothing was changed: File too large"):
            ledger.append(entry(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(read_ledger(path)) == ledger.entries == [entry(0)]
    ledger.append(replace(entry(1)))
    assert len(read_ledger(path)) == 2
