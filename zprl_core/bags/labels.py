# SPDX-License-Identifier: Apache-2.0
"""What a run's bags say about their episodes, kept equal to episodes.jsonl.

The label that counts stands in custom_data of a bag's metadata.yaml, which is replaced in one piece when a
label is corrected. The MCAP file is not touched any more once it is finished: its record "zprl_episode" says
what was known then.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from zprl_core.bags.rosbag2 import METADATA, change_custom_data, read_metadata
from zprl_core.errors import DataError
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.run_folder import RunFolder

SUPERSEDED = "superseded"
_NAME = re.compile(r"episode_(\d{6,})")


def bag_name(episode: int) -> str:
    """The name of an episode's folder."""
    return f"episode_{episode:06d}"


def label_facts(record: EpisodeRecord) -> dict[str, str]:
    """A line of episodes.jsonl as custom_data holds it: every key, every value a text."""
    return {key: str(value) for key, value in dataclasses.asdict(record).items()}


def record_from(facts: Mapping[str, str]) -> EpisodeRecord:
    """The inverse of `label_facts`; other facts may stand among them.

    Raises:
        DataError: a key is missing or has no number where one belongs.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(EpisodeRecord):
        if field.name in facts:
            text = facts[field.name]
            values[field.name] = int(text) if field.type == "int" and text.isdigit() else text
    return EpisodeRecord.from_dict(values)


class Episodes:
    """episodes.jsonl as it grows: a line is read once, unless the file is replaced by another one. A long run
    has thousands of lines, and a recorder that read them all for every episode would fall behind.

    Attributes:
        records: the last line about each episode, of those that `look` has seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._end, self._lines = 0, 0, 0
        self.records: dict[int, EpisodeRecord] = {}

    def look(self) -> set[int]:
        """The episodes about which there are new whole lines.

        Raises:
            DataError: a damaged line; names file and line.
        """
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino != self._inode or status.st_size < self._end:
                    self._inode, self._end, self._lines, self.records = status.st_ino, 0, 0, {}
                file.seek(self._end)
                *lines, _torn = file.read().split(b"\n")
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise DataError(f"{self._path}: cannot be read: {error.strerror}") from error
        return {self._take(line) for line in lines}

    def _take(self, line: bytes) -> int:
        try:
            record = EpisodeRecord.from_json(line)
        except DataError as error:
            raise DataError(f"{self._path}: line {self._lines + 1}: {error}") from error
        self._end, self._lines = self._end + len(line) + 1, self._lines + 1
        self.records[record.episode] = record
        return record.episode


class Labels:
    """The labels of a run's finished bags.

    Args:
        run: its folder.

    Raises:
        DataError: a bag's metadata.yaml is damaged.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._said: dict[int, dict[str, str]] = {}
        self._episodes, self._unread = Episodes(run.episodes_file), set[int]()
        for path in sorted(run.bags.glob(f"episode_*/{METADATA}")):
            if match := _NAME.fullmatch(path.parent.name):
                self._said[int(match[1])] = read_metadata(path.parent).get("custom_data") or {}

    def record(self, episode: int) -> EpisodeRecord | None:
        """What episodes.jsonl says about an episode now; None: it has no outcome, or was never running."""
        self._unread |= self._episodes.look()
        return self._episodes.records.get(episode)

    def note(self, episode: int, custom: dict[str, str]) -> None:
        """A bag was finished that says this."""
        self._said[episode] = custom

    def agree(self) -> list[int]:
        """Bring every bag up to what episodes.jsonl says; returns the episodes whose bags were changed.

        Raises:
            DataError: episodes.jsonl or a metadata.yaml is damaged.
            OSError: a metadata.yaml cannot be written.
        """
        changed = []
        self._unread |= self._episodes.look()
        for episode in sorted(self._unread):
            said, wanted = self._said.get(episode), label_facts(self._episodes.records[episode])
            if said is not None and not wanted.items() <= said.items():
                change_custom_data(self._run.bags / bag_name(episode), wanted)
                self._said[episode] = {**said, **wanted}
                changed.append(episode)
            self._unread.discard(episode)
        return changed

    def make_room(self, episode: int) -> Path:
        """The folder for an episode's bag. One that has its place, as the number of an episode that left no
        record is used again, and so is one that a resumed run repeats, goes to bags/superseded.

        Raises:
            OSError: it cannot be moved.
        """
        folder = self._run.bags / bag_name(episode)
        self._said.pop(episode, None)
        if folder.exists():
            _supersede(folder)
        return folder


def set_aside_unrecorded(run: RunFolder, recorded: Collection[int]) -> list[int]:
    """Move the bags of all other episodes to bags/superseded: a session that goes on uses their numbers
    again, and their motion must not get the label of what comes then.

    Returns:
        The episodes whose bags were moved.

    Raises:
        OSError: one cannot be moved.
    """
    moved = []
    for folder in sorted(run.bags.glob("episode_*")):
        if (match := _NAME.fullmatch(folder.name)) and int(match[1]) not in recorded:
            _supersede(folder)
            moved.append(int(match[1]))
    return moved


def _supersede(bag: Path) -> None:
    aside = bag.parent / SUPERSEDED
    aside.mkdir(exist_ok=True)
    number = sum(1 for _ in aside.glob(f"{bag.name}-*"))
    bag.rename(aside / f"{bag.name}-{number}")


def agree_with_run(bag: Path) -> None:
    """Bring one bag up to the episodes.jsonl of the run that it lies in; elsewhere it stays as it is.

    Raises:
        DataError: episodes.jsonl or the bag's metadata.yaml is damaged.
        OSError: metadata.yaml cannot be written.
    """
    if known := known_to_run(bag):
        change_custom_data(bag, known)


def known_to_run(bag: Path) -> dict[str, str]:
    """What the run that a bag lies in knows of its episode, by now; empty for one that lies elsewhere.

    A label that is corrected while nothing records stands there, and not in the bag.

    Raises:
        DataError: episodes.jsonl is damaged.
    """
    run, match = RunFolder(bag.absolute().parent.parent), _NAME.fullmatch(bag.name)
    if match is None or bag.absolute().parent != run.bags:
        return {}
    records = [each for each in read_records(run.episodes_file) if each.episode == int(match[1])]
    return label_facts(records[-1]) if records else {}
