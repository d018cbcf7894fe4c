# SPDX-License-Identifier: Apache-2.0
"""Reads robomimic's HDF5 files, with or without images, and those that `robomimic_writing` wrote.

    data                 attributes env_args (JSON), total
    data/demo_<n>        attribute num_samples; actions (T, da), rewards (T,), dones (T,), states (T, ds)
    data/demo_<n>/obs    <key> (T, ...), images uint8 (T, h, w, 3)
    mask/<split>         names of demos

Source: robomimic's documentation, "Dataset Structure", and the files of its v0.1 release (PH, MH, MG). A key
here is a name below obs, or below the demo: "agentview_image", "actions", "action_dict/abs_pos".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.episode import UNKNOWN, EpisodeInfo
from zprl_core.data.formats import own, robomimic_actions
from zprl_core.data.formats.edges import reading
from zprl_core.data.formats.library import open_hdf5
from zprl_core.data.formats.own import OwnHeader
from zprl_core.data.formats.robosuite import as_columns, cameras_of, pose_of
from zprl_core.data.formats.signals import signal_facts
from zprl_core.data.formats.source import Defaults, SourceEpisode
from zprl_core.errors import DataError

PROPRIO = "proprio"
STAMPS = "stamp_ns"
_SUCCESS = 1.0
"""robomimic's reward of success; a shaped one stays below."""


class RobomimicSource:
    """One HDF5 file, opened for reading; a context manager.

    Raises:
        ConfigError: h5py is missing.
        DataError: no HDF5 file, cut off, or of another layout; names file and what is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, open_hdf5(path, "reading robomimic's HDF5")
        with contextlib.ExitStack() as opening, reading(str(path)):
            opening.callback(self._file.close)
            self._open()
            opening.pop_all()

    def _open(self) -> None:
        if "data" not in self._file:
            have = ", ".join(self._file) or "nothing"
            raise DataError(f"{self.path}: has no group 'data' but {have}: it is no dataset of robomimic")
        self._data = self._file["data"]
        self._demos = sorted((name for name in self._data if _number(name) is not None), key=_order)
        if not self._demos:
            raise DataError(f"{self.path}: data has no demo_<n>; it holds no episode")
        self._keys = _keys_of(self._data[self._demos[0]])
        self._env = self._env_args()
        header = self._data.attrs.get(own.NAME)
        where = f"{self.path}: attribute {own.NAME} of data"
        self._own = None if header is None else OwnHeader.from_dict(own.loads(header, where), where)
        self._splits = self._read_splits()

    def __enter__(self) -> RobomimicSource:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._demos)

    @property
    def rate_hz(self) -> float | None:
        """env_args' control_freq."""
        rate = self._env.get("env_kwargs", {}).get("control_freq")
        return None if rate is None else float(rate)

    @property
    def own(self) -> OwnHeader | None:
        """What an export of ours keeps."""
        return self._own

    def available(self) -> list[str]:
        """Keys of the first demo."""
        return list(self._keys)

    def defaults(self, task: TaskConfig) -> Defaults:
        """<camera>_image or <camera>; every arm's position, quaternion (x, y, z, w) and fingers make q.

        actions_abs is taken before actions. Both hold position, rotation vector and gripper command.
        """
        have = set(self.available())
        cameras = cameras_of(task, have)
        if self._own is not None:
            parts = tuple(key for key, _ in self._own.proprio_parts) or (PROPRIO,)
            return Defaults(cameras=cameras, proprio=parts, action=("actions",), rotation=self._own.rotation)
        action = "actions_abs" if "actions_abs" in have else "actions"
        pose = pose_of(task)
        takes_pose = task.observation.proprioception == "end_effector_pose"
        return Defaults(
            cameras=cameras,
            proprio=pose if takes_pose and set(pose) <= have else None,
            action=(action,),
            rotation="rotvec",
        )

    def check_actions(self, action: Sequence[str]) -> None:
        """Refuse delta actions, see `robomimic_actions`."""
        if self._own is not None:
            return
        where = f"{self.path}: {', '.join(action)}"
        with reading(where):
            self._refuse_deltas(action, where)

    def _refuse_deltas(self, action: Sequence[str], where: str) -> None:
        sample = [self._data[name] for name in self._demos[:3]]
        actions = [
            np.concatenate([as_columns(self._read(demo, key, where)) for key in action], axis=1)
            for demo in sample
        ]
        arms = [key for key in self.available() if key.startswith("robot") and key.endswith("_eef_pos")]
        positions = [
            np.stack([self._read(demo, key, where) for key in arms], axis=1) for demo in sample if arms
        ]
        robomimic_actions.refuse_deltas(
            where, self._env, actions, positions, named_absolute=any("abs" in key for key in action)
        )

    def episodes(self, images: Sequence[str], vectors: Sequence[str]) -> Iterator[SourceEpisode]:
        """Demos in the order of their numbers."""
        for name in self._demos:
            with reading(f"{self.path}: data/{name}"):
                episode = self._episode(name, images, vectors)
            yield episode

    def _episode(self, name: str, images: Sequence[str], vectors: Sequence[str]) -> SourceEpisode:
        demo, where = self._data[name], f"{self.path}: data/{name}"
        rewards, dones = self._read_if(demo, "rewards", where), self._read_if(demo, "dones", where)
        success = rewards is not None and rewards.size > 0 and float(rewards.max()) >= _SUCCESS
        return SourceEpisode(
            name=name,
            images={key: self._read(demo, key, where) for key in images},
            vectors={key: as_columns(self._read(demo, key, where)) for key in vectors},
            stamp_ns=self._read_if(demo, STAMPS, where),
            rewards=rewards,
            dones=dones,
            outcome="success" if success else UNKNOWN,
            splits=self._splits.get(name, ()),
            info=self._own_info(demo, rewards, dones, where),
        )

    def _own_info(
        self, demo: Any, rewards: NDArray[Any] | None, dones: NDArray[Any] | None, where: str
    ) -> EpisodeInfo | None:
        text = demo.attrs.get(own.NAME)
        if self._own is None or text is None:
            return None
        where = f"{where}: attribute {own.NAME}"
        return own.info_from_dict(own.loads(text, where), signal_facts(rewards, dones), where)

    def _read(self, demo: Any, key: str, where: str) -> NDArray[Any]:
        found = _find(demo, key)
        if found is None:
            raise DataError(f"{where}: has no '{key}'; it has: {', '.join(_keys_of(demo))}")
        with reading(f"{where}: '{key}'"):
            array: NDArray[Any] = found[()]
        samples = demo.attrs.get("num_samples")
        if samples is not None and (array.ndim == 0 or len(array) != samples):
            raise DataError(f"{where}: '{key}' is {array.shape}, but num_samples is {samples}")
        return array

    def _read_if(self, demo: Any, key: str, where: str) -> NDArray[Any] | None:
        return self._read(demo, key, where) if key in demo else None

    def _env_args(self) -> dict[str, Any]:
        text = self._data.attrs.get("env_args")
        return {} if text is None else own.loads(text, f"{self.path}: attribute env_args of data")

    def _read_splits(self) -> dict[str, tuple[str, ...]]:
        """{demo: names of the masks that it is in}."""
        splits: dict[str, tuple[str, ...]] = {}
        masks: Mapping[str, Any] = self._file.get("mask", {})
        for split, demos in masks.items():
            for demo in demos[()]:
                name = demo.decode() if isinstance(demo, bytes) else str(demo)
                splits[name] = (*splits.get(name, ()), split)
        return splits


def _find(demo: Any, key: str) -> Any | None:
    """The HDF5 dataset of a key, below obs or below the demo."""
    for place in (f"obs/{key}", key):
        if place in demo and hasattr(demo[place], "shape"):
            return demo[place]
    return None


def _keys_of(demo: Any) -> list[str]:
    top = [key for key in demo if hasattr(demo[key], "shape")]
    actions = [f"action_dict/{key}" for key in demo.get("action_dict", ())]
    return sorted((*demo.get("obs", ()), *top, *actions))


def _number(name: str) -> int | None:
    digits = name.removeprefix("demo_")
    return int(digits) if name.startswith("demo_") and digits.isdigit() else None


def _order(name: str) -> tuple[int, str]:
    return (_number(name) or 0, name)
