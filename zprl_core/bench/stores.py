# SPDX-License-Identifier: Apache-2.0
"""Pictures of a dataset as training reads them: from this project's memory map, and from videos."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zprl_core.config import CameraView
from zprl_core.data.episode import image_key
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.errors import ConfigError
from zprl_core.training.batches import crop

GOP = 2
"""Frames between key frames of a video, as in LeRobot's datasets: a seek decodes two at most."""


class Store(Protocol):
    """Frames of all episodes end to end."""

    def frames(self, camera: str, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Whole frames (n, h, w, 3) at ticks of the whole dataset."""
        ...


def library(name: str) -> Any:
    """A library that only this comparison needs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is not installed: pip install -e '.[formats]', or leave it out") from error


class Mapped:
    """This project's format 3."""

    def __init__(self, folder: Path) -> None:
        self._arrays = open_dataset(folder).mapped
        self._rooms: dict[str, NDArray[np.uint8]] = {}

    def frames(self, camera: str, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Store`."""
        found: NDArray[np.uint8] = self._arrays[image_key(camera)][ticks]
        return found

    def crops(self, view: CameraView, ticks: NDArray[np.int64], corners: NDArray[np.int64]) -> Tensor:
        """What training reads, as training does: only the crop of each frame, into memory that it keeps."""
        shape = (len(ticks), 1, view.crop_height, view.crop_width, 3)
        room = self._rooms.setdefault(view.name, np.empty(shape, np.uint8))
        return crop(self._arrays[image_key(view.name)], ticks[:, None], view, corners, room)


class Mp4:
    """H.264, a file per episode and camera; files stay open, which is kinder than to open them each time."""

    def __init__(self, folder: Path, lengths: list[int], rate_hz: float) -> None:
        self._av, self._folder, self._rate_hz = library("av"), folder, rate_hz
        self._first = np.concatenate([[0], np.cumsum(lengths)])
        self._open: dict[tuple[str, int], Any] = {}

    @staticmethod
    def write(stored: StoredDataset, folder: Path) -> None:
        """Encode a dataset."""
        av = library("av")
        for number, episode in enumerate(stored):
            for camera, frames in episode.images.items():
                with av.open(str(folder / f"{camera}_{number}.mp4"), "w") as container:
                    options = {"g": str(GOP), "crf": "23"}
                    stream = container.add_stream(
                        "libx264", rate=round(stored.header.rate_hz), options=options
                    )
                    stream.height, stream.width = frames.shape[1:3]
                    stream.pix_fmt = "yuv420p"
                    for frame in frames:
                        container.mux(
                            stream.encode(av.VideoFrame.from_ndarray(np.array(frame), format="rgb24"))
                        )
                    container.mux(stream.encode())

    def frames(self, camera: str, ticks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """See `Store`."""
        return np.stack([self._frame(camera, int(tick)) for tick in ticks])

    def _frame(self, camera: str, tick: int) -> NDArray[np.uint8]:
        number = int(np.searchsorted(self._first, tick, side="right")) - 1
        wanted_s = (tick - self._first[number]) / self._rate_hz
        container = self._container(camera, number)
        stream = container.streams.video[0]
        container.seek(round(wanted_s / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time >= wanted_s - 0.5 / self._rate_hz:
                decoded: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
                return decoded
        raise ConfigError(f"{camera}_{number}.mp4: no frame at {wanted_s:.3f} s")

    def _container(self, camera: str, number: int) -> Any:
        if (camera, number) not in self._open:
            container = self._av.open(str(self._folder / f"{camera}_{number}.mp4"))
            container.streams.video[0].thread_count = 1
            self._open[camera, number] = container
        return self._open[camera, number]
