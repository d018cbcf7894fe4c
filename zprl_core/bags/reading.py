# SPDX-License-Identifier: Apache-2.0
"""Reads MCAP files that may have been cut off at any byte, record by record, and says what is in them."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, Footer, Message, Metadata, Schema, Statistics
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC

from zprl_core.bags.rosbag2 import Contents, Topic
from zprl_core.errors import DataError

_HEAD = struct.Struct("<BQ")
_CRC = struct.Struct("<I")
_RECORDS: dict[int, Any] = {
    Opcode.CHUNK: Chunk,
    Opcode.ATTACHMENT: Attachment,
    Opcode.METADATA: Metadata,
}
"""Records that hold something of their own; all others are derived from them."""
_SUMMARY: dict[int, Any] = {
    Opcode.SCHEMA: Schema,
    Opcode.CHANNEL: Channel,
    Opcode.STATISTICS: Statistics,
    Opcode.FOOTER: Footer,
}
_FOOTER_BYTES = 20
_UNREADABLE = (McapError, struct.error, ValueError, OverflowError)
Record = Schema | Channel | Message | Attachment | Metadata


@dataclass
class Damage:
    """What could not be read.

    Attributes:
        finished: whether the file has its end with a sound summary, so that nothing was cut off.
        lost_bytes: behind the last whole record.
        chunks: offsets of chunks, attachments and metadata whose content is damaged.
        missing: messages that are not there although the file's summary counts them, or whose topic's
            definition is not.
    """

    finished: bool = False
    lost_bytes: int = 0
    chunks: list[int] = field(default_factory=list)
    missing: int = 0

    @property
    def none(self) -> bool:
        """Whether everything that was written could be read."""
        return self.finished and not self.chunks and not self.missing


@dataclass(frozen=True)
class _Summary:
    """What stands at the end of a finished file, under a checksum of its own.

    Attributes:
        schemas, channels: by id; the same as in the chunks.
        messages: how many the file has.
    """

    schemas: dict[int, Schema]
    channels: dict[int, Channel]
    messages: int


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

    Chunks and attachments with a wrong checksum are left out; topics that a chunk which is left out defined
    are taken from the file's summary. What is wrong with the file is added to `damage` on the way, and is
    complete at the end.

    Raises:
        DataError: not an MCAP file, or one that cannot be read.
    """
    known: set[tuple[type, int]] = set()
    summary: _Summary | None = None
    count, looked = 0, False
    for record in _unchecked(path, damage):
        if (channel_id := _undefined(record, known)) is not None:
            if not looked:
                summary, looked = _summary(path), True
            found = _definition(summary, channel_id)
            if found is None:
                damage.missing += isinstance(record, Message)
                continue
            yield from found
            known.update((type(each), each.id) for each in found)
        if isinstance(record, Schema | Channel):
            known.add((type(record), record.id))
        count += isinstance(record, Message)
        yield record
    if damage.finished:
        summary = summary or _summary(path)
        damage.finished = summary is not None
        damage.missing = max(summary.messages - count, 0) if summary else damage.missing


def _undefined(record: Record, known: Collection[tuple[type, int]]) -> int | None:
    """The channel that this record needs, or is, and that is not known with its schema; None: none."""
    if isinstance(record, Message) and (Channel, record.channel_id) not in known:
        return record.channel_id
    if isinstance(record, Channel) and record.schema_id and (Schema, record.schema_id) not in known:
        return record.id
    return None


def _unchecked(path: Path, damage: Damage) -> Iterator[Record]:
    """See `records`; without a look at what belongs together."""
    for offset, record in _whole(path, damage):
        if not isinstance(record, Chunk):
            yield record
            continue
        try:
            inside = _inside(record)
        except _UNREADABLE:
            damage.chunks.append(offset)
            continue
        yield from (r for r in inside if isinstance(r, Schema | Channel | Message))


def _inside(chunk: Chunk) -> list[Any]:
    """A chunk's records.

    Raises:
        ValueError: its checksum says something else, or is missing; other errors: see `_UNREADABLE`.
    """
    if not chunk.uncompressed_crc:
        raise ValueError("the chunk has no checksum")
    return list(breakup_chunk(chunk, validate_crc=True))


def _definition(summary: _Summary | None, channel_id: int) -> tuple[Schema, Channel] | None:
    channel = summary.channels.get(channel_id) if summary else None
    schema = summary.schemas.get(channel.schema_id) if summary and channel else None
    return (schema, channel) if schema and channel else None


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
                try:
                    record = _parsed(opcode, file.read(length))
                except _UNREADABLE:
                    damage.chunks.append(offset)
                else:
                    yield offset, record
            else:
                file.seek(length, os.SEEK_CUR)
            offset += _HEAD.size + length
            if opcode == Opcode.FOOTER and size - offset == len(MCAP0_MAGIC):
                damage.finished = True
                return
        damage.lost_bytes = size - offset


def _parsed(opcode: int, data: bytes) -> Any:
    """A record from its bytes.

    Raises:
        ValueError: an attachment whose checksum says something else; other errors: see `_UNREADABLE`.
    """
    if opcode == Opcode.ATTACHMENT:
        end = len(data) - _CRC.size
        if _CRC.unpack(data[end:])[0] != zlib.crc32(data[:end]):
            raise ValueError("the attachment's checksum says something else")
    return (_RECORDS.get(opcode) or _SUMMARY[opcode]).read(ReadDataStream(BytesIO(data)))


def _summary(path: Path) -> _Summary | None:
    """The summary of a finished file; None where there is none, or it is damaged."""
    try:
        with path.open("rb") as file:
            end = file.seek(-(_FOOTER_BYTES + len(MCAP0_MAGIC)), os.SEEK_END)
            start, _, wanted = struct.unpack("<QQI", file.read(_FOOTER_BYTES))
            file.seek(start)
            data = file.read(end + _FOOTER_BYTES - start)
        if not start or zlib.crc32(data[: -_CRC.size]) != wanted:
            return None
        return _summary_of(data)
    except (*_UNREADABLE, OSError):
        return None


def _summary_of(data: bytes) -> _Summary:
    found = _Summary({}, {}, 0)
    messages = 0
    while data:
        opcode, length = _HEAD.unpack_from(data)
        content, data = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
        record = _parsed(opcode, content) if opcode in _SUMMARY else None
        if isinstance(record, Schema):
            found.schemas[record.id] = record
        elif isinstance(record, Channel):
            found.channels[record.id] = record
        elif isinstance(record, Statistics):
            messages = record.message_count
    return _Summary(found.schemas, found.channels, messages)


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
