# SPDX-License-Identifier: Apache-2.0
"""The same frames in yet other formats than `zprl bench` compares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zprl_core.bench.stores import Mp4, Store, library
from zprl_core.data.episode import image_key
from zprl_core.data.reading import StoredDataset


class Hdf5:
    """One file, a contiguous dataset per camera, as robomimic has it (there one per episode)."""

    def __init__(self, folder: Path) -> None:
        self._file = library("h5py").File(folder / "data.hdf5", "r")

    @staticmethod
    def write(stored: StoredDataset, folder: Path) -> None:
        with library("h5py").File(folder / "data.hdf5", "w") as file:
            for camera in stored.header.cameras:
                file.create_dataset(camera, data=stored.mapped[image_key(camera)])

    def frames(self, camera: str, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([self._file[camera][tick] for tick in ticks])


class Zarr:
    """A chunk per frame, with zarr's own compression."""

    def __init__(self, folder: Path) -> None:
        root = library("zarr").open_group(folder / "data.zarr", mode="r")
        self._arrays = {name: root[name] for name in root.array_keys()}

    @staticmethod
    def write(stored: StoredDataset, folder: Path) -> None:
        root = library("zarr").open_group(folder / "data.zarr", mode="w")
        for camera in stored.header.cameras:
            frames = stored.mapped[image_key(camera)]
            array = root.create_array(
                camera, shape=frames.shape, chunks=(1, *frames.shape[1:]), dtype="uint8"
            )
            array[:] = frames

    def frames(self, camera: str, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.stack([self._arrays[camera][tick] for tick in ticks])


def writers() -> dict[str, Callable[[StoredDataset, Path], None]]:
    """What writes each of the other formats."""
    return {"mp4": Mp4.write, "hdf5": Hdf5.write, "zarr": Zarr.write}


def opened(name: str, stored: StoredDataset, folder: Path) -> Store:
    """A store of that name."""
    if name == "mp4":
        return Mp4(folder, stored.lengths, stored.header.rate_hz)
    return Hdf5(folder) if name == "hdf5" else Zarr(folder)
