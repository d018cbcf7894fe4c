"""The check behind tests/benchmarks/panel_abuse.py: it sees a label that is lost, doubled or misplaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.benchmarks import panel_agreement as agreement
from tests.benchmarks.panel_operator import Entry, Expectation, reasons
from tests.panel.bench import record
from zprl_core.session.ledger import Entry as Line

SHOWN = (
    "success (episode 0): sent, waiting for the session",
    "success (episode 0): accepted",
    "start (episode 0): accepted",
    "failure (episode 1): accepted",
    "undo (episode 1): accepted",
    "success (episode 1): refused. label is for episode 1, this is episode 2",
    "stop (episode 1): accepted",
    "stop (episode 2): accepted",
    "failure (episode 2): accepted",
    "Episode 0 to failure: accepted",
)


def told(*names: tuple[str, str, int]) -> list[Entry]:
    """Answers: (id, name, episode), all accepted, and the texts that the page shows for them."""
    made: list[Entry] = []
    for id, name, episode in names:
        at = float(len(made))
        made.append(
            {"kind": "answer", "id": id, "name": name, "episode": episode, "accepted": True, "at": at}
        )
        made.append({"kind": "shown", "text": f"{name} (episode {episode}): accepted", "at": at})
    return made


def line(id: str, episode: int, outcome: str, event: Any = "label") -> Line:
    kept = record(episode, outcome, steps=32)
    return Line(event=event, command_id=id, author="operator-1", before="", stamp_ns=0, record=kept)


def chunk(
    episode: int, number: int, reward: float = 0.0, *, last: bool = False, **more: Any
) -> dict[str, Any]:
    ending = {"reward": reward, "terminal": last, "last": last, "excluded": ""}
    return {"kind": "transition", "episode": episode, "chunk": number, **ending, **more}


def correction(episode: int, outcome: str) -> dict[str, Any]:
    return {"kind": "correction", "episode": episode, "chunk": 1, "outcome": outcome}


def test_the_last_accepted_answer_counts_and_a_label_counts_more_than_a_stop() -> None:
    entries = [{"kind": "shown", "text": text, "at": float(n)} for n, text in enumerate(SHOWN)]
    assert Expectation.of(reversed(entries)).outcomes == {0: "failure", 1: "void", 2: "failure"}


def test_an_id_is_what_it_was_when_it_was_first_accepted() -> None:
    again = Expectation.of([*told(("a", "success", 0)), *told(("a", "failure", 3))])
    assert [(e["name"], e["episode"]) for e in again.accepted.values()] == [("success", 0)]


def test_refusals_are_counted_once_per_id_and_without_numbers() -> None:
    no = {"kind": "answer", "accepted": False, "reason": "start is for episode 4, this is episode 15"}
    shown = {"kind": "shown", "text": "success: not possible now: Idle"}
    assert reasons([{**no, "id": "a"}, {**no, "id": "a"}, {**no, "id": "b"}, shown]) == {
        "start is for episode N, this is episode N": 2,
        "by the page: not possible now": 1,
    }


EXPECTED = Expectation.of(told(("a", "success", 0), ("b", "failure", 1), ("c", "abort", 2)))
LINES = [line("a", 0, "success"), line("b", 1, "failure"), line("c", 2, "void", "abort")]


def test_a_ledger_that_agrees() -> None:
    assert agreement.ledger_against(EXPECTED, LINES) == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (LINES[:2], "episode 2: the page said void, the ledger says None"),
        ([*LINES, line("b", 1, "failure")], "command b: 2 lines"),
        ([*LINES[:2], line("c", 3, "void", "abort")], "command c: abort, the page was told of (2, 'abort')"),
        ([line("a", 0, "failure"), *LINES[1:]], "episode 0: the page said success, the ledger says failure"),
        ([*LINES, line("d", 3, "success")], "command d: success, the page was told of None"),
        (LINES[1:], "command a (success) is not in the ledger"),
    ],
    ids=["lost", "doubled", "misplaced", "another", "unasked", "forgotten"],
)
def test_a_ledger_that_does_not_agree(lines: list[Line], words: str) -> None:
    assert any(words in wrong for wrong in agreement.ledger_against(EXPECTED, lines))


RECORDS = {entry.record.episode: entry.record for entry in LINES}
LOG = [
    *(chunk(0, 0), chunk(0, 1, 1.0, last=True)),
    *(chunk(1, 0), chunk(1, 1, 1.0, last=True), correction(1, "failure")),
    *(chunk(2, 0), chunk(2, 1, 1.0, last=True), correction(2, "void")),
]


def test_a_learner_that_agrees() -> None:
    assert agreement.learner_against(LOG, RECORDS) == []
    excluded = [*LOG[:1], chunk(0, 1, 1.0, last=True, excluded="refused"), *LOG[2:]]
    assert agreement.learner_against(excluded, RECORDS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log[:1] + log[2:], "episode 0: None, the record (1, 1.0, True)"),
        (lambda log: log[:4] + log[5:], "episode 1: (1, 1.0, True), the record (1, 0.0, True)"),
        (lambda log: log[:7], "episode 2: (1, 1.0, True), the record None"),
        (lambda log: [*log, log[0]], "(0, 0) is there 2 times"),
        (lambda log: [*log, chunk(3, 0, 1.0, last=True)], "an ending of episode 3, which has no record"),
        (lambda log: [chunk(0, 0, 1.0), *log[1:]], "chunk 0 of 0 has a label, and is no ending"),
    ],
    ids=["lost", "uncorrected", "void", "doubled", "stranger", "midway"],
)
def test_a_learner_that_does_not_agree(change: Callable[[list[Any]], list[Any]], words: str) -> None:
    assert any(words in wrong for wrong in agreement.learner_against(change(LOG), RECORDS))


def test_what_the_session_told_is_every_change_of_an_outcome() -> None:
    states = [(0, ""), (0, "success"), (0, "success"), (0, ""), (0, "failure"), (1, ""), (1, "void")]
    assert agreement.outcomes_told(states) == {0: ["success", "", "failure"], 1: ["void"]}


def test_a_horizon_that_was_corrected_is_not_terminal() -> None:
    log = [chunk(0, 0), chunk(0, 1, 1.0, last=True), correction(0, "horizon")]
    assert agreement.learner_against(log, {0: replace(RECORDS[0], outcome="horizon")}) == []
