"""The ledger: every outcome, undo and correction of a run, written and synced before it takes effect.

RUN/ledger.jsonl, one JSON object a line, numbered from 0 without gaps, each with the CRC-32 of its own
text. Lines are only ever appended. A kill can tear the last line, which was not acknowledged then: readers
ignore it and the next writer cuts it off. Anything else that does not fit is damage, and an error.

`episodes.jsonl` follows from it: the last record of each episode here is the truth.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

from zprl_core.errors import DataError
from zprl_core.records import EpisodeRecord, append_record, checksum, parse_json, read_records

EntryEvent = Literal["label", "horizon", "abort", "stop", "fault", "undo", "correct", "forget"]
EVENTS: tuple[str, ...] = get_args(EntryEvent)
_KEYS = {"event": str, "command_id": str, "author": str, "before": str, "stamp_ns": int, "record": dict}
_HOW = "see RUN/episodes.jsonl for what was recorded, and keep the damaged file"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What happened to an episode's outcome.

    Attributes:
        event: what; "label" is also an automatic judge's, "horizon" the end of the time to judge, "forget"
            says that this episode and those behind it will be run again (a lockstep run that was killed).
        command_id: of the command that asked for it; empty where nobody did.
        author: who.
        before: the outcome until then; empty where there was none.
        stamp_ns: the session's time, ns; simulated time in lockstep.
        record: of the episode, from now on.
    """

    event: EntryEvent
    command_id: str
    author: str
    before: str
    stamp_ns: int
    record: EpisodeRecord


class Ledger(Protocol):
    """Where a session enters what it is about to do."""

    def append(self, entry: Entry) -> None:
        """Keep an entry for good.

        Raises:
            DataError: it could not be kept; nothing of it was.
        """


class LedgerFile:
    """A ledger on the disk.

    Args:
        path: RUN/ledger.jsonl; made with its first entry.

    Attributes:
        entries: those of earlier starts, and since.

    Raises:
        DataError: see `read_ledger`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries, self._end = _read(path)

    def append(self, entry: Entry) -> None:
        """See `Ledger.append`; on the disk when this returns."""
        data = _line(len(self.entries), entry, time.time_ns())
        try:
            with self.path.open("r+b" if self.path.exists() else "x+b", buffering=0) as file:
                try:
                    _write(file.fileno(), self._end, data)
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(self._end)
                    raise
        except OSError as error:
            raise DataError(
                f"{self.path}: the entry could not be written, and nothing was changed: {error.strerror}; "
                "free some space or make the folder writable, then try again"
            ) from error
        self._end += len(data)
        self.entries.append(entry)


def read_ledger(path: Path) -> tuple[Entry, ...]:
    """All entries in order; a file that does not exist has none, a torn end is ignored.

    Raises:
        DataError: a line before the end that is damaged, missing or doubled; names file and line.
    """
    return tuple(_read(path)[0])


def in_effect(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of episodes that were not forgotten since."""
    kept: list[Entry] = []
    for entry in entries:
        if entry.event == "forget":
            kept = [other for other in kept if other.record.episode < entry.record.episode]
        else:
            kept.append(entry)
    return kept


def record_outcomes(path: Path, entries: Iterable[Entry]) -> tuple[EpisodeRecord, ...]:
    """Bring `episodes.jsonl` up to the ledger, after a kill between the two; returns all its records.

    Raises:
        DataError: a damaged line; names file and line.
    """
    known = {record.episode: record for record in read_records(path)}
    latest = {entry.record.episode: entry.record for entry in in_effect(entries)}
    for record in latest.values():
        if known.get(record.episode) != record:
            append_record(path, record)
    return tuple(record for _, record in sorted({**known, **latest}.items()))


def _write(descriptor: int, offset: int, data: bytes) -> None:
    os.ftruncate(descriptor, offset)
    left = memoryview(data)
    while left:
        done = os.pwrite(descriptor, left, offset)
        offset, left = offset + done, left[done:]
    os.fsync(descriptor)


def _line(number: int, entry: Entry, written_ns: int) -> bytes:
    data = {"number": number, "written_ns": written_ns, **asdict(entry)}
    return json.dumps({**data, "crc": checksum(data)}, separators=(",", ":")).encode() + b"\n"


def _read(path: Path) -> tuple[list[Entry], int]:
    """Entries, and the offset behind the last whole line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    *lines, torn = content.split(b"\n")
    entries = []
    for number, line in enumerate(lines):
        try:
            entries.append(_entry(number, line))
        except DataError as error:
            raise DataError(f"{path}: line {number + 1}: {error}; {_HOW}") from error
    return entries, len(content) - len(torn)


def _entry(number: int, line: bytes) -> Entry:
    data = parse_json(line)
    if not isinstance(data, dict):
        raise DataError(f"holds {type(data).__name__}, not an object")
    crc = data.pop("crc", None)
    if crc != checksum(data):
        raise DataError(f"its checksum is {crc}, its text has {checksum(data)}")
    if data.get("number") != number:
        raise DataError(f"its number is {data.get('number')}, expected {number}")
    for key, kind in _KEYS.items():
        if not isinstance(data.get(key), kind):
            raise DataError(f"{key} is {data.get(key)!r}, not {kind.__name__}")
    if data["event"] not in EVENTS:
        raise DataError(f"event {data['event']!r} is unknown, allowed: {', '.join(EVENTS)}")
    record = EpisodeRecord.from_dict(data["record"])
    return Entry(**{key: data[key] for key in _KEYS if key != "record"}, record=record)
