# SPDX-License-Identifier: Apache-2.0
"""Reads MCAP files that may have been cut off at any byte, record by record, and says what is in them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, Footer, Header, Message, Metadata, Schema
from mcap.stream_reader import CRCValidationError, breakup_chunk
from mcap.writer import MCAP0_MAGIC

from zprl_core.bags.rosbag2 import Contents, Topic
from zprl_core.errors import DataError

_HEAD = struct.Struct("<BQ")
_RECORDS: dict[int, Any] = {
    Opcode.HEADER: Header,
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.CHUNK: Chunk,
    Opcode.ATTACHMENT: Attachment,
    Opcode.METADATA: Metadata,
    Opcode.FOOTER: Footer,
}
"""Records that hold something of their own; all others are derived from them."""
Record = Schema | Channel | Message | Attachment | Metadata


@dataclass
class Damage:
    """What could not be read.

    Attributes:
        finished: whether the file has its end, so that nothing was cut off.
        lost_bytes: behind the last whole record.
        chunks: offsets of chunks whose content does not match their checksum.
    """

    finished: bool = False
    lost_bytes: int = 0
    chunks: list[int] = field(default_factory=list)


def bag_file(path: Path) -> Path:
    """The MCAP file of a bag, which may be named by its folder.

    Raises:
        DataError: there is none, or the folder holds several.
    """
    if path.is_dir():
        found = sorted(path.glob("[!.]*.mcap"))
        if len(found) != 1:
            what = "no .mcap file" if not found else f"{len(found)} .mcap files, name the one that is meant"
            raise DataError(f"{path}: holds {what}")
        return found[0]
    if not path.is_file():
        raise DataError(f"{path}: does not exist. A bag is a folder such as RUN/bags/episode_000012")
    return path


def records(path: Path, damage: Damage) -> Iterator[Record]:
    """Schemas, channels, messages, attachments and metadata up to the last whole record, in order.

    Chunks with a wrong checksum are left out. What is wrong with the file is added to `damage` on the way,
    and is complete at the end.

    Raises:
        DataError: not an MCAP file.
    """
    for offset, record in _whole(path, damage):
        if isinstance(record, Chunk):
            try:
                inside = breakup_chunk(record, validate_crc=True)
            except (CRCValidationError, McapError, struct.error, ValueError):
                damage.chunks.append(offset)
                continue
            yield from (r for r in inside if isinstance(r, Schema | Channel | Message))
        elif not isinstance(record, Header | Footer):
            yield record


def _whole(path: Path, damage: Damage) -> Iterator[tuple[int, Any]]:
    """(offset, record) of the records that are there as a whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(len(MCAP0_MAGIC))
        if not MCAP0_MAGIC.startswith(magic):
            raise DataError(f"{path}: is not an MCAP file (it starts with {magic!r})")
        offset = len(magic)
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            opcode, length = _HEAD.unpack(head)
            if opcode == 0 or offset + _HEAD.size + length > size:
                break  # 0 is no opcode: a power cut can leave zeros
            if opcode in _RECORDS:
                yield offset, _RECORDS[opcode].read(ReadDataStream(BytesIO(file.read(length))))
            else:
                file.seek(length, os.SEEK_CUR)
            offset += _HEAD.size + length
            if opcode == Opcode.FOOTER and size - offset == len(MCAP0_MAGIC):
                damage.finished = True
                return
        damage.lost_bytes = size - offset


@dataclass(frozen=True)
class Description:
    """What a bag holds.

    Attributes:
        path: of its MCAP file.
        contents: its topics and times.
        metadata: its metadata records by name; of two with one name the later.
        attachments: names and sizes in bytes.
        damage: what could not be read.
    """

    path: Path
    contents: Contents
    metadata: dict[str, dict[str, str]]
    attachments: dict[str, int]
    damage: Damage


def describe(path: Path) -> Description:
    """Read a bag from beginning to end.

    Raises:
        DataError: see `bag_file` and `records`.
    """
    file = bag_file(path)
    found = Description(file, Contents(), {}, {}, Damage())
    schemas: dict[int, str] = {}
    topics: dict[int, Topic] = {}
    for record in records(file, found.damage):
        if isinstance(record, Schema):
            schemas[record.id] = record.name
        elif isinstance(record, Channel) and record.id not in topics:
            topics[record.id] = topic_of(record, schemas.get(record.schema_id, ""))
            found.contents.topics.append(topics[record.id])
        elif isinstance(record, Message):
            found.contents.count(topics[record.channel_id], record.log_time)
        elif isinstance(record, Metadata):
            found.metadata[record.name] = record.metadata
        elif isinstance(record, Attachment):
            found.attachments[record.name] = len(record.data)
    return found


def topic_of(channel: Channel, type_name: str) -> Topic:
    """The topic that a channel stands for, without a message yet."""
    values = channel.metadata
    qos, type_hash = values.get("offered_qos_profiles", ""), values.get("topic_type_hash", "")
    return Topic(channel.topic, type_name, qos, type_hash)
