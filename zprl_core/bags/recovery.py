# SPDX-License-Identifier: Apache-2.0
"""Restores a bag that a kill or a full disk cut off: a new file with every whole message and its summary."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcap.records import Attachment, Channel, Message, Metadata, Schema

from zprl_core.bags.labels import known_to_run
from zprl_core.bags.reading import Damage, bag_file, records, topic_of
from zprl_core.bags.rosbag2 import DISTRO, DISTRO_KEY, METADATA, RECORD, read_metadata, write_metadata
from zprl_core.bags.writer import McapFile, being_written
from zprl_core.errors import DataError


@dataclass(frozen=True)
class Recovered:
    """The outcome of a recovery.

    Attributes:
        folder: of the restored bag.
        messages: it has.
        damage: what was wrong with the file that it was restored from.
    """

    folder: Path
    messages: int
    damage: Damage


def recover(bag: Path, out: Path | None = None) -> Recovered:
    """Make a bag that was cut off readable again. A bag that is whole is left as it is.

    The file is read, and written again beside itself; it is replaced once the new one is on the disk.

    Args:
        bag: its folder, or its MCAP file.
        out: a new folder for the restored bag, where there is no room beside it; the old one then stays.

    Raises:
        DataError: no bag there, one that is still being recorded, or without a single whole record; `out` is
            in use; no room.
    """
    source = bag_file(bag)
    if being_written(source):
        raise DataError(
            f"{source}: is being recorded. Wait until its episode's label is final and the next one begins, "
            "or end the run"
        )
    folder = source.parent if out is None else out
    if out is not None and out.exists():
        raise DataError(f"{out}: exists. Choose another --out")
    if out is None and (folder / METADATA).exists() and (whole := _whole(source)) is not None:
        return whole
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _rewrite(source, folder)
    except OSError as error:
        raise DataError(
            f"{folder}: the restored bag cannot be written: {error.strerror}. {source} is as it was; free "
            "space, or give an --out on another disk"
        ) from error


def _whole(source: Path) -> Recovered | None:
    damage = Damage()
    messages = sum(isinstance(record, Message) for record in records(source, damage))
    return Recovered(source.parent, messages, damage) if damage.none else None


def _rewrite(source: Path, folder: Path) -> Recovered:
    damage = Damage()
    beside = folder / f".{source.name}"
    beside.unlink(missing_ok=True)  # of a recovery that was cut off itself
    with _new_file(beside) as file:
        noted = _copy(source, file, damage)
        if not noted and not file.contents.messages:
            raise DataError(f"{source}: has not a single whole record; there is nothing to restore")
        file.finish()
    beside.replace(folder / source.name)
    distro = noted.pop(RECORD, {}).get(DISTRO_KEY, DISTRO)
    facts = {key: value for values in noted.values() for key, value in values.items()}
    custom = {**facts, **_known(source.parent), **known_to_run(source.parent), "recovered": "true"}
    write_metadata(folder, source.name, file.contents, custom, distro)
    return Recovered(folder, file.contents.messages, damage)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[McapFile]:
    """A file that is gone again where it is not finished."""
    file = McapFile(path)
    try:
        yield file
    except BaseException:
        file.abandon()
        path.unlink()
        raise


def _copy(source: Path, file: McapFile, damage: Damage) -> dict[str, dict[str, str]]:
    """Copy what is whole; returns the metadata records by name."""
    schemas: dict[int, Schema] = {}
    channels: dict[int, int] = {}
    noted: dict[str, dict[str, str]] = {}
    for record in records(source, damage):
        if isinstance(record, Message):
            file.write(
                channels[record.channel_id],
                record.data,
                record.log_time,
                record.publish_time,
                record.sequence,
            )
        elif isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel) and record.id not in channels:
            schema = schemas[record.schema_id]
            topic = topic_of(record, schema.name)
            channels[record.id] = file.add_topic(topic, schema.data.decode(), schema.encoding)
        elif isinstance(record, Attachment):
            file.attach(record.name, record.data, record.media_type, record.log_time)
        elif isinstance(record, Metadata):
            file.add_metadata(record.name, record.metadata)
            noted[record.name] = record.metadata
    return noted


def _known(folder: Path) -> dict[str, str]:
    """What an older metadata.yaml says about the episode."""
    if not (folder / METADATA).exists():
        return {}
    return dict(read_metadata(folder).get("custom_data") or {})
