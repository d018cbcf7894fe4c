"""The checks of the kill test find what they are for: each sees a run that is right, and one that is not."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import kill_checks as checks
from tests.benchmarks.kill_checks import Asked
from zprl_core.record_log import RecordLog
from zprl_core.records import EpisodeRecord, Outcome
from zprl_core.rl.transition import Transition
from zprl_core.session.layouts import layout_seed
from zprl_core.session.ledger import Entry, EntryEvent

SEED = 3


def episode(number: int, outcome: Outcome, place: int | None = None) -> EpisodeRecord:
    return EpisodeRecord(
        episode=number,
        block="train",
        mode="explore",
        layout_seed=layout_seed(SEED, "training", number if place is None else place),
        outcome=outcome,
        steps=32,
        chunks=2,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="kill-test",
    )


def entry(record: EpisodeRecord, id: str = "", event: EntryEvent = "label") -> Entry:
    return Entry(event=event, command_id=id, author="kill-test", before="", stamp_ns=0, record=record)


def logged(path: Path, *records: dict[str, object]) -> bytes:
    log = RecordLog(path)
    log.truncate_to(8)
    for record in records:
        log.append(record)
    log.close()
    return path.read_bytes()


def transition(number: int, chunk: int, *, last: bool = False, reward: float = 0.0) -> dict[str, object]:
    c, z = np.ones(3, np.float32), np.ones(2, np.float32)
    made = Transition(number, chunk, c, z, z, reward, last, last, c, z)
    return {"kind": "transition", **asdict(made)}


FIRST = (transition(0, 0), transition(0, 1, last=True, reward=1.0), {"kind": "settled", "episode": 0})
SECOND = (transition(1, 0), transition(1, 1, last=True))
CORRECTED = {"kind": "correction", "episode": 0, "chunk": 1, "outcome": "failure"}


def test_a_log_survives_with_a_torn_end_and_not_without_an_acknowledged_record(tmp_path: Path) -> None:
    before, after = logged(tmp_path / "a", *FIRST), logged(tmp_path / "b", *FIRST, *SECOND)
    assert checks.log_survives(before, after, 5) == []
    assert checks.log_survives(after[:-3], after, 5) == []
    assert len(checks.log_survives(before, after[:-3], 5)) == 1
    assert len(checks.log_survives(after, before, 3)) == 1
    other = logged(tmp_path / "c", transition(0, 0, reward=0.5), *FIRST[1:])
    assert len(checks.log_survives(before, other, 3)) == 1


def test_going_on_forgets_the_open_episode_alone(tmp_path: Path) -> None:
    dead = logged(tmp_path / "a", *FIRST, *SECOND)
    kept = logged(tmp_path / "b", *FIRST)
    assert checks.log_goes_on(dead, kept, 0) == []
    assert checks.log_goes_on(dead, logged(tmp_path / "c", *FIRST, CORRECTED), 0) == []
    assert checks.log_goes_on(dead, dead, 1) == []
    assert len(checks.log_goes_on(dead, kept, 1)) == 1
    assert len(checks.log_goes_on(dead, logged(tmp_path / "d", *FIRST[:2]), 0)) == 1
    assert len(checks.log_goes_on(dead, dead, 0)) == 2


def test_the_log_has_every_chunk_once_with_the_label_in_effect(tmp_path: Path) -> None:
    log = logged(tmp_path / "a", *FIRST, *SECOND)
    records = [episode(0, "success"), episode(1, "failure"), episode(2, "void")]
    assert checks.log_agrees(log, records) == []
    corrected = logged(tmp_path / "b", *FIRST, *SECOND, CORRECTED)
    assert checks.log_agrees(corrected, [episode(0, "failure")]) == []
    assert len(checks.log_agrees(corrected, [episode(0, "success")])) == 1
    assert len(checks.log_agrees(log, [*records, episode(3, "success")])) == 1
    assert len(checks.log_agrees(logged(tmp_path / "c", *FIRST, FIRST[0]), records[:1])) == 1


@pytest.mark.parametrize(
    ("accepted", "lines", "right"),
    [
        (True, 1, True),
        (True, 0, False),
        (True, 2, False),
        (False, 0, True),
        (False, 1, False),
        (None, 0, True),
        (None, 1, True),
        (None, 2, False),
    ],
)
def test_an_accepted_label_is_in_the_ledger_once(accepted: bool | None, lines: int, right: bool) -> None:
    asked = [Asked("a", "success", 0, accepted=accepted)]
    found = checks.labels_kept(asked, [entry(episode(0, "success"), "a")] * lines)
    assert (found == []) is right


def test_a_label_that_was_forgotten_may_be_given_again_under_its_id() -> None:
    given, forgotten = entry(episode(0, "success"), "a"), entry(episode(0, "success"), event="forget")
    asked = [Asked("a", "success", 0, accepted=True)]
    assert checks.labels_kept(asked, [given, forgotten, given]) == []
    assert checks.labels_kept(asked, [given, forgotten]) == []
    assert len(checks.labels_kept(asked, [given, forgotten, given, given])) == 2


def test_an_ending_that_is_not_learned_from_keeps_its_label_in_the_log(tmp_path: Path) -> None:
    excluded = [{**line, "excluded": "refused: x"} if line.get("last") else line for line in FIRST]
    log = logged(tmp_path / "a", *excluded)
    assert checks.log_agrees(log, [episode(0, "failure")]) == []
    assert len(checks.log_agrees(logged(tmp_path / "b", *FIRST), [episode(0, "failure")])) == 1


def test_episodes_follow_from_the_ledger() -> None:
    first, second = episode(0, "success"), episode(1, "failure")
    entries = [entry(first), entry(second)]
    assert checks.ledger_in_effect(entries, [first, second]) == []
    assert checks.ledger_in_effect([*entries, entry(second, event="forget")], [first]) == []
    assert len(checks.ledger_in_effect(entries, [first])) == 1
    assert len(checks.ledger_in_effect(entries, [first, replace(second, outcome="success")])) == 1
    assert checks.ledger_in_effect([entry(second)], [second]) != []


def test_the_outcome_is_the_one_that_the_operator_was_told() -> None:
    asked = [Asked("a", "success", 0, accepted=True), Asked("b", "correct", 0, "failure", accepted=True)]
    assert checks.outcomes_as_answered(asked, [episode(0, "failure")], ()) == []
    assert len(checks.outcomes_as_answered(asked, [episode(0, "success")], ())) == 1
    assert len(checks.outcomes_as_answered(asked, [], ())) == 1
    assert checks.outcomes_as_answered(asked, [], [0]) == []
    refused = [Asked("a", "success", 0, accepted=False)]
    assert checks.outcomes_as_answered(refused, [episode(0, "failure")], ()) == []
    stopped = [Asked("", "stop", 0, accepted=True)]
    assert len(checks.outcomes_as_answered(stopped, [episode(0, "success")], ())) == 1
    assert len(checks.outcomes_as_answered([asked[0], *stopped], [episode(0, "void")], ())) == 1


def test_a_void_episode_leaves_its_layout_to_the_next() -> None:
    right = [episode(0, "success"), episode(1, "void", place=1), episode(2, "failure", place=1)]
    assert checks.layouts_in_order(right, SEED) == []
    assert len(checks.layouts_in_order([*right[:2], episode(2, "failure", place=2)], SEED)) == 1


def test_an_episode_begins_where_the_undisturbed_one_did() -> None:
    records = [episode(0, "success")]
    lines = [{"episode": 0, "chunk": 0, "c": "ab"}, {"episode": 0, "chunk": 1, "c": "cd"}]
    reference = checks.starts(lines, records)
    assert checks.same_starts(lines, records, reference) == []
    assert len(checks.same_starts([{**lines[0], "c": "ff"}], records, reference)) == 1
