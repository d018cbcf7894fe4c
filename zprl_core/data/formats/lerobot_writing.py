# SPDX-License-Identifier: Apache-2.0
"""Writes a LeRobotDataset v3.0, see `lerobot_layout`, an episode at a time.

q is observation.state, camera c observation.images.<c>, and next.reward, next.done and next.success are as
LeRobot names them. What LeRobot has no place for: the column stamp_ns, and meta/zprl.json with the header and
an entry an episode, from which an import restores the dataset.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.data.episode import Episode, Header
from zprl_core.data.formats import lerobot_layout as layout
from zprl_core.data.formats import own
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import Images
from zprl_core.data.formats.lerobot_layout import Sizes
from zprl_core.data.formats.lerobot_shards import DataShards, VideoShards
from zprl_core.data.formats.lerobot_stats import FRAMES_PER_EPISODE, histogram, image_stats, vector_stats
from zprl_core.data.formats.library import library
from zprl_core.data.formats.own import OwnHeader
from zprl_core.data.formats.signals import dones_of, rewards_of
from zprl_core.data.formats.video import PIXELS
from zprl_core.data.formats.whole import whole
from zprl_core.data.reading import StoredDataset
from zprl_core.errors import DataError
from zprl_core.run_folder import write_json

_SIZES = Sizes()


def write_lerobot(
    dataset: StoredDataset,
    out: Path,
    form: ActionForm,
    *,
    images: Images = "h264",
    instruction: str = "",
    sizes: Sizes = _SIZES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a dataset folder.

    Args:
        dataset: of ours.
        out: the folder.
        form: how actions are written.
        images: "h264" or "av1" video, which loses a little, or "png" in the parquet files, which does not.
        instruction: the task in words; empty: its name.
        sizes: of the files.
        progress: called with (episodes done, of how many).

    Raises:
        ConfigError: pyarrow or PyAV is missing.
        DataError: `out` is there already, the rate is not whole, pictures do not suit the codec, the disk is
            full, or the dataset is damaged; nothing is left.
    """
    rate_hz = round(dataset.header.rate_hz)
    if rate_hz != dataset.header.rate_hz:
        raise DataError(
            f"{dataset.folder}: has {dataset.header.rate_hz:g} Hz; LeRobot's fps is a whole number, so it "
            "cannot be exported"
        )
    with whole(out) as beside:
        export = _Export(beside, dataset.header, form, rate_hz, images, sizes)
        with contextlib.closing(export):  # an encoder that is left open keeps threads
            for number, episode in enumerate(dataset):
                export.add(episode)
                progress(number + 1, len(dataset))
        export.finish(instruction or dataset.header.task)


class _Export:
    """The files of one dataset while they grow."""

    def __init__(
        self, root: Path, header: Header, form: ActionForm, rate_hz: int, images: Images, sizes: Sizes
    ) -> None:
        self._arrow = library("pyarrow", "writing LeRobot's parquet")
        self._root, self._header, self._form, self._rate_hz = root, header, form, rate_hz
        self._images: Images = images
        self._sizes = sizes
        self._data = DataShards(root, sizes)
        self._videos = {
            name: VideoShards(root, sizes, name, size, rate_hz, images)
            for name, size in header.cameras.items()
            if images != "png"
        }
        self._rows: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []
        self._vectors: list[dict[str, NDArray[Any]]] = []
        self._histograms: dict[str, NDArray[np.int64]] = {}
        self._ticks = 0

    def add(self, episode: Episode) -> None:
        number, length = len(self._rows), len(episode)
        columns = self._columns(episode, number)
        place = self._data.add(self._table(columns, episode))
        row: dict[str, Any] = {
            "episode_index": number,
            "tasks": [],
            "length": length,
            "data/chunk_index": place.chunk,
            "data/file_index": place.file,
            "dataset_from_index": self._ticks,
            "dataset_to_index": self._ticks + length,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for camera, video in self._videos.items():
            row |= video.add(episode.images[camera])
        self._rows.append(row | self._stats_of(columns, episode))
        self._entries.append(own.info_to_dict(episode.info))
        self._vectors.append(columns)
        self._ticks += length

    def close(self) -> None:
        """Finish the files of data and frames; also where the export failed."""
        self._data.close()
        for video in self._videos.values():
            video.close()

    def finish(self, instruction: str) -> None:
        """Write meta, which needs all episodes."""
        parquet = library("pyarrow.parquet", "writing LeRobot's parquet")
        (self._root / "meta/episodes/chunk-000").mkdir(parents=True)
        for row in self._rows:
            row["tasks"] = [instruction]
        parquet.write_table(
            self._arrow.Table.from_pylist(self._rows), self._root / layout.Place().path(layout.EPISODES)
        )
        parquet.write_table(self._tasks(instruction), self._root / layout.TASKS)
        write_json(self._root / layout.STATS, self._all_stats())
        write_json(self._root / layout.INFO, self._info())
        header = OwnHeader.of(self._header, self._form).to_dict()
        write_json(self._root / layout.OWN, {"header": header, "episodes": self._entries})

    def _columns(self, episode: Episode, number: int) -> dict[str, NDArray[Any]]:
        """Everything but pictures, a row a tick."""
        ticks = np.arange(len(episode))
        state = {layout.STATE: episode.proprio} if self._header.proprio_dim else {}
        success = (ticks == len(episode) - 1) & episode.info.success
        return {
            **state,
            layout.ACTION: self._form.inverse(episode.action),
            layout.REWARD: rewards_of(episode.info),
            layout.DONE: dones_of(episode.info),
            layout.SUCCESS: success,
            layout.STAMPS: episode.stamp_ns,
            "timestamp": (ticks / self._rate_hz).astype(np.float32),
            "frame_index": ticks,
            "episode_index": np.full(len(ticks), number),
            "index": self._ticks + ticks,
            "task_index": np.zeros(len(ticks), dtype=np.int64),
        }

    def _table(self, columns: dict[str, NDArray[Any]], episode: Episode) -> Any:
        arrays = {key: self._arrow_array(array) for key, array in columns.items()}
        if self._images == "png":
            for camera, frames in episode.images.items():
                pictures = [{"bytes": _png(frame), "path": None} for frame in frames]
                kind = self._arrow.struct({"bytes": self._arrow.binary(), "path": self._arrow.string()})
                arrays[layout.image_feature(camera)] = self._arrow.array(pictures, type=kind)
        return self._arrow.table(arrays)

    def _arrow_array(self, array: NDArray[Any]) -> Any:
        """A vector of one number is a plain column, as LeRobot has it."""
        flat = self._arrow.array(np.ascontiguousarray(array).reshape(-1))
        width = array.shape[1] if array.ndim == 2 else 1
        return flat if width == 1 else self._arrow.FixedSizeListArray.from_arrays(flat, width)

    def _stats_of(self, columns: dict[str, NDArray[Any]], episode: Episode) -> dict[str, Any]:
        """Columns stats/<feature>/<statistic> of meta/episodes; pictures are added up for stats.json."""
        stats = {key: vector_stats(array) for key, array in columns.items()}
        for camera, frames in episode.images.items():
            key, counts = layout.image_feature(camera), histogram(frames)
            stats[key] = image_stats(counts, min(len(frames), FRAMES_PER_EPISODE))
            self._histograms[key] = self._histograms.get(key, 0) + counts
        return {f"stats/{key}/{name}": value for key, of in stats.items() for name, value in of.items()}

    def _all_stats(self) -> dict[str, Any]:
        stats = {
            key: vector_stats(np.concatenate([columns[key] for columns in self._vectors]))
            for key in self._vectors[0]
        }
        frames = sum(min(row["length"], FRAMES_PER_EPISODE) for row in self._rows)
        return stats | {key: image_stats(counts, frames) for key, counts in self._histograms.items()}

    def _tasks(self, instruction: str) -> Any:
        """The instruction is the index, which pandas keeps in the schema."""
        name = "__index_level_0__"
        described = {
            "index_columns": [name],
            "column_indexes": [],
            "columns": [
                _pandas_column("task_index", "task_index", "int64", "int64"),
                _pandas_column(None, name, "unicode", "object"),
            ],
            "creator": {"library": "pyarrow", "version": self._arrow.__version__},
            "pandas_version": "2.2.0",
        }
        table = self._arrow.table({"task_index": [0], name: [instruction]})
        return table.replace_schema_metadata({"pandas": own.dumps(described)})

    def _info(self) -> dict[str, Any]:
        rig = self._header.provenance
        features = layout.features(self._header, self._form, own.proprio_parts(self._header.facts))
        for camera, size in self._header.cameras.items():
            features[layout.image_feature(camera)] = self._picture(size)
        return {
            "codebase_version": layout.VERSION,
            "robot_type": None if rig is None else rig.rig,
            "total_episodes": len(self._rows),
            "total_frames": self._ticks,
            "total_tasks": 1,
            "chunks_size": self._sizes.files_per_chunk,
            "data_files_size_in_mb": self._sizes.data_mb,
            "video_files_size_in_mb": self._sizes.video_mb,
            "fps": self._rate_hz,
            "splits": {"train": f"0:{len(self._rows)}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEOS if self._videos else None,
            "features": features,
        }

    def _picture(self, size: tuple[int, int]) -> dict[str, Any]:
        shape = {"shape": [*size, 3], "names": ["height", "width", "channels"]}
        if self._images == "png":
            return {"dtype": "image", **shape}
        facts = {
            "video.height": size[0],
            "video.width": size[1],
            "video.codec": self._images,
            "video.pix_fmt": PIXELS,
            "video.is_depth_map": False,
            "video.fps": self._rate_hz,
            "video.channels": 3,
            "has_audio": False,
        }
        return {"dtype": "video", **shape, "info": facts}


def _png(frame: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return bytes(data)


def _pandas_column(name: str | None, field: str, kind: str, numpy_kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "field_name": field,
        "pandas_type": kind,
        "numpy_type": numpy_kind,
        "metadata": None,
    }
