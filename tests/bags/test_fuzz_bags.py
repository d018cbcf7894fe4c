"""Damaged bags: no message that was not recorded, and none that is missing without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mcap.records import Attachment, Channel, Message

from tests.bags.conftest import bags_of, reading
from tests.damage import FUZZ, Change, damaged, damages, left_alone
from zprl_core.bags.definitions import Definition
from zprl_core.bags.episodes import Source
from zprl_core.bags.reading import Damage, describe, records
from zprl_core.bags.recovery import recover
from zprl_core.bags.rosbag2 import METADATA, change_custom_data, read_metadata
from zprl_core.errors import DataError

NAME = "episode_000000_0.mcap"
MESSAGES = 60
Recording = tuple[bytes, bytes, bytes]
"""The file as a kill leaves it, the same finished, and its metadata.yaml."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, definition: Definition) -> Recording:
    run, bags = bags_of(tmp_path_factory.mktemp("recording"))
    file = run.bags / "episode_000000" / NAME
    sources = [Source(name, "", definition) for name in ("/zero", "/one", "/two")]
    for number in range(MESSAGES):
        bags.write(sources[number % 3], reading(number), 1000 + number, number, number)
        if number % 7 == 6:
            bags.flush(0)
    bags.flush(0)
    unfinished = file.read_bytes()
    bags.finish()
    return unfinished, file.read_bytes(), (file.parent / METADATA).read_bytes()


def found_in(path: Path, damage: Damage) -> list[int]:
    """Numbers of the messages that a file gives, each of which is as it was recorded."""
    topics: dict[int, str] = {}
    numbers = []
    for record in records(path, damage):
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        elif isinstance(record, Attachment):
            assert record.data in (b"name: t\n", b"name: r\n")
        elif isinstance(record, Message):
            number = record.sequence
            assert (record.data, record.log_time) == (reading(number), 1000 + number)
            assert topics[record.channel_id] == ("/zero", "/one", "/two")[number % 3]
            numbers.append(number)
    return numbers


def first_chunk(data: bytes) -> bytes:
    """A bit of the chunk that defines the topics."""
    place = data.index(reading(0))
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def attachment(data: bytes) -> bytes:
    return data.replace(b"name: t\n", b"name: u\n", 1)


def name_of_metadata(data: bytes) -> bytes:
    return data.replace(b"zprl_run", b"zprl_\xff\xff\xff", 1)


def no_chunk(data: bytes) -> bytes:
    """The second chunk becomes a record of a kind that nobody knows."""
    place = data.rindex(b"\x06", 0, data.index(reading(10)) - 1)
    while int.from_bytes(data[place + 1 : place + 9], "little") not in range(200, 5000):
        place = data.rindex(b"\x06", 0, place)
    return data[:place] + b"\x7f" + data[place + 1 :]


@FUZZ
@example(True, [first_chunk])
@example(False, [first_chunk])
@example(True, [attachment])
@example(True, [name_of_metadata])
@example(True, [no_chunk])
@given(st.booleans(), damages)
def test_a_damaged_bag_says_what_is_missing(
    recording: Recording, tmp_path_factory: pytest.TempPathFactory, finished: bool, made: list[Change]
) -> None:
    path = tmp_path_factory.mktemp("bag") / NAME
    path.write_bytes(damaged(recording[finished], made))
    with left_alone(path):
        damage = Damage()
        numbers = found_in(path, damage)
        assert describe(path).contents.messages == len(numbers)
        if len(numbers) < MESSAGES:
            assert not damage.none
        if [each for each in numbers if numbers.count(each) == 1] != sorted(numbers):
            assert len(made) > 1 or not damage.none


@FUZZ
@example(True, [first_chunk])
@example(True, [name_of_metadata])
@given(st.booleans(), damages)
def test_a_damaged_bag_is_restored_or_an_error(
    recording: Recording, tmp_path_factory: pytest.TempPathFactory, finished: bool, made: list[Change]
) -> None:
    path = tmp_path_factory.mktemp("bag") / NAME
    path.write_bytes(damaged(recording[finished], made))
    with left_alone(path):
        expected = found_in(path, Damage())
        out = path.parent / "out"
        try:
            restored = recover(path, out)
        except DataError:
            assert not expected
            raise
        assert restored.messages == len(expected)
        after = Damage()
        assert found_in(out / NAME, after) == expected and after.none


def test_topics_that_a_damaged_chunk_defined_come_from_the_summary(
    recording: Recording, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(first_chunk(recording[1]))
    damage = Damage()
    assert found_in(tmp_path / NAME, damage) == list(range(7, MESSAGES))
    assert (len(damage.chunks), damage.missing) == (1, 7)
    (tmp_path / NAME).write_bytes(first_chunk(recording[0]))
    damage = Damage()
    assert found_in(tmp_path / NAME, damage) == [] and damage.missing == MESSAGES - 7


FOREIGN: list[bytes] = [b"\xff\xfe", b"a: 2001-13-45", b"[" * 3000, b"rosbag2_bagfile_information: [1]", b""]


@settings(FUZZ, max_examples=12)
@example([lambda _: FOREIGN[0]])
@example([lambda _: FOREIGN[1]])
@example([lambda _: FOREIGN[2]])
@example([lambda _: FOREIGN[3]])
@example([lambda _: FOREIGN[4]])
@given(damages)
def test_a_damaged_metadata_file_is_read_or_an_error(
    recording: Recording, tmp_path_factory: pytest.TempPathFactory, made: list[Change]
) -> None:
    folder = tmp_path_factory.mktemp("bag")
    path = folder / METADATA
    path.write_bytes(damaged(recording[2], made))
    before = path.read_bytes()
    readers: list[Callable[[], object]] = [
        lambda: read_metadata(folder),
        lambda: change_custom_data(folder, {"outcome": "void"}),
    ]
    for read in readers:
        try:
            read()
        except DataError as error:
            assert str(path) in str(error) and "zprl bag recover" in str(error)
            assert path.read_bytes() == before
    if path.read_bytes() != before:
        assert (
            yaml.safe_load(path.read_text())["rosbag2_bagfile_information"]["custom_data"]["outcome"]
            == "void"
        )
