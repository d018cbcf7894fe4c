# SPDX-License-Identifier: Apache-2.0
"""Reads a LeRobotDataset v3.0, see `lerobot_layout`: other people's, and those that `lerobot_writing` wrote.

A key is a feature of info.json: "observation.state", "observation.images.front", "action".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.episode import UNKNOWN
from zprl_core.data.formats import lerobot_layout as layout
from zprl_core.data.formats import own
from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.lerobot_layout import Place
from zprl_core.data.formats.lerobot_rows import Rows, read_episode_rows, read_rows
from zprl_core.data.formats.own import OwnHeader
from zprl_core.data.formats.signals import signal_facts
from zprl_core.data.formats.source import Defaults, SourceEpisode
from zprl_core.data.formats.video import read_frames
from zprl_core.errors import DataError
from zprl_core.run_folder import read_json

_BOOKKEEPING = ("timestamp", "frame_index", "episode_index", "index", "task_index")
_CONVERTER = "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30 --repo-id=NAME --root=FOLDER"


class LerobotSource:
    """One dataset folder.

    Raises:
        ConfigError: pyarrow is missing.
        DataError: no dataset of v3.0, or its meta files are damaged; names the file and what to do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._info = _read_info(path)
        self._features: dict[str, Any] = self._info["features"]
        self._rows = read_episode_rows(path)
        self._own, self._entries = self._read_own()

    def __enter__(self) -> LerobotSource:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rate_hz(self) -> float | None:
        """fps."""
        return float(self._info["fps"])

    @property
    def own(self) -> OwnHeader | None:
        """What an export of ours keeps."""
        return self._own

    def available(self) -> list[str]:
        """Features that hold data."""
        return sorted(key for key in self._features if key not in _BOOKKEEPING)

    def defaults(self, task: TaskConfig) -> Defaults:
        """observation.images.<camera>, observation.state and action."""
        cameras = {view.name: layout.image_feature(view.name) for view in task.observation.cameras}
        return Defaults(
            cameras={name: key for name, key in cameras.items() if key in self._features},
            proprio=(layout.STATE,) if layout.STATE in self._features else None,
            action=(layout.ACTION,) if layout.ACTION in self._features else None,
            rotation=None if self._own is None else self._own.rotation,
        )

    def check_actions(self, action: Sequence[str]) -> None:
        """LeRobot has no sign of what an action is: the user says it with --action-rotation."""

    def episodes(self, images: Sequence[str], vectors: Sequence[str]) -> Iterator[SourceEpisode]:
        """Episodes in order; of a data file a part is in memory at a time."""
        optional = (layout.REWARD, layout.DONE, layout.SUCCESS, layout.STAMPS)
        here = [key for key in optional if key in self._features]
        pictures = [key for key in images if self._features[key]["dtype"] == "image"]
        columns = tuple(dict.fromkeys((*vectors, *here, *pictures)))
        template = str(self._info["data_path"])
        for number, rows in enumerate(read_rows(self.path, template, self._rows, columns)):
            with reading(rows.where):
                frames = {
                    key: rows.pictures(key) if key in pictures else self._frames(number, key)
                    for key in images
                }
                numbers = {key: rows.vector(key) for key in vectors}
                episode = self._episode(number, frames, numbers, rows, here)
            yield episode

    def _episode(
        self,
        number: int,
        frames: dict[str, NDArray[Any]],
        vectors: dict[str, NDArray[Any]],
        rows: Rows,
        here: Sequence[str],
    ) -> SourceEpisode:
        signals = {key: rows.vector(key)[:, 0] for key in here}
        rewards, dones = signals.get(layout.REWARD), signals.get(layout.DONE)
        outcome, success = UNKNOWN, signals.get(layout.SUCCESS)
        if success is not None:
            outcome = "success" if success.any() else "failure"
        info = None
        if self._entries is not None:
            where = f"{self.path / layout.OWN}: episodes[{number}]"
            info = own.info_from_dict(self._entries[number], signal_facts(rewards, dones), where)
        instructions = self._rows[number].get("tasks")
        return SourceEpisode(
            name=f"episode_{number}",
            images=frames,
            vectors=vectors,
            stamp_ns=signals.get(layout.STAMPS),
            rewards=rewards,
            dones=dones,
            outcome=outcome,
            info=info,
            facts={"instructions": instructions} if instructions else {},
        )

    def _frames(self, number: int, key: str) -> NDArray[np.uint8]:
        row = self._rows[number]
        try:
            place = Place(row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"])
            from_s = float(row[f"videos/{key}/from_timestamp"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self.path}: meta/episodes does not say where the video of '{key}' lies for episode "
                f"{number} ({error!r}); download the dataset again"
            ) from error
        path = self.path / place.path(str(self._info["video_path"]), video_key=key)
        if not path.exists():
            raise DataError(f"{path} does not exist, but meta/episodes names it; download the dataset whole")
        return read_frames(path, from_s, int(row["length"]), float(self._info["fps"]))

    def _read_own(self) -> tuple[OwnHeader | None, list[Any] | None]:
        path = self.path / layout.OWN
        if not path.exists():
            return None, None
        data = read_json(path)
        entries = data.get("episodes")
        if not isinstance(entries, list) or len(entries) != len(self._rows):
            raise DataError(
                f"{path}: must have {len(self._rows)} episodes, as meta/episodes has; export again"
            )
        return OwnHeader.from_dict(data.get("header"), f"{path}: header"), entries


def _read_info(path: Path) -> dict[str, Any]:
    if not (path / layout.INFO).exists():
        raise DataError(f"{path}: has no {layout.INFO}: it is no LeRobotDataset; name the folder of meta")
    info, where = read_json(path / layout.INFO), path / layout.INFO
    version = info.get("codebase_version")
    if version != layout.VERSION:
        old = f"; convert it with LeRobot 0.4: {_CONVERTER}" if str(version).startswith("v2") else ""
        raise DataError(f"{where}: codebase_version is {version!r}, this version reads {layout.VERSION}{old}")
    for key in ("fps", "features", "data_path"):
        if key not in info:
            raise DataError(f"{where}: has no '{key}'; download the dataset again")
    if not isinstance(info["fps"], int | float) or not info["fps"] > 0:
        raise DataError(f"{where}: fps is {info['fps']!r}, must be above 0")
    features = info["features"]
    if not isinstance(features, dict) or not all(
        isinstance(f, dict) and "dtype" in f for f in features.values()
    ):
        raise DataError(f"{where}: features must be a mapping of mappings with a dtype")
    return info
