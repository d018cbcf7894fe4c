# SPDX-License-Identifier: Apache-2.0
"""Files that LeRobot v3.0 fills with one episode after another, up to a size, before it begins the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.formats import lerobot_layout as layout
from zprl_core.data.formats.lerobot_layout import Place, Sizes
from zprl_core.data.formats.library import library
from zprl_core.data.formats.video import VideoCodec, VideoFile, open_video

_MB = 1024 * 1024


class DataShards:
    """data/chunk-000/file-000.parquet and the next ones; a row group an episode."""

    def __init__(self, root: Path, sizes: Sizes) -> None:
        self._parquet = library("pyarrow.parquet", "writing LeRobot's parquet")
        self._root, self._sizes, self._place, self._bytes = root, sizes, Place(), 0
        self._writer: Any = None

    def add(self, table: Any) -> Place:
        """Write an episode's pyarrow table; returns where."""
        if self._writer is not None and self._bytes + table.nbytes > self._sizes.data_mb * _MB:
            self.close()
            self._place = self._place.next(self._sizes)
        if self._writer is None:
            path = self._root / self._place.path(layout.DATA)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._parquet.ParquetWriter(path, table.schema, compression="snappy")
        self._writer.write_table(table)
        self._bytes += table.nbytes
        return self._place

    def close(self) -> None:
        """Finish the present file."""
        if self._writer is not None:
            self._writer.close()
        self._writer, self._bytes = None, 0


class VideoShards:
    """videos/<key>/chunk-000/file-000.mp4 and the next ones, of one camera."""

    def __init__(
        self,
        root: Path,
        sizes: Sizes,
        camera: str,
        size: tuple[int, int],
        rate_hz: int,
        codec: VideoCodec,
    ) -> None:
        self._sizes = sizes
        self._root, self._key, self._size = root, layout.image_feature(camera), size
        self._rate_hz, self._codec = rate_hz, codec
        self._place, self._frames = Place(), 0
        self._file: VideoFile | None = None

    def add(self, frames: NDArray[np.uint8]) -> dict[str, Any]:
        """Encode an episode; returns its columns of meta/episodes."""
        if self._file is not None and self._file.bytes > self._sizes.video_mb * _MB:
            self.close()
            self._place = self._place.next(self._sizes)
        if self._file is None:
            self._file = open_video(self._path(), self._size, self._rate_hz, self._codec)
        first = self._frames
        self._file.add(frames, first)
        self._frames += len(frames)
        row = {
            "chunk_index": self._place.chunk,
            "file_index": self._place.file,
            "from_timestamp": first / self._rate_hz,
            "to_timestamp": self._frames / self._rate_hz,
        }
        return {f"videos/{self._key}/{name}": value for name, value in row.items()}

    def close(self) -> None:
        """Finish the present file."""
        if self._file is not None:
            self._file.close()
        self._file, self._frames = None, 0

    def _path(self) -> Path:
        return self._root / self._place.path(layout.VIDEOS, video_key=self._key)
