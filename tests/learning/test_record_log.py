"""The log survives a kill at any byte, and notices damage."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zprl_core.errors import DataError
from zprl_core.record_log import HEADER, MAGIC, RecordLog, encode, read

RECORDS = [
    {"kind": "a", "x": np.arange(3, dtype=np.float32), "n": 1, "flag": True, "s": "ü"},
    {"kind": "b", "x": np.zeros((0, 2), dtype=np.int64), "f": 0.1, "none": None},
    {"kind": "c", "x": np.float32(2.5), "nested": {"l": [1, 2]}, "b": b"\x00\xff"},
]


def write(path: Path) -> list[int]:
    log = RecordLog(path)
    ends = [log.append(record) for record in RECORDS]
    log.close()
    return ends


def contents(path: Path) -> list[str]:
    return [str(record["kind"]) for _, record in read(path)]


def test_round_trip(tmp_path: Path) -> None:
    ends = write(tmp_path / "log")
    found = list(read(tmp_path / "log"))
    assert [end for end, _ in found] == ends
    first = found[0][1]
    assert first["x"].dtype == np.float32
    assert first["x"].tolist() == [0.0, 1.0, 2.0]
    assert (first["n"], first["flag"], first["s"]) == (1, True, "ü")
    assert found[1][1]["x"].shape == (0, 2)
    assert found[2][1] == {"kind": "c", "x": 2.5, "nested": {"l": [1, 2]}, "b": b"\x00\xff"}


def test_truncated_at_every_byte_loses_at_most_the_record_under_way(tmp_path: Path) -> None:
    ends = write(tmp_path / "log")
    whole = (tmp_path / "log").read_bytes()
    for size in range(len(whole) + 1):
        path = tmp_path / f"cut{size}"
        path.write_bytes(whole[:size])
        complete = [r["kind"] for r, end in zip(RECORDS, ends, strict=True) if end <= size]
        assert contents(path) == complete
        log = RecordLog(path)
        assert log.count == len(complete)
        log.append({"kind": "new"})
        log.close()
        assert contents(path) == [*complete, "new"]


@pytest.mark.parametrize("garbage", [b"\x00" * 40, b"\x00" * 5])
def test_a_tail_of_zeros_is_a_torn_end(tmp_path: Path, garbage: bytes) -> None:
    write(tmp_path / "log")
    with (tmp_path / "log").open("ab") as file:
        file.write(garbage)
    assert contents(tmp_path / "log") == ["a", "b", "c"]


def test_damage_before_the_end_is_an_error(tmp_path: Path) -> None:
    """Every single byte of the first two records, flipped."""
    ends = write(tmp_path / "log")
    whole = (tmp_path / "log").read_bytes()
    for position in range(len(MAGIC), ends[1]):
        damaged = bytearray(whole)
        damaged[position] ^= 0x55
        (tmp_path / "bad").write_bytes(damaged)
        with pytest.raises(DataError, match=r"bad: damaged at byte \d+"):
            contents(tmp_path / "bad")


def test_a_damaged_last_record_is_a_torn_one(tmp_path: Path) -> None:
    write(tmp_path / "log")
    data = bytearray((tmp_path / "log").read_bytes())
    data[-1] ^= 1
    (tmp_path / "log").write_bytes(data)
    assert contents(tmp_path / "log") == ["a", "b"]


def test_truncate_to(tmp_path: Path) -> None:
    ends = write(tmp_path / "log")
    log = RecordLog(tmp_path / "log")
    with pytest.raises(DataError, match=f"no record ends at byte {ends[0] + 1}"):
        log.truncate_to(ends[0] + 1)
    log.truncate_to(ends[0])
    assert (log.count, log.end) == (1, ends[0])
    log.append({"kind": "d"})
    assert contents(tmp_path / "log") == ["a", "d"]
    log.truncate_to(len(MAGIC))
    assert contents(tmp_path / "log") == []


def test_reading_from_an_offset(tmp_path: Path) -> None:
    ends = write(tmp_path / "log")
    assert [record["kind"] for _, record in read(tmp_path / "log", ends[0])] == ["b", "c"]


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a log, but mine")
    with pytest.raises(DataError, match=r"notes\.txt is not a record log"):
        RecordLog(path)
    assert path.read_text() == "not a log, but mine"
    with pytest.raises(DataError, match="does not exist"):
        contents(tmp_path / "missing")


def test_what_cannot_be_recorded() -> None:
    with pytest.raises(TypeError, match="object"):
        encode({"x": object()})
    with pytest.raises(TypeError, match="ndarray"):
        encode({"x": np.array(["text"])})


def test_header_is_what_the_docstring_says() -> None:
    import zlib

    data = encode({"n": 1})
    length, length_check, payload_check = HEADER.unpack(data[:12])
    assert length == len(data) - 12
    assert length_check == zlib.crc32(struct.pack("<I", length))
    assert payload_check == zlib.crc32(data[12:])


def test_a_killed_writer_loses_nothing_that_append_returned(tmp_path: Path) -> None:
    """A real process, killed with SIGKILL after it said how many records were written."""
    script = (
        "import os, signal, sys; from pathlib import Path; from zprl_core.record_log import RecordLog\n"
        "log = RecordLog(Path(sys.argv[1]))\n"
        "for i in range(50): log.append({'i': i})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "log")], check=False)
    assert done.returncode == -9
    assert [record["i"] for _, record in read(tmp_path / "log")] == list(range(50))
