"""A video, or a folder of pictures, played again and again as if a camera saw it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_bringup.node import Node, Setup
from zprl_cameras.driver import CameraLost, Frame
from zprl_cameras.picture import rgb
from zprl_core.config import CameraConfig, CameraView
from zprl_core.errors import RigError
from zprl_core.grid import TickGrid

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm")


class FilesCamera:
    """Plays `device` at the camera's rate: every picture in order, and from the first one again.

    Pictures of a folder come in the order of their names (so number them with leading zeros) and are read
    each time. A picture is due, and stamped, at a tick of the rate on the session's clock; ticks that nobody
    was there to read at pass by, but no picture is left out.

    Args:
        config: of the camera; `width` and `height` are those of the files.
        now_ns: the session's clock.
    """

    def __init__(self, config: CameraConfig, now_ns: Callable[[], int]) -> None:
        self._name, self._path = config.name, Path(config.device or "")
        self._grid, self._now_ns = TickGrid(config.rate_hz), now_ns
        self._pictures: Iterator[NDArray[np.uint8]] = iter(())
        self._tick = 0

    def open(self) -> None:
        """Look for the files.

        Raises:
            RigError: there are none.
        """
        if not self._path.exists():
            raise RigError(f"{self._who()} does not exist; set `device` to a video or a folder of pictures")
        self._pictures = self._folder() if self._path.is_dir() else self._video()
        self._tick = self._grid.index(self._now_ns()) + 1

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture, once it is due.

        Raises:
            CameraLost: the files are gone, or cannot be read.
        """
        wait_s = (self._grid.at(self._tick) - self._now_ns()) * 1e-9
        time.sleep(min(max(wait_s, 0.0), timeout_s))
        if wait_s > timeout_s:
            return None
        due = max(self._tick, self._grid.index(self._now_ns()))
        self._tick = due + 1
        return Frame(next(self._pictures), self._grid.at(due))

    def close(self) -> None:
        """Let go of the files."""
        self._pictures = iter(())

    def _folder(self) -> Iterator[NDArray[np.uint8]]:
        names = sorted(path.name for path in self._path.iterdir() if path.suffix.lower() in PICTURES)
        if not names:
            raise RigError(f"{self._who()} holds no pictures; allowed: {', '.join(PICTURES)}")
        return self._play(names)

    def _play(self, names: list[str]) -> Iterator[NDArray[np.uint8]]:
        while True:
            for name in names:
                yield self._picture(cv2.imread(str(self._path / name), cv2.IMREAD_COLOR), name)

    def _video(self) -> Iterator[NDArray[np.uint8]]:
        first = self._opened()
        if not first.grab():
            raise RigError(f"{self._who()} is not a video that OpenCV can read; allowed: MP4, AVI, MKV, ...")
        return self._roll(first)

    def _roll(self, video: Any) -> Iterator[NDArray[np.uint8]]:
        yield self._picture(video.retrieve()[1], "picture 0")
        n = 1
        while True:
            found, picture = video.read()
            if not found and n:  # the end: from the start again
                video, n = self._opened(), 0
                continue
            yield self._picture(picture, f"picture {n}")
            n += 1

    def _opened(self) -> Any:
        return cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])

    def _picture(self, bgr: NDArray[np.uint8] | None, name: str) -> NDArray[np.uint8]:
        if not self._path.exists():
            raise CameraLost(f"{self._who()} is gone; put it back")
        if bgr is None:
            raise CameraLost(f"{self._who()}: {name} cannot be read; put a whole one there, or take it away")
        return rgb(bgr)

    def _who(self) -> str:
        return f"camera '{self._name}': {self._path}"


def make(node: Node, setup: Setup, camera: CameraConfig, view: CameraView) -> FilesCamera:
    """The driver of one camera of a rig."""
    return FilesCamera(camera, node.now_ns)
