# SPDX-License-Identifier: Apache-2.0
"""episodes.jsonl: one line per episode, appended when it ends.

A line about an episode that already has one is a correction and replaces it. A kill can tear the last line
only; a torn line is dropped by the reader and cut off by the next writer. A line ends with the CRC-32 of its
own text; those of earlier versions have none.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from zprl_core.errors import DataError

Outcome = Literal["success", "failure", "horizon", "void"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
_HOW = "move the file away: the run writes it anew from ledger.jsonl when it is taken up again"


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """One episode as the session saw it.

    Attributes:
        episode: index over the whole run, evaluation included.
        block: base_c, base_z, train, eval_<n> or final.
        mode: path of the policy: base_c, base_z, explore, steer.
        layout_seed: what drew the layout.
        outcome: success (r = 1), failure (irrecoverable), horizon (time was up), void (does not count).
        steps: ticks from the first waypoint to the ending.
        chunks: chunks that were started.
        start_stamp_ns, end_stamp_ns: time of the first waypoint and of the ending.
        label_author: who gave the outcome: "judge", a person, "horizon".
        reason: free text, such as why the episode is void.
        layout: where the objects lay, for people.
        helped_chunks: chunks in which a person had the arm.
        shadow_chunks: chunks that moved nothing, because the motors were off.
        case: robustness case of the task's `evaluation.cases`, empty for none.
    """

    episode: int
    block: str
    mode: str
    layout_seed: int
    outcome: Outcome
    steps: int
    chunks: int
    start_stamp_ns: int
    end_stamp_ns: int
    label_author: str
    reason: str = ""
    layout: str = ""
    helped_chunks: int = 0
    shadow_chunks: int = 0
    case: str = ""

    @property
    def success(self) -> bool:
        """Whether r was 1."""
        return self.outcome == "success"

    @property
    def unaided(self) -> bool:
        """Whether it succeeded, and no person had the arm."""
        return self.success and not self.helped_chunks

    @property
    def void(self) -> bool:
        """Whether the episode counts for nothing."""
        return self.outcome == "void"

    @property
    def counts(self) -> bool:
        """Whether it says how well the policy does: it is not void, and the motors were on."""
        return not (self.void or self.shadow_chunks)

    def to_json(self) -> str:
        """One line without its end and without a checksum."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    def to_line(self) -> str:
        """One line of episodes.jsonl, with its end."""
        data = dataclasses.asdict(self)
        return json.dumps({**data, "crc": checksum(data)}, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, line: str | bytes) -> EpisodeRecord:
        """The inverse of `to_json`, and of `to_line`.

        Raises:
            DataError: not such a line, or its checksum says something else; names the key.
        """
        data = parse_json(line)
        if isinstance(data, dict) and "crc" in data:
            crc = data.pop("crc")
            if crc != checksum(data):
                raise DataError(f"its checksum is {crc}, its text has {checksum(data)}")
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: object) -> EpisodeRecord:
        """A record from plain data.

        Raises:
            DataError: a key is missing, unknown, or has the wrong type.
        """
        if not isinstance(data, Mapping):
            raise DataError(f"an episode is a mapping, not {type(data).__name__}")
        values: dict[str, Any] = dict(data)
        for field in dataclasses.fields(cls):
            if field.name not in values:
                if field.default is dataclasses.MISSING:
                    raise DataError(f"an episode lacks '{field.name}'")
                continue
            wanted = int if field.type == "int" else str
            value = values[field.name]
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise DataError(f"an episode's {field.name} is {value!r}, not {wanted.__name__}")
        if values["outcome"] not in OUTCOMES:
            raise DataError(f"an episode's outcome is {values['outcome']!r}, allowed: {', '.join(OUTCOMES)}")
        try:
            return cls(**values)
        except TypeError as error:
            raise DataError(f"an episode has an unknown key: {error}") from error


def checksum(data: Mapping[str, Any]) -> int:
    """CRC-32 of plain data, as a line of JSON has it without the checksum itself."""
    return zlib.crc32(json.dumps(data, separators=(",", ":")).encode())


def parse_json(line: str | bytes) -> Any:
    """Plain data from a line of JSON.

    Raises:
        DataError: it is none.
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"not a line of JSON: {error}") from error


def append_record(path: Path, record: EpisodeRecord) -> None:
    """Append a line and wait until it is on the disk; a torn last line is cut off first."""
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        if end:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            if whole != end:
                file.truncate(whole)
        file.write(record.to_line().encode())
        file.flush()
        os.fsync(file.fileno())


def read_records(path: Path) -> tuple[EpisodeRecord, ...]:
    """All episodes in order of their index; the last line about an episode counts, a torn end does not.

    A file that does not exist yet has none.

    Raises:
        DataError: a damaged line that is not the torn last one; names file and line.
    """
    if not path.exists():
        return ()
    found: dict[int, EpisodeRecord] = {}
    *lines, _torn = _content(path).split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            record = EpisodeRecord.from_json(line)
        except DataError as error:
            raise DataError(f"{path}: line {number}: {error}; {_HOW}") from error
        found[record.episode] = record
    return tuple(found[episode] for episode in sorted(found))


def size_of(path: Path) -> int:
    """Bytes of an episodes.jsonl, by which a reader knows that lines have come; 0 where there is none yet."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
