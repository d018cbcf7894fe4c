"""Damaged logs and checkpoints: what is read is what was written, or an error names the file."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tests.damage import FUZZ, Change, damaged, damages, left_alone
from zprl_core import checkpoint
from zprl_core.config import TaskConfig
from zprl_core.errors import CheckpointError, DataError, ZprlError
from zprl_core.record_log import MAGIC, RecordLog, encode, read

RECORDS = [
    {
        "kind": "transition",
        "episode": n,
        "c": np.linspace(0, n, 7, dtype=np.float32),
        "last": n == 3,
        "s": "ü",
    }
    for n in range(4)
]
LOG = MAGIC + b"".join(encode(each) for each in RECORDS)
ENCODED = [encode(each) for each in RECORDS]


@FUZZ
@given(damages)
def test_a_damaged_log_gives_its_intact_beginning_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, made: list[Change]
) -> None:
    path = tmp_path_factory.mktemp("log") / "transitions.log"
    path.write_bytes(damaged(LOG, made))
    with left_alone(path):
        try:
            found = [encode(each) for _, each in read(path)]
        except DataError as error:
            assert re.search(r"at byte \d+.*copy|is not a record log", str(error))
            with pytest.raises(DataError):
                RecordLog(path)
            raise
        assert found == ENCODED[: len(found)]


objects = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
extensions = st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=12))
arrays = st.builds(
    lambda head, data: msgpack.ExtType(1, msgpack.packb(head) + data), objects, st.binary(max_size=8)
)
payloads = (objects | st.dictionaries(st.text(max_size=3), extensions | arrays, max_size=2)).map(
    msgpack.packb
)
NESTED = b"\x91" * 5000 + b"\xc0"
NO_ARRAY = msgpack.packb({"c": msgpack.ExtType(1, msgpack.packb(["O", [1]]) + bytes(8))})


@FUZZ
@example(NESTED)
@example(NO_ARRAY)
@example(b"\xc1")
@given(payloads | st.binary(max_size=30))
def test_a_record_of_another_version_is_a_mapping_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, payload: bytes
) -> None:
    """Its checksums are right."""
    length = struct.pack("<I", len(payload))
    path = tmp_path_factory.mktemp("log") / "transitions.log"
    path.write_bytes(LOG + length + struct.pack("<II", zlib.crc32(length), zlib.crc32(payload)) + payload)
    with left_alone(path):
        try:
            *found, (_, last) = read(path)
        except DataError as error:
            assert f"at byte {len(LOG)} " in str(error)
            raise
        assert len(found) == len(RECORDS) and isinstance(last, dict)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, task: TaskConfig) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "x.ckpt"
    state = {"w": torch.arange(300.0), "n": 3, "names": ["a", "b"]}
    checkpoint.save(path, "learner", task.to_dict(), state)
    return path.read_bytes()


def same(found: checkpoint.Checkpoint, whole: bytes, tmp_path: Path) -> bool:
    (tmp_path / "whole").write_bytes(whole)
    right = checkpoint.load(tmp_path / "whole", "learner")
    mine, other = dict(found.state), dict(right.state)
    weights = torch.equal(mine.pop("w"), other.pop("w"))
    return weights and mine == other and (found.task, found.provenance) == (right.task, right.provenance)


def flipped(data: bytes) -> bytes:
    """A bit of a weight, in the middle of the file, where torch itself does not look."""
    place = data.index(struct.pack("<2f", 250.0, 251.0)) + 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@FUZZ
@example([flipped])
@given(damages)
def test_a_damaged_checkpoint_is_the_whole_one_or_an_error(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, made: list[Change]
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.ckpt"
    path.write_bytes(damaged(saved, made))
    with left_alone(path):
        assert same(checkpoint.load(path, "learner"), saved, path.parent)


def test_a_weight_that_changed_is_noticed(saved: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(flipped(saved))
    with pytest.raises(CheckpointError, match=r"x\.ckpt is damaged.*checksum.*copy it again"):
        checkpoint.load(path, "learner")


KEYS = ["format", "kind", "task", "provenance", "state", "more"]
values: st.SearchStrategy[Any] = objects | st.floats() | st.booleans()


@FUZZ
@given(st.sampled_from(KEYS), values, st.booleans())
def test_a_checkpoint_of_another_version_is_read_or_an_error(
    saved: bytes, tmp_path_factory: pytest.TempPathFactory, key: str, value: Any, gone: bool
) -> None:
    content = torch.load(io.BytesIO(saved), weights_only=True)
    content.pop(key, None)
    if not gone:
        content[key] = value
    path = tmp_path_factory.mktemp("other") / "x.ckpt"
    torch.save(content, path)
    with left_alone(path):
        found = checkpoint.load(path, "learner")
        assert isinstance(found.state, dict)
        try:
            found.task_config()
        except ZprlError:
            assert key == "task"
            raise
