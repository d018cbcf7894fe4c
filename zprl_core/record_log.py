"""An append-only log of records that survives a kill at any byte. No torch.

File: 8 bytes of magic, then records. A record is a 12-byte header (payload length, CRC-32 of the length,
CRC-32 of the payload; little endian) and a msgpack payload: a mapping with string keys whose values are plain
data or numpy arrays. What follows the last whole record is the trace of a kill: it is cut off when the log is
opened for writing, and ignored by readers. Damage before the end is an error, not a shorter log.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from zprl_core.errors import DataError

MAGIC = b"ZPRLLOG1"
HEADER = struct.Struct("<III")
ARRAY = 1
"""Code of msgpack's extension type that holds an array."""
MAX_PAYLOAD = 1 << 30
_HOW = "restore the file from a copy, or start another run"

Record = dict[str, Any]


def encode(record: Mapping[str, Any]) -> bytes:
    """Header and payload of a record."""
    payload: bytes = msgpack.packb(dict(record), default=_pack_array)
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a record of {len(payload)} bytes is too large, at most {MAX_PAYLOAD}")
    length = struct.pack("<I", len(payload))
    return HEADER.pack(len(payload), zlib.crc32(length), zlib.crc32(payload)) + payload


def _pack_array(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        head = msgpack.packb([little.dtype.str, list(value.shape)])
        return msgpack.ExtType(ARRAY, head + little.tobytes())
    raise TypeError(f"a record cannot hold {type(value).__name__} ({value!r:.80})")


def _unpack_array(code: int, data: bytes) -> object:
    if code != ARRAY:
        raise ValueError(f"unknown extension type {code}")
    unpacker = msgpack.Unpacker()
    unpacker.feed(data)
    dtype, shape = unpacker.unpack()
    return np.frombuffer(data, dtype=dtype, offset=unpacker.tell()).reshape(shape)


def read(path: Path, start: int = 0) -> Iterator[tuple[int, Record]]:
    """All whole records with the offset behind each, from offset `start` (one of those, or 0).

    Arrays are read-only views. A torn end is ignored.

    Raises:
        DataError: missing file, not such a log, or damaged before its end; names file and offset.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        size = os.fstat(file.fileno()).st_size
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            if MAGIC.startswith(magic):
                return
            raise DataError(f"{path} is not a record log (it starts with {magic!r})")
        offset = max(start, len(MAGIC))
        file.seek(offset)
        while (payload := _read_payload(file.read, path, offset, size)) is not None:
            record = _unpack(payload, path, offset)
            offset += HEADER.size + len(payload)
            yield offset, record


def _unpack(payload: bytes, path: Path, offset: int) -> Record:
    try:
        record: Record = msgpack.unpackb(payload, ext_hook=_unpack_array, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise DataError(f"{path}: the record at byte {offset} is of another version: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{path}: the record at byte {offset} is no mapping, but {type(record).__name__}")
    return record


def _read_payload(read_bytes: Any, path: Path, offset: int, size: int) -> bytes | None:
    """The next payload, None at the end or at a torn record."""
    header = read_bytes(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, length_check, payload_check = HEADER.unpack(header)
    if zlib.crc32(header[:4]) != length_check or length > MAX_PAYLOAD:
        if not any(header) and not any(read_bytes(size - offset - HEADER.size)):
            return None  # a power cut can leave a tail of zeros
        problem = "the record's length does not match its checksum"
        raise DataError(f"{path}: damaged at byte {offset}: {problem}; {_HOW}")
    payload: bytes = read_bytes(length)
    if len(payload) < length:
        return None
    if zlib.crc32(payload) != payload_check:
        if offset + HEADER.size + length == size:
            return None
        problem = "the record does not match its checksum"
        raise DataError(f"{path}: damaged at byte {offset}: {problem}; {_HOW}")
    return payload


class RecordLog:
    """A log that is open for appending; the file is made if need be, and a torn end is cut off.

    Args:
        path: of the file. sync: wait for the disk at every record. Without it a killed process still loses
            nothing, but a power cut may.

    Raises:
        DataError: see `read`.
    """

    def __init__(self, path: Path, sync: bool = False) -> None:
        self.path, self.sync = path, sync
        self.count, self.end = 0, len(MAGIC)
        if path.exists():
            for end, _ in read(path):
                self.count, self.end = self.count + 1, end
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._file.write(MAGIC)
        self._file.truncate(self.end)
        self._file.seek(self.end)

    def append(self, record: Mapping[str, Any]) -> int:
        """Write one record in one piece; returns the offset behind it."""
        data = memoryview(encode(record))
        while data:
            data = data[self._file.write(data) :]
        if self.sync:
            os.fsync(self._file.fileno())
        self.count += 1
        self.end = self._file.tell()
        return self.end

    def truncate_to(self, offset: int) -> None:
        """Forget all records behind an offset that `append` or `read` gave.

        Raises:
            DataError: there is no end of a record at this offset.
        """
        ends = [len(MAGIC), *(end for end, _ in read(self.path))]
        if offset not in ends:
            raise DataError(f"{self.path}: no record ends at byte {offset}; the log ends at {self.end}")
        self._file.truncate(offset)
        self._file.seek(offset)
        self.count, self.end = ends.index(offset), offset

    def flush(self) -> None:
        """Wait until every record is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Wait for the disk and close the file."""
        self.flush()
        self._file.close()
