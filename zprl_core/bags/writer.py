# SPDX-License-Identifier: Apache-2.0
"""Writes one bag: chunks of an MCAP file that are on their way to the disk at every `flush`."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from mcap.writer import CompressionType, Writer

from zprl_core.bags.rosbag2 import Contents, Topic

CHUNK_BYTES = 1 << 20


def being_written(path: Path) -> bool:
    """Whether a `McapFile` has the file open, in whatever process of this machine."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


class McapFile:
    """An MCAP file that is open for writing.

    Nothing is compressed: pictures would not get smaller at a price that a control machine can pay. Chunks
    carry checksums. What `flush` returned from survives a kill of this process, and not a power cut: only
    `finish` waits for the disk.

    Args:
        path: of the new file.

    The file is locked while it is open, so that `being_written` tells.

    Raises:
        OSError: it exists or cannot be made; so does every other method where the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.contents = path, Contents()
        self._topics: dict[int, Topic] = {}
        self._schemas: dict[str, int] = {}
        self._file = path.open("xb", buffering=0)
        with contextlib.suppress(OSError):  # a file system that knows no locks is written to all the same
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._mcap = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.NONE)
        self._mcap.start(profile="ros2")

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Write a metadata record."""
        self._mcap.add_metadata(name, dict(values))

    def attach(self, name: str, data: bytes, media_type: str = "application/yaml", time_ns: int = 0) -> None:
        """Write an attachment."""
        self._mcap.add_attachment(time_ns, time_ns, name, media_type, data)

    def add_topic(self, topic: Topic, definition: str, encoding: str) -> int:
        """Add a topic with its type's definition; returns the channel that `write` wants."""
        if topic.type_name not in self._schemas:
            schema = self._mcap.register_schema(topic.type_name, encoding, definition.encode())
            self._schemas[topic.type_name] = schema
        values = {"offered_qos_profiles": topic.qos, "topic_type_hash": topic.type_hash}
        channel = self._mcap.register_channel(topic.name, "cdr", self._schemas[topic.type_name], values)
        self._topics[channel] = topic
        self.contents.topics.append(topic)
        return channel

    def write(self, channel: int, data: bytes, log_ns: int, publish_ns: int, sequence: int) -> None:
        """Add a serialised message.

        Args:
            channel: see `add_topic`.
            data: CDR with its header of four bytes.
            log_ns: when it arrived here.
            publish_ns: when it was published.
            sequence: its number at the publisher; only the low 32 bits are kept.
        """
        self._mcap.add_message(channel, log_ns, data, publish_ns, sequence & 0xFFFFFFFF)
        self.contents.count(self._topics[channel], log_ns)

    def flush(self) -> None:
        """Hand everything that was written to the kernel."""
        self._mcap.flush()

    def finish(self) -> None:
        """Write what readers look up, wait for the disk, and close."""
        self._mcap.finish()
        self._mcap.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Close without a word, after an error; what reached the disk can be recovered."""
        with contextlib.suppress(OSError):
            self._file.close()
