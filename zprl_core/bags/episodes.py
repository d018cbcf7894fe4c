# SPDX-License-Identifier: Apache-2.0
"""One bag an episode: begins with its reset, takes in what arrives, and is finished by the next one."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from zprl_core.bags.definitions import ENCODING, Definition
from zprl_core.bags.labels import Labels, label_facts
from zprl_core.bags.rosbag2 import DISTRO_KEY, RECORD, Topic, write_metadata
from zprl_core.bags.writer import McapFile
from zprl_core.run_folder import RunFolder

RUN_RECORD, EPISODE_RECORD = "zprl_run", "zprl_episode"
"""Metadata records that a bag begins and ends with."""
TAIL_NS = 1_000_000_000
"""What arrives this long after an outcome is still the episode's: the last chunk's report, an update."""
ALWAYS = "/session/"
"""Topics whose messages are kept until the next episode: a label can be undone until then."""
_BEGUN = ".begun"
"""Folder of a bag that has not all of its beginning yet."""
_BEGINS, _ENDS = "resetting", "done"
_LIVE = ("resetting", "ready", "running", "judging", "paused")


GIB = 1 << 30


class RoomError(OSError):
    """There is less room than the rig keeps for other things; what was recorded is whole and can go on."""


@dataclass(frozen=True)
class Source:
    """A topic that is recorded: its name, what its publishers offer (see `qos_text`), and its type."""

    name: str
    qos: str
    definition: Definition


class EpisodeBags:
    """The bags of a run, of which at most one is open.

    Every method that writes raises OSError where the disk is full; after `abandon` the bag that was open can
    be recovered up to there.

    Args:
        run: its folder. Bags of earlier starts are brought up to episodes.jsonl.
        facts: about the run, for the record "zprl_run" and custom_data.
        distro: release of ROS 2.
        reserve_gib: see `RecordingConfig`.

    Raises:
        DataError: an earlier bag's metadata.yaml, or episodes.jsonl, is damaged.
    """

    def __init__(
        self, run: RunFolder, facts: Mapping[str, str], distro: str, reserve_gib: float = 0.0
    ) -> None:
        self._run, self._facts, self._distro = run, dict(facts), distro
        self._reserve_gib = reserve_gib
        run.bags.mkdir(exist_ok=True)
        self.labels = Labels(run)
        self.labels.agree()
        self._file: McapFile | None = None
        self._channels: dict[str, int] = {}
        self._episode, self._state, self._until_ns = -1, "", 0
        self._latched: dict[str, tuple[Source, bytes, int, int]] = {}
        self.lost: dict[str, int] = {}

    @property
    def folder(self) -> str:
        """Of the open bag, empty where none is that has its beginning."""
        folder = self._file.path.parent if self._file else None
        return str(folder) if folder is not None and folder.name != _BEGUN else ""

    def session(self, state: str, episode: int, now_ns: int) -> None:
        """The session has come into a state: a reset begins a bag, an outcome ends what goes into it.

        A bag is finished by the next reset or the end of the run, so that a label which is undone until then
        is in it.
        """
        if state == _BEGINS and self._state != _BEGINS:
            self.finish()
            self._open(episode, now_ns)
        if self._state in _LIVE and state not in _LIVE:
            self._until_ns = now_ns + TAIL_NS
        self._state = state

    def latch(self, source: Source, data: bytes, publish_ns: int, sequence: int) -> None:
        """Keep the newest message of a topic that is published before the episodes that need it; every bag
        begins with it.
        """
        self._latched[source.name] = (source, data, publish_ns, sequence)

    def write(self, source: Source, data: bytes, log_ns: int, publish_ns: int, sequence: int) -> None:
        """Take in a serialised message; see `McapFile.write`. Between episodes it is left out."""
        if self._file is not None and self.takes(source, log_ns):
            self._file.write(self._channel(source, self._file), data, log_ns, publish_ns, sequence)

    def takes(self, source: Source, log_ns: int) -> bool:
        """Whether a message that arrived at this time belongs to an episode."""
        if self._file is None:
            return False
        return self._state in _LIVE or log_ns <= self._until_ns or source.name.startswith(ALWAYS)

    def flush(self, now_ns: int) -> None:
        """Hand to the kernel what was written since the last flush, or finish the last bag: some time after
        "done", as the last chunk's report may come after that.

        Raises:
            RoomError: see `require_room`; it was handed over all the same.
        """
        if self._state == _ENDS and now_ns > self._until_ns:
            self.finish()
        elif self._file is not None:
            self._file.flush()
            self.require_room()

    def require_room(self) -> None:
        """Look at the disk.

        Raises:
            RoomError: there is less room than is kept for checkpoints and records.
        """
        free_gib = shutil.disk_usage(self._run.bags).free / GIB
        if free_gib < self._reserve_gib:
            kept = f"{self._reserve_gib:g} GiB are kept for checkpoints and records (recording.reserve_gib)"
            raise RoomError(errno.ENOSPC, f"{free_gib:.2f} GiB are free on the disk, {kept}")

    def finish(self) -> None:
        """Finish the open bag, if there is one, and bring older ones up to corrected labels."""
        file = self._file
        if file is not None:
            record = self.labels.record(self._episode)
            label = label_facts(record) if record else {"episode": str(self._episode), "outcome": ""}
            lost = ", ".join(f"{topic} {count}" for topic, count in sorted(self.lost.items()) if count)
            file.add_metadata(EPISODE_RECORD, {**label, "lost": lost})
            file.finish()
            custom = {**self._facts, **label, "lost": lost}
            write_metadata(file.path.parent, file.path.name, file.contents, custom, self._distro)
            self.labels.note(self._episode, custom)
            self._file = None
        self.labels.agree()

    def abandon(self) -> None:
        """Close the open bag as it is."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _open(self, episode: int, now_ns: int) -> None:
        """Begin a bag, which is there once its beginning is on the way to the disk: after a kill, every
        bag that is found has something to recover.
        """
        folder, begun = self.labels.make_room(episode), self._run.bags / _BEGUN
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir()
        self._episode, self._channels, self.lost = episode, {}, {}
        self._file = file = McapFile(begun / f"{folder.name}_0.mcap")
        file.add_metadata(RECORD, {DISTRO_KEY: self._distro})
        file.add_metadata(RUN_RECORD, self._facts)
        for path in (self._run.task_file, self._run.rig_file):
            file.attach(path.name, path.read_bytes(), "application/yaml", now_ns)
        for source, data, publish_ns, sequence in self._latched.values():
            file.write(self._channel(source, file), data, now_ns, publish_ns, sequence)
        file.flush()
        begun.rename(folder)
        file.path = folder / file.path.name

    def _channel(self, source: Source, file: McapFile) -> int:
        if source.name not in self._channels:
            definition = source.definition
            topic = Topic(source.name, definition.type_name, source.qos, definition.hash)
            self._channels[source.name] = file.add_topic(topic, definition.text, ENCODING)
        return self._channels[source.name]
