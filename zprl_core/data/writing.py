# SPDX-License-Identifier: Apache-2.0
"""Writes a dataset folder of format 3, episode by episode, whole or not at all.

    dataset.json            the header, one entry an episode, statistics
    image_<camera>.npy      uint8 (N, height, width, 3) RGB    proprio.npy   float32 (N, dq)
    action.npy              float32 (N, da)                    stamp_ns.npy  int64 (N,)

All episodes lie end to end in each file (N ticks in all), so that training maps the files into memory and
reads of a picture only what it crops. Everything is written into a hidden folder beside, which is renamed at
the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.episode import ARRAYS, Episode, EpisodeInfo, Header, check_episode
from zprl_core.data.statistics import statistics
from zprl_core.errors import DataError
from zprl_core.run_folder import make_folder, write_json

FORMAT = 3
INDEX = "dataset.json"
_NPY_HEAD = 192
"""Bytes before the numbers of a .npy file: room for any shape, a multiple of 64 as numpy aligns it."""


class DatasetWriter:
    """Writes one dataset. As a context manager it finishes where the block succeeds, and leaves nothing
    behind where it fails.

    Args:
        folder: of the dataset; it appears when the dataset is finished.
        header: of the dataset.
        overwrite: replace the dataset that is there.

    Raises:
        DataError: the folder holds something already, or cannot be made.
    """

    def __init__(self, folder: Path, header: Header, *, overwrite: bool = False) -> None:
        self._folder, self._header, self._overwrite = folder.absolute(), header, overwrite
        require_room(self._folder, overwrite)
        make_folder(self._folder.parent)
        self._beside = Path(tempfile.mkdtemp(prefix=f".{self._folder.name}.", dir=self._folder.parent))
        self._beside.chmod(0o777 & ~_umask())
        self._infos: list[EpisodeInfo] = []
        self._files = {
            name: _GrowingArray(self._beside / f"{name}.npy", dtype, tail)
            for name, (dtype, tail) in header.shapes().items()
        }

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()

    def __len__(self) -> int:
        return len(self._infos)

    def add(self, episode: Episode) -> None:
        """Write an episode behind the others.

        Raises:
            DataError: it does not fit the header, or the disk is full; nothing of the dataset stays where the
                writer's block ends by this.
        """
        check_episode(self._header, episode)
        try:
            for name, array in episode.arrays().items():
                self._files[name].append(array)
        except OSError as error:
            raise DataError(
                f"{self._folder}: cannot be written: {error.strerror}; nothing of it is kept"
            ) from error
        self._infos.append(episode.info)

    def finish(self) -> dict[str, Any]:
        """Make the dataset appear; returns what its dataset.json holds.

        Raises:
            DataError: it has no episode, or the disk is full.
        """
        try:
            if not self._infos:
                raise DataError(f"{self._folder}: no episode was added; a dataset has one or more")
            for file in self._files.values():
                file.finish()
            index = self._index()
            write_json(self._beside / INDEX, index)
            self._appear()
        except OSError as error:
            self.abandon()
            raise DataError(
                f"{self._folder}: cannot be written: {error.strerror}; nothing of it is kept"
            ) from error
        except BaseException:
            self.abandon()
            raise
        return index

    def abandon(self) -> None:
        """Remove what was written."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._beside, ignore_errors=True)

    def _index(self) -> dict[str, Any]:
        arrays = {name: np.load(self._beside / f"{name}.npy") for name in ("proprio", "action")}
        return {
            "format": FORMAT,
            **header_to_dict(self._header),
            "ticks": sum(info.length for info in self._infos),
            "statistics": {name: statistics(array) for name, array in arrays.items()},
            "episodes": [info.to_dict() for info in self._infos],
        }

    def _appear(self) -> None:
        """Rename the hidden folder; the dataset that it replaces goes once the new one is there."""
        old: Path | None = None
        if self._folder.exists() and any(self._folder.iterdir()):
            require_room(self._folder, self._overwrite)
            old = Path(tempfile.mkdtemp(prefix=f".{self._folder.name}.", dir=self._folder.parent))
            self._folder.replace(old)
        self._beside.replace(self._folder)
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


def header_to_dict(header: Header) -> dict[str, Any]:
    """The header's part of dataset.json.

    Raises:
        DataError: `facts` has a key of the header's own.
    """
    provenance = header.provenance
    own: dict[str, Any] = {
        "task": header.task,
        **({} if provenance is None else provenance.to_dict()),
        "rate_hz": header.rate_hz,
        "lead_steps": header.lead_steps,
        "cameras": {name: list(size) for name, size in header.cameras.items()},
        "proprio_dim": header.proprio_dim,
        "action_dim": header.action_dim,
        "action": None if header.action is None else header.action.to_dict(),
    }
    return {**own, "facts": dict(header.facts)}


def require_room(folder: Path, overwrite: bool) -> None:
    """Refuse a folder in which a dataset may not be written.

    Raises:
        DataError: it is a file, or it holds a dataset without `overwrite`, or something else.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file. Choose another --out")
    held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if not held:
        return
    if not all(_of_dataset(name) for name in held):
        other = next(name for name in held if not _of_dataset(name))
        raise DataError(f"{folder}: holds {other}, which is no part of a dataset. Choose another --out")
    if not overwrite:
        raise DataError(
            f"{folder}: there is data already ({held[0]}, {len(held)} files); choose another folder, or "
            "overwrite it with --overwrite"
        )


def _of_dataset(name: str) -> bool:
    """Whether a dataset of any format has files of this name."""
    if name.endswith(".npy"):
        return name.startswith("image_") or name.removesuffix(".npy") in ARRAYS
    return name == INDEX or (name.startswith("episode_") and name.endswith((".npz", ".partial")))


class _GrowingArray:
    """A .npy file whose first axis grows; its header is written again at the end.

    numpy's own writer must know the shape at the beginning, and an episode's length is known at its end.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], tail: tuple[int, ...]) -> None:
        self._dtype, self._tail, self._rows = dtype, tail, 0
        self._file = path.open("wb")
        self._file.write(self._header())

    def append(self, rows: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(rows).data)
        self._rows += len(rows)

    def finish(self) -> None:
        self._file.seek(0)
        self._file.write(self._header())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def _header(self) -> bytes:
        """Version 1.0 of the format: magic, length, a Python literal, spaces and a line's end."""
        shape = (self._rows, *self._tail)
        described = np.lib.format.dtype_to_descr(self._dtype)
        text = repr({"descr": described, "fortran_order": False, "shape": shape}).encode("ascii")
        magic = np.lib.format.magic(1, 0)
        room = _NPY_HEAD - len(magic) - 2
        return magic + struct.pack("<H", room) + text.ljust(room - 1) + b"\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
