# SPDX-License-Identifier: Apache-2.0
"""Frames of many episodes, end to end in MP4 files, as LeRobot v3.0 keeps them; PyAV codes and decodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.formats.library import library
from zprl_core.errors import DataError

VideoCodec = Literal["h264", "av1"]
PIXELS = "yuv420p"
_ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"crf": "18", "g": "2"}),
    "av1": ("libsvtav1", {"crf": "30", "g": "2", "preset": "8", "svtav1-params": "lp=1"}),
}
"""A key frame every second frame, as LeRobot has it: training reads frames in any order."""
_LATE_TICKS = 0.1
"""A frame is the one of a tick where its time is within this share of a tick."""
_WHAT = "a video"


class VideoFile:
    """Encodes frames of one size into one file; `open_video` makes it."""

    def __init__(self, container: Any, stream: Any, rate_hz: int) -> None:
        self._container, self._stream, self._rate_hz = container, stream, rate_hz
        self.bytes = 0
        """How many were written so far; the encoder holds some frames back."""

    def add(self, frames: NDArray[np.uint8], first: int) -> None:
        """Encode frames (T, h, w, 3) as numbers first, first + 1, ... of the file."""
        av = library("av", _WHAT)
        for number, frame in enumerate(frames, first):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, self._rate_hz)
            self._write(self._stream.encode(picture))

    def close(self) -> None:
        """Finish the file."""
        self._write(self._stream.encode())
        self._container.close()

    def _write(self, packets: Any) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)


def open_video(path: Path, size: tuple[int, int], rate_hz: int, codec: VideoCodec) -> VideoFile:
    """A new MP4 of frames of this size (height, width).

    Raises:
        ConfigError: PyAV is missing.
        DataError: the size is odd, or PyAV has no such encoder.
    """
    av = library("av", _WHAT)
    if size[0] % 2 or size[1] % 2:
        raise DataError(
            f"{path.name}: {size[0]}x{size[1]} pixels cannot be encoded as {codec}, whose sides are even; "
            "export with --images png"
        )
    encoder, options = _ENCODERS[codec]
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings otherwise
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        container = av.open(str(path), "w")
        stream = container.add_stream(encoder, rate=rate_hz, options=options)
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(
            f"{path.name}: PyAV cannot encode {codec} with {encoder} ({error}); export with another --images"
        ) from error
    stream.height, stream.width = size
    stream.pix_fmt = PIXELS
    stream.time_base = Fraction(1, rate_hz)
    return VideoFile(container, stream, rate_hz)


def read_frames(path: Path, from_s: float, length: int, rate_hz: float) -> NDArray[np.uint8]:
    """`length` frames (length, h, w, 3) RGB of a file, from a time on, one a tick.

    Raises:
        ConfigError: PyAV is missing.
        DataError: no whole video, or a tick has no frame.
    """
    av = library("av", _WHAT)
    frames: list[NDArray[np.uint8] | None] = [None] * length
    to_rgb = _ToRgb()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(max(int((from_s - 1.0 / rate_hz) / stream.time_base), 0), stream=stream)
            for tick, frame in _ticks(container.decode(stream), from_s, rate_hz):
                if 0 <= tick < length:
                    frames[tick] = to_rgb(frame)
                if tick >= length - 1:
                    break
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DataError(f"{path}: is no whole video ({error}); download or export it again") from error
    found = [each for each in frames if each is not None]
    if len(found) < length:
        tick = next(number for number, each in enumerate(frames) if each is None)
        raise DataError(
            f"{path}: has no frame at {from_s + tick / rate_hz:.4f} s (tick {tick} of {length}); it is cut "
            "off or of another rate: download or export it again"
        )
    return np.stack(found)


def _ticks(frames: Any, from_s: float, rate_hz: float) -> Iterator[tuple[int, Any]]:
    """(tick, frame) of the frames that lie on a tick, counted from `from_s`."""
    for frame in frames:
        ticks = (float(frame.pts * frame.time_base) - from_s) * rate_hz
        if abs(ticks - round(ticks)) <= _LATE_TICKS:
            yield round(ticks), frame


class _ToRgb:
    """Decoded frames as (h, w, 3). FFmpeg's scalers are kept: making one costs more than using it.

    FFmpeg's direct way from subsampled colours to RGB comes out more than a level too dark; by way of full
    ones it does not.
    """

    def __init__(self) -> None:
        reformatter = library("av.video.reformatter", _WHAT).VideoReformatter
        self._to_whole, self._to_rgb = reformatter(), reformatter()

    def __call__(self, frame: Any) -> NDArray[np.uint8]:
        if frame.format.name.startswith(("yuv420", "yuvj420", "yuv422")):
            frame = self._to_whole.reformat(frame, format="yuv444p")
        pixels: NDArray[np.uint8] = self._to_rgb.reformat(frame, format="rgb24").to_ndarray()
        return pixels
