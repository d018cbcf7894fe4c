"""Damaged ledgers and episodes.jsonl: what is read is what was written, or an error names file and line."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.damage import FUZZ, Change, damaged, damages, left_alone
from zprl_core.errors import DataError
from zprl_core.records import OUTCOMES, EpisodeRecord, append_record, checksum, read_records
from zprl_core.session import Entry, LedgerFile, read_ledger


def record(episode: int) -> EpisodeRecord:
    return EpisodeRecord(
        episode=episode, block="train", mode="explore", layout_seed=2**62 + episode,
        outcome=OUTCOMES[episode % 4],  # type: ignore[arg-type]
        steps=16, chunks=2, start_stamp_ns=10**18, end_stamp_ns=10**18 + episode, label_author="Zoë",
        reason="\ud800\x00" if episode == 2 else "", layout="{x: 0.25}",
    )  # fmt: skip


RECORDS = [record(episode) for episode in (0, 1, 2, 3)] + [dataclasses.replace(record(1), outcome="void")]
ENTRIES = [
    Entry(event="label", command_id=f"c{n}", author="Zoë", before="", stamp_ns=n, record=each)
    for n, each in enumerate(RECORDS)
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    file = LedgerFile(path)
    for each in ENTRIES:
        file.append(each)
    return path


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("episodes") / "episodes.jsonl"
    for each in RECORDS:
        append_record(path, each)
    return path


@pytest.fixture(scope="module", autouse=True)
def as_they_were(ledger: Path, episodes: Path) -> Iterator[None]:
    before = ledger.read_bytes(), episodes.read_bytes()
    yield
    assert (ledger.read_bytes(), episodes.read_bytes()) == before


def beside(path: Path, data: bytes) -> Path:
    other = path.with_name("damaged.jsonl")
    other.write_bytes(data)
    return other


NESTED: list[Change] = [lambda data: b"[" * 100_000 + b"\n" + data]
HUGE: list[Change] = [lambda data: b"1" * 5000 + b"\n" + data]
LATIN: list[Change] = [lambda data: data.replace(b"explore", b"explor\xe9")]


@FUZZ
@example(NESTED)
@example(HUGE)
@example(LATIN)
@given(damages)
def test_a_damaged_ledger_gives_its_intact_beginning_or_an_error(ledger: Path, made: list[Change]) -> None:
    path = beside(ledger, damaged(ledger.read_bytes(), made))
    with left_alone(path):
        found: tuple[Entry, ...] = ()
        try:
            found = read_ledger(path)
        except DataError as error:
            assert re.search(r"line \d+: ", str(error)) and "RUN/episodes.jsonl" in str(error)
            raise
        assert list(found) == ENTRIES[: len(found)]
    with left_alone(path):
        assert LedgerFile(path).entries == list(found)


@FUZZ
@example(NESTED)
@example(HUGE)
@example(LATIN)
@given(damages)
def test_damaged_episodes_give_nothing_that_was_not_written(episodes: Path, made: list[Change]) -> None:
    path = beside(episodes, damaged(episodes.read_bytes(), made))
    with left_alone(path):
        try:
            found = read_records(path)
        except DataError as error:
            assert re.search(r"line \d+: .*ledger\.jsonl", str(error))
            raise
        assert all(each in RECORDS for each in found)


@pytest.mark.parametrize("name", ["ledger", "episodes"])
def test_a_byte_that_changes_is_noticed(name: str, request: pytest.FixtureRequest) -> None:
    """Every seventh byte of every line but the last, whose end a kill may tear."""
    whole: Path = request.getfixturevalue(name)
    data = whole.read_bytes()
    for place in range(0, data.rindex(b"\n", 0, -1), 7):
        path = beside(whole, data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"damaged\.jsonl: line \d+: "):
            (read_ledger if name == "ledger" else read_records)(path)


orders = st.lists(st.integers(0, len(ENTRIES) - 1), max_size=8)


@FUZZ
@given(orders)
def test_lines_in_another_order(ledger: Path, episodes: Path, order: list[int]) -> None:
    """The ledger's lines are numbered. Those of episodes.jsonl stand for themselves: the last one counts."""
    lines = ledger.read_bytes().splitlines(keepends=True)
    path = beside(ledger, b"".join(lines[n] for n in order))
    with left_alone(path):
        if order == list(range(len(order))):
            assert list(read_ledger(path)) == ENTRIES[: len(order)]
        else:
            with pytest.raises(DataError, match="its number is"):
                read_ledger(path)
    lines = episodes.read_bytes().splitlines(keepends=True)
    last = {RECORDS[n].episode: RECORDS[n] for n in order}
    assert read_records(beside(episodes, b"".join(lines[n] for n in order))) == tuple(
        last[episode] for episode in sorted(last)
    )


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none())


@FUZZ
@given(
    st.sampled_from([*(f.name for f in dataclasses.fields(EpisodeRecord)), "colour"]), plain, st.booleans()
)
def test_a_line_of_another_version_names_the_key(
    ledger: Path, episodes: Path, key: str, value: Any, gone: bool
) -> None:
    """Its checksum is right; what it holds is not what this version writes."""
    data: dict[str, Any] = dataclasses.asdict(RECORDS[0])
    data.pop(key, None)
    if not gone:
        data[key] = value
    entry = {"number": 0, "event": "label", "command_id": "", "author": "", "before": "", "stamp_ns": 0}
    readers: list[tuple[Path, Callable[[Path], Any], dict[str, Any]]] = [
        (episodes, lambda path: list(read_records(path)), data),
        (ledger, lambda path: [each.record for each in read_ledger(path)], {**entry, "record": data}),
    ]
    for whole, read, content in readers:
        path = beside(whole, json.dumps({**content, "crc": checksum(content)}).encode() + b"\n")
        with left_alone(path):
            try:
                (found,) = read(path)
            except DataError as error:
                assert key in str(error)
                raise
            assert {k: v for k, v in dataclasses.asdict(found).items() if k in data} == data
