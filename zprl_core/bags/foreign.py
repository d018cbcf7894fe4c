# SPDX-License-Identifier: Apache-2.0
"""Bags of other recorders, sqlite3 or split or compressed, as the records that `reading.records` gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mcap.records import Channel, Message, Schema
from rosbags.rosbag2 import Reader

from zprl_core.bags.definitions import ENCODING
from zprl_core.bags.rosbag2 import METADATA, read_metadata
from zprl_core.errors import DataError

_SQLITE = ".db3"


def is_foreign(bag: Path) -> bool:
    """Whether a bag is something else than one MCAP file, which `reading.records` reads."""
    if bag.suffix == _SQLITE:
        return True
    if not bag.is_dir() or not (bag / METADATA).is_file():
        return bag.is_dir() and any(bag.glob(f"*{_SQLITE}")) and not any(bag.glob("*.mcap"))
    information = read_metadata(bag)
    several = len(information.get("relative_file_paths") or []) > 1
    sqlite = information.get("storage_identifier") == "sqlite3"
    return sqlite or several or bool(information.get("compression_mode"))


def foreign_records(bag: Path) -> Iterator[Schema | Channel | Message]:
    """Schemas, channels and messages of a bag of rosbag2, in the order of their log times.

    Humble's sqlite3 has no definitions: the schema's data is then empty.

    Args:
        bag: its folder, or one .db3 file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with Reader(bag) as reader:
            for connection in reader.connections:
                text = connection.msgdef.data.encode()
                yield Schema(id=connection.id + 1, name=connection.msgtype, encoding=ENCODING, data=text)
                yield Channel(
                    id=connection.id,
                    topic=connection.topic,
                    message_encoding="cdr",
                    metadata={"topic_type_hash": connection.digest or ""},
                    schema_id=connection.id + 1,
                )
            for number, (connection, log_ns, data) in enumerate(reader.messages()):
                yield Message(
                    channel_id=connection.id,
                    log_time=log_ns,
                    publish_time=log_ns,
                    sequence=number,
                    data=bytes(data),
                )
    except Exception as error:  # rosbags raises what SQLite and its decompressors raise
        raise DataError(f"{bag}: cannot be read as a bag of rosbag2: {error}") from error
