"""What must hold of a run's files after a kill, and after the run was taken up again. Pure: bytes and records
in, violations out; an empty list is a pass.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zprl_core import record_log
from zprl_core.plan import TRAIN
from zprl_core.records import EpisodeRecord
from zprl_core.rl.transition import Transition, outcome_of
from zprl_core.session.layouts import layout_seed
from zprl_core.session.ledger import Entry, in_effect

LABELS = ("success", "failure")
ENTERED = (*LABELS, "abort", "undo", "correct")
"""What gets a line in the ledger when it is accepted."""
UNDONE = "undone"


@dataclass(frozen=True)
class Asked:
    """A label or command: accepted None means that no answer came; value is that of a correction."""

    id: str
    name: str
    episode: int
    value: str = ""
    accepted: bool | None = None
    reason: str = ""


def log_survives(before: bytes, after: bytes, acknowledged: int) -> list[str]:
    """Nothing that was in the learner's log before the kill, or acknowledged, is missing behind it."""
    whole, found = before[: _end(before)], len(_records(after))
    problems = []
    if not after.startswith(whole):
        problems.append("the learner's log does not begin with what it held before the kill")
    if found < acknowledged:
        problems.append(f"the learner acknowledged {acknowledged} records, its log has {found}")
    return problems


def log_goes_on(dead: bytes, resumed: bytes, last_episode: int) -> list[str]:
    """Taken up again, the log is byte for byte what it was up to the last recorded episode. Behind it are
    only corrections of those episodes.
    """
    end = len(record_log.MAGIC)
    for offset, record in _records(dead):
        if record["episode"] > last_episode:
            break
        end = offset
    if not resumed.startswith(dead[:end]):
        return [f"a record up to episode {last_episode} was lost or changed by going on"]
    behind = [record for offset, record in _records(resumed) if offset > end]
    return [
        f"a {record['kind']} of episode {record['episode']} came into the log by going on"
        for record in behind
        if record["kind"] != "correction" or record["episode"] > last_episode
    ]


def log_agrees(log: bytes, records: Iterable[EpisodeRecord]) -> list[str]:
    """Every chunk of a training episode that counts is in the log once, its ending as it is labelled.

    An ending that is not learned from keeps its first label there: nothing depends on it.
    """
    outcomes: dict[tuple[int, int], str] = {}
    excluded: set[tuple[int, int]] = set()
    count: Counter[tuple[int, int]] = Counter()
    for _, line in _records(log):
        key = (line["episode"], line.get("chunk", -1))
        if line["kind"] == "transition":
            count[key] += 1
            transition = Transition(**{name: value for name, value in line.items() if name != "kind"})
            outcomes[key] = outcome_of(transition) if transition.last else ""
            if transition.excluded:
                excluded.add(key)
        elif line["kind"] == "correction":
            outcomes[key] = line["outcome"]
    problems = [f"transition {key} is in the log {n} times" for key, n in count.items() if n > 1]
    for record in records:
        if record.block != TRAIN or record.void:
            continue
        lost = [chunk for chunk in range(record.chunks) if (record.episode, chunk) not in count]
        if lost:
            problems.append(f"episode {record.episode}: chunks {lost} are not in the log")
        elif (ending := (record.episode, record.chunks - 1)) in excluded:
            continue
        elif (got := outcomes[ending]) != record.outcome:
            problems.append(f"episode {record.episode}: the log says {got!r}, the session {record.outcome}")
    return problems


def labels_kept(asked: Iterable[Asked], entries: Sequence[Entry]) -> list[str]:
    """Every accepted label is in the ledger once, a refused one never, one without an answer at most once.

    What was forgotten is run again, and an automatic judge then gives the same label under the same id.
    """
    effective = Counter(entry.command_id for entry in in_effect(entries) if entry.command_id)
    count = Counter(entry.command_id for entry in entries if entry.command_id)
    count = Counter({id: min(n, max(effective[id], 1)) for id, n in count.items()})
    wanted = {True: (1, 1), False: (0, 0), None: (0, 1)}
    problems = [f"id {id} is in the ledger {n} times" for id, n in count.items() if n > 1]
    for one in asked:
        low, high = wanted[one.accepted] if one.name in ENTERED else (0, 1)
        if not low <= count[one.id] <= high:
            what = f"{one.name} of episode {one.episode}, accepted: {one.accepted}"
            problems.append(f"{what}, is in the ledger {count[one.id]} times")
    return problems


def ledger_in_effect(entries: Sequence[Entry], records: Sequence[EpisodeRecord]) -> list[str]:
    """episodes.jsonl says what the ledger says, for every episode without a gap."""
    latest = {entry.record.episode: entry.record for entry in in_effect(entries)}
    problems = [
        f"episode {record.episode}: recorded {record.outcome}, in the ledger {latest.get(record.episode)}"
        for record in records
        if latest.get(record.episode) != record
    ]
    numbers = [record.episode for record in records]
    if numbers != list(range(len(numbers))) or len(latest) != len(records):
        problems.append(f"episodes are not numbered without gaps: {numbers}, ledger {sorted(latest)}")
    return problems


def outcomes_as_answered(
    asked: Iterable[Asked], records: Iterable[EpisodeRecord], forgotten: Iterable[int]
) -> list[str]:
    """The outcome of an episode is the last that its operator was told to have been accepted.

    Args:
        asked: in order. records: of the run. forgotten: episodes that were run again after all of that; what
            was asked of them before must not be in `asked`.
    """
    told: dict[int, str | None] = {}
    for one in asked:
        if one.accepted is None and one.name in ENTERED:
            told[one.episode] = None  # either
        elif one.accepted and one.name in ENTERED:
            named = {"abort": "void", "undo": UNDONE, "correct": one.value}
            told[one.episode] = named.get(one.name, one.name)
        elif one.accepted and one.name in ("stop", "fault"):
            told[one.episode] = "void" if told.get(one.episode) in (None, UNDONE) else told[one.episode]
    found = {record.episode: record.outcome for record in records}
    skipped = set(forgotten)
    return [
        f"episode {episode}: the operator was told {outcome}, recorded is {found.get(episode)}"
        for episode, outcome in told.items()
        if outcome not in (None, UNDONE) and episode not in skipped
        if found.get(episode, "void") != outcome
    ]


def layouts_in_order(records: Iterable[EpisodeRecord], seed: int) -> list[str]:
    """Each episode has the layout of its place: that of an undisturbed run with this seed."""
    counted: Counter[str] = Counter()
    problems = []
    for record in records:
        kind = "training" if record.block == TRAIN else "evaluation"
        if record.layout_seed != layout_seed(seed, kind, counted[record.block]):
            problems.append(f"episode {record.episode}: not layout {counted[record.block]} of {kind}")
        counted[record.block] += not record.void
    return problems


def same_starts(
    chunks: Iterable[Mapping[str, Any]], records: Iterable[EpisodeRecord], reference: Mapping[int, str]
) -> list[str]:
    """What the policy saw first of an episode is, to the bit, what it saw of that layout undisturbed.

    Args:
        chunks: lines of chunks.log. records: episodes. reference: hash of c of chunk 0 by layout seed.
    """
    layouts = {record.episode: record.layout_seed for record in records}
    return [
        f"episode {line['episode']} begins with c = {line['c']}, undisturbed with {wanted}"
        for line in chunks
        if line["chunk"] == 0 and line["episode"] in layouts
        if (wanted := reference.get(layouts[line["episode"]], line["c"])) != line["c"]
    ]


def starts(chunks: Iterable[Mapping[str, Any]], records: Iterable[EpisodeRecord]) -> dict[int, str]:
    """The reference of `same_starts` from an undisturbed run."""
    layouts = {record.episode: record.layout_seed for record in records}
    return {layouts[line["episode"]]: line["c"] for line in chunks if line["chunk"] == 0}


def _records(log: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Whole records and the offsets behind them."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(log)
        file.flush()
        return list(record_log.read(Path(file.name)))


def _end(log: bytes) -> int:
    """Offset behind the last whole record."""
    return max((offset for offset, _ in _records(log)), default=min(len(log), len(record_log.MAGIC)))
