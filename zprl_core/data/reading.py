# SPDX-License-Identifier: Apache-2.0
"""Opens a dataset folder of any format, for whoever wants its episodes one by one. Images stay on the disk.

Formats 1 and 2 have one uncompressed `.npz` per episode, with the arrays that format 3 keeps end to end (see
`zprl_core.data.writing`). Format 1 may leave out L and where the data comes from.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec
from zprl_core.data.episode import (
    UNKNOWN,
    Episode,
    EpisodeInfo,
    Header,
    check_array,
    check_stamps,
    image_key,
)
from zprl_core.data.writing import FORMAT, INDEX
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance

READABLE = (1, 2, FORMAT)
_PROVENANCE = ("rig", "calibration", "delays")


@dataclass(frozen=True, eq=False)
class StoredDataset:
    """A dataset on the disk.

    Attributes:
        folder: where it lies.
        index: what its dataset.json holds.
        header: the same, about all episodes.
        infos: about each episode. Formats 1 and 2 do not say everything.
        mapped: format 3: its arrays, all episodes end to end, mapped into memory; empty otherwise.
    """

    folder: Path
    index: dict[str, Any]
    header: Header
    infos: tuple[EpisodeInfo, ...]
    mapped: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.infos)

    def __iter__(self) -> Iterator[Episode]:
        return (self.episode(number) for number in range(len(self)))

    @property
    def lengths(self) -> list[int]:
        """Ticks of each episode."""
        return [info.length for info in self.infos]

    def episode(self, number: int) -> Episode:
        """One episode. Its images are views of the mapped file in format 3, and in memory otherwise.

        Raises:
            DataError: a file of formats 1 or 2 is missing, damaged, or does not fit dataset.json.
            IndexError: there is no such episode.
        """
        info = self.infos[number]
        if self.mapped:
            first = sum(self.lengths[:number])
            arrays = {name: array[first : first + info.length] for name, array in self.mapped.items()}
        else:
            path = self.folder / self.index["episodes"][number]["file"]
            arrays = read_npz(path, self.header)
        images = {name: arrays[image_key(name)] for name in self.header.cameras}
        return Episode(images, arrays["proprio"], arrays["action"], arrays["stamp_ns"], info)


def open_dataset(folder: Path) -> StoredDataset:
    """Open a dataset folder of any format.

    Raises:
        DataError: see `read_index`; in format 3 also an array that is missing, damaged, of another type or
            shape than dataset.json says, not finite, or with stamps that do not increase. Names file and
            field.
        ConfigError: the calibration or its delays are none; names file and field.
    """
    index = read_index(folder)
    path = folder / INDEX
    header = header_from_dict(index, path)
    if index["format"] == FORMAT:
        infos = tuple(_info(path, entry) for entry in index["episodes"])
        return StoredDataset(folder, index, header, infos, _mapped(folder, header, infos))
    infos = tuple(_old_info(folder, entry) for entry in index["episodes"])
    return StoredDataset(folder, index, header, infos, {})


def read_index(folder: Path) -> dict[str, Any]:
    """dataset.json of a folder.

    Raises:
        DataError: not there, not JSON, another format, no episodes.
    """
    path = folder / INDEX
    try:
        index: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(
            f"{path} does not exist; `zprl collect --out {folder}` and `zprl dataset build` make a dataset"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(index, dict) or index.get("format") not in READABLE:
        found = index.get("format") if isinstance(index, dict) else type(index).__name__
        known = f"{', '.join(map(str, READABLE[:-1]))} and {FORMAT}"
        raise DataError(f"{path}: format is {found!r}, this version reads {known}")
    key, kind = ("length", int) if index["format"] == FORMAT else ("file", str)
    episodes = index.get("episodes")
    if not isinstance(episodes, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get(key), kind) for entry in episodes
    ):
        raise DataError(f"{path}: episodes must be a list of mappings with a '{key}'")
    if not episodes:
        raise DataError(f"{path}: episodes is empty; collect some first")
    return index


def header_from_dict(index: Mapping[str, Any], path: Path) -> Header:
    """The inverse of `header_to_dict`, for dataset.json of any format; `path` is for messages.

    Raises:
        DataError: a key is missing or makes no sense.
        ConfigError: the calibration, its delays or the layout of actions make no sense.
    """
    provenance = None
    if index["format"] == 2 or (index["format"] == FORMAT and index.get("rig") is not None):
        data = {key: index[key] for key in _PROVENANCE if key in index}
        provenance = Provenance.from_dict(data, str(path))
    try:
        return Header(
            task=str(index.get("task", "")),
            rate_hz=float(index["rate_hz"]),
            lead_steps=int(index.get("lead_steps") or 0),
            cameras={str(name): (int(h), int(w)) for name, (h, w) in index.get("cameras", {}).items()},
            proprio_dim=int(index["proprio_dim"]),
            action_dim=int(index["action_dim"]),
            action=_codec(index.get("action"), int(index["action_dim"])),
            provenance=provenance,
            facts=dict(index.get("facts", {})),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{path}: cannot be read: {error!r}") from error


def _codec(layout: Mapping[str, Any] | None, dim: int) -> ActionCodec | None:
    if layout is None:
        return None
    return ActionCodec.from_dict(layout, dim)


def _info(path: Path, entry: Mapping[str, Any]) -> EpisodeInfo:
    try:
        return EpisodeInfo.from_dict(entry)
    except (DataError, TypeError) as error:
        raise DataError(f"{path}: episodes: {error}") from error


def _old_info(folder: Path, entry: Mapping[str, Any]) -> EpisodeInfo:
    """Of formats 1 and 2, where only `zprl collect` wrote more than the file's name."""
    length = entry.get("steps")
    if not isinstance(length, int) or length < 1:
        length = max(_npz_length(folder / entry["file"]), 1)
    success = entry.get("success")
    outcome = UNKNOWN if not isinstance(success, bool) else "success" if success else "failure"
    facts = {key: value for key, value in entry.items() if key not in ("file", "steps", "success")}
    return EpisodeInfo(length=length, outcome=outcome, source=str(entry["file"]), facts=facts)


def _npz_length(path: Path) -> int:
    with _reading(path), np.load(path, allow_pickle=False) as file:
        return len(file["stamp_ns"]) if "stamp_ns" in file.files else 0


def _mapped(folder: Path, header: Header, infos: tuple[EpisodeInfo, ...]) -> dict[str, NDArray[Any]]:
    ticks = sum(info.length for info in infos)
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, tail) in header.shapes().items():
        path = folder / f"{name}.npy"
        with _reading(path):
            mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays[name] = mapped.view(np.ndarray)  # a memmap costs its subclass at every window
        check_array(str(path), name, arrays[name], dtype, (ticks, *tail))
    _check_all_stamps(folder / "stamp_ns.npy", arrays["stamp_ns"], [info.length for info in infos])
    return arrays


def _check_all_stamps(path: Path, stamp_ns: NDArray[np.int64], lengths: list[int]) -> None:
    first = 0
    for number, length in enumerate(lengths):
        check_stamps(f"{path}: episode {number}", stamp_ns[first : first + length])
        first += length


class _reading:
    """Turns what numpy raises about a file into a `DataError` that names it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise DataError(f"{self._path} does not exist, but dataset.json names it") from error
        if isinstance(error, zipfile.BadZipFile | ValueError | EOFError | OSError):
            kind_of = f"whole {self._path.suffix} file"
            raise DataError(f"{self._path}: not a {kind_of} ({error}); make the dataset again") from error


def read_npz(path: Path, header: Header) -> dict[str, NDArray[Any]]:
    """The arrays of one episode of formats 1 and 2, those that the header names.

    Raises:
        DataError: names file, array and what is wrong with it.
    """
    expected = header.shapes()
    with _reading(path), np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in expected if key in file.files}
    missing = [key for key in expected if key not in arrays]
    if missing:
        raise DataError(f"{path}: array '{missing[0]}' is missing")
    length = arrays["stamp_ns"].size
    for key, (dtype, shape) in expected.items():
        check_array(str(path), key, arrays[key], dtype, (length, *shape))
    check_stamps(str(path), arrays["stamp_ns"])
    return arrays
