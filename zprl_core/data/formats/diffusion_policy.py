# SPDX-License-Identifier: Apache-2.0
"""Reads diffusion_policy's replay buffers: zarr (format 2), a folder or a .zip.

    data/<key>          (N, ...), all episodes end to end; images (N, h, w, 3), uint8 or whole float numbers
    meta/episode_ends   int64 (episodes,), the tick behind each episode's last

Source: diffusion_policy/common/replay_buffer.py and its README. Arrays are compressed by Blosc, or, where
images were cached from robomimic, as JPEG 2000, for which the package imagecodecs is needed.
"""

from __future__ import annotations

import contextlib
import importlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.library import library
from zprl_core.data.formats.own import OwnHeader
from zprl_core.data.formats.robosuite import as_columns, cameras_of, pose_of
from zprl_core.data.formats.source import Defaults, SourceEpisode
from zprl_core.errors import ConfigError, DataError

_WHAT = "reading diffusion_policy's zarr"
_ACTION, _TIMES = "action", "timestamp"


class DiffusionPolicySource:
    """One replay buffer, opened for reading; a context manager.

    Raises:
        ConfigError: zarr is missing.
        DataError: no replay buffer, or its episode ends make no sense.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            self._root = _open_root(path, opening)
            with reading(str(path)), _naming_imagecodecs(str(path)):
                self._data = self._group("data")
                self._ends = self._read_ends()
                self._keys = sorted(self._data)
            self._open = opening.pop_all()

    def __enter__(self) -> DiffusionPolicySource:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def rate_hz(self) -> float | None:
        """The format does not say; None: the user has to."""
        return None

    @property
    def own(self) -> OwnHeader | None:
        """Nothing: we do not write this format."""
        return None

    def available(self) -> list[str]:
        """Arrays of the group data."""
        return list(self._keys)

    def defaults(self, task: TaskConfig) -> Defaults:
        """Cameras by their names, with _image behind them or without; q as robomimic's, the key action."""
        have = set(self.available())
        pose = pose_of(task)
        return Defaults(
            cameras=cameras_of(task, have),
            proprio=pose if set(pose) <= have else None,
            action=(_ACTION,) if _ACTION in have else None,
            rotation=None,
        )

    def check_actions(self, action: Sequence[str]) -> None:
        """The format has no sign of what an action is: the user says it with --action-rotation."""

    def episodes(self, images: Sequence[str], vectors: Sequence[str]) -> Iterator[SourceEpisode]:
        """Episodes in order; of each array only the episode's part is read."""
        first = 0
        for number, end in enumerate(self._ends):
            yield SourceEpisode(
                name=f"episode_{number}",
                images={key: self._pictures(key, first, end) for key in images},
                vectors={key: as_columns(self._read(key, first, end)) for key in vectors},
                stamp_ns=self._stamps(number, first, end),
            )
            first = end

    def _pictures(self, key: str, first: int, end: int) -> NDArray[Any]:
        """Levels as uint8, where they are. zarr reads a missing chunk as zeros, so black is refused."""
        frames = self._read(key, first, end)
        if frames.dtype.kind == "f" and frames.max(initial=0) > 1 and _are_levels(frames):
            frames = frames.astype(np.uint8)
        black = ~frames.reshape(len(frames), -1).any(axis=1)
        if black.any():
            raise DataError(
                f"{self.path}: data/{key} is black at tick {first + int(np.argmax(black))}: a chunk of it is "
                "missing; download the buffer whole"
            )
        return frames

    def _stamps(self, number: int, first: int, end: int) -> NDArray[np.int64] | None:
        """Of data/timestamp, s, which real robots' buffers have; None where there is none."""
        if _TIMES not in self._data:
            return None
        times = np.asarray(self._read(_TIMES, first, end), dtype=np.float64)
        if not np.isfinite(times).all():
            raise DataError(f"{self.path}: data/{_TIMES} of episode {number} is not finite")
        return np.rint(times * 1e9).astype(np.int64)

    def _read(self, key: str, first: int, end: int) -> NDArray[Any]:
        where = f"{self.path}: data/{key}"
        with reading(f"{where}: ticks {first} to {end}"), _naming_imagecodecs(where):
            array = self._data[key]
            if array.shape[0] < end:
                raise DataError(
                    f"{where}: has {array.shape[0]} ticks, meta/episode_ends goes to {end}; it is cut off"
                )
            return np.asarray(array[first:end])

    def _group(self, name: str) -> Any:
        if name not in self._root:
            have = ", ".join(sorted(self._root)) or "nothing"
            raise DataError(f"{self.path}: has no group '{name}' but {have}: it is no replay buffer")
        return self._root[name]

    def _read_ends(self) -> list[int]:
        meta, where = self._group("meta"), f"{self.path}: meta/episode_ends"
        if "episode_ends" not in meta:
            raise DataError(f"{where}: is not there: it is no replay buffer")
        ends = np.asarray(meta["episode_ends"][:])
        if ends.ndim != 1 or not len(ends):
            raise DataError(f"{where}: has shape {ends.shape}: the buffer holds no episode")
        lengths = np.diff(ends, prepend=0)
        if (lengths < 1).any():
            number = int(np.argmax(lengths < 1))
            raise DataError(
                f"{where}: episode {number} would have {lengths[number]} ticks, allowed: 1 or more; repair it"
            )
        return [int(end) for end in ends]


def _open_root(path: Path, opening: contextlib.ExitStack) -> Any:
    zarr = library("zarr", _WHAT)
    _register_image_codecs()
    if not path.exists():
        raise DataError(f"{path}: does not exist")
    if path.is_file() and not zipfile.is_zipfile(
        path
    ):  # zarr's store cannot be closed after it failed to open
        raise DataError(f"{path}: is no whole zip file; download the buffer again")
    try:
        store: Any = str(path)
        if path.is_file():
            zipped = library("zarr.storage", _WHAT).ZipStore(path, mode="r")
            store = opening.enter_context(contextlib.closing(zipped))
        return zarr.open_group(store=store, mode="r")
    except Exception as error:  # zarr 2 and 3 raise classes of their own, with no base in common
        raise DataError(
            f"{path}: is no zarr group ({error}); name the .zarr folder or the .zarr.zip of a replay buffer"
        ) from error


@contextlib.contextmanager
def _naming_imagecodecs(where: str) -> Iterator[None]:
    """zarr knows pictures' codecs by the name of the package that it lacks."""
    try:
        yield
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise ConfigError(
            f"{where}: its pictures need the Python package imagecodecs ({error}); install it with: pip "
            "install imagecodecs"
        ) from error


def _register_image_codecs() -> None:
    """JPEG 2000 and others, where imagecodecs is installed; without it an error names it."""
    with contextlib.suppress(ImportError):
        importlib.import_module("imagecodecs.numcodecs").register_codecs(verbose=False)


def _are_levels(frames: NDArray[Any]) -> bool:
    """Whether float pictures are whole numbers from 0 to 255, as in the published Push-T buffers."""
    return bool(((frames >= 0) & (frames <= 255) & (frames == np.floor(frames))).all())
