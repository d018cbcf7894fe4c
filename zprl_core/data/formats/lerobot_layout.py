# SPDX-License-Identifier: Apache-2.0
"""Where LeRobotDataset v3.0 keeps what, and how its features are named.

    meta/info.json                            features, fps, how many of what, where files lie
    meta/stats.json                           statistics of every feature
    meta/tasks.parquet                        task_index of each instruction, which is the index
    meta/episodes/chunk-000/file-000.parquet  a row an episode: where its rows and frames lie, its statistics
    data/chunk-000/file-000.parquet           a row a tick, many episodes end to end
    videos/<key>/chunk-000/file-000.mp4       frames of one camera, many episodes end to end

Source: LeRobot's documentation, "LeRobotDataset v3.0", and its release 0.4.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zprl_core.actions import ActionCodec
from zprl_core.data.episode import Header
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.errors import DataError

VERSION = "v3.0"
INFO, STATS, TASKS, OWN = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/zprl.json"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEOS = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

STATE, ACTION, STAMPS = "observation.state", "action", "stamp_ns"
IMAGES = "observation.images."
REWARD, DONE, SUCCESS = "next.reward", "next.done", "next.success"
_ROTATION_NAMES = {
    "rotvec": ("rx", "ry", "rz"),
    "rot6d": tuple(f"r{k}" for k in range(6)),
    "rot6d_rows": tuple(f"r{k}" for k in range(6)),
    "quat": ("qw", "qx", "qy", "qz"),
    "quat_wxyz": ("qw", "qx", "qy", "qz"),
    "quat_xyzw": ("qx", "qy", "qz", "qw"),
}


@dataclass(frozen=True)
class Sizes:
    """How large files grow before the next one begins, and files in a folder; LeRobot's defaults."""

    files_per_chunk: int = 1000
    data_mb: float = 100
    video_mb: float = 200


@dataclass(frozen=True)
class Place:
    """A file that is one of many: the number of its folder, and its number in it."""

    chunk: int = 0
    file: int = 0

    def next(self, sizes: Sizes) -> Place:
        """The file behind this one."""
        if self.file + 1 < sizes.files_per_chunk:
            return Place(self.chunk, self.file + 1)
        return Place(self.chunk + 1, 0)

    def path(self, template: str, **names: str) -> str:
        """Below the dataset's folder.

        Raises:
            DataError: the template of info.json is none.
        """
        try:
            return template.format(chunk_index=self.chunk, file_index=self.file, **names)
        except (LookupError, ValueError, AttributeError) as error:
            raise DataError(
                f"{INFO}: {template!r} names no files ({error!r}); LeRobot has {DATA!r} and {VIDEOS!r}"
            ) from error


def image_feature(camera: str) -> str:
    """The key of a camera's pictures."""
    return IMAGES + camera


def action_names(form: ActionForm) -> list[str]:
    """A name for each number of an action, arm after arm."""
    codec = form.codec
    rotation = codec.rotation if form.rotation == "task" else form.rotation
    if rotation == "none":
        return [f"a{k}" for k in range(codec.dim)]
    one = ["x", "y", "z", *_ROTATION_NAMES[rotation], *(["gripper"] if codec.gripper else [])]
    return one if codec.arms == 1 else [f"arm{arm}.{name}" for arm in range(codec.arms) for name in one]


def state_names(dim: int, parts: Sequence[tuple[str, int]]) -> list[str]:
    """A name for each number of q."""
    if sum(numbers for _, numbers in parts) != dim:
        return [f"q{k}" for k in range(dim)]
    return [f"{key}.{k}" for key, numbers in parts for k in range(numbers)]


def features(header: Header, form: ActionForm, parts: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """`features` of info.json, without the pictures."""
    found: dict[str, Any] = {}
    if header.proprio_dim:
        found[STATE] = _vector(state_names(header.proprio_dim, parts))
    found[ACTION] = _vector(action_names(form))
    scalars = {REWARD: "float32", DONE: "bool", SUCCESS: "bool", STAMPS: "int64", "timestamp": "float32"}
    scalars |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), "int64")
    return found | {key: {"dtype": kind, "shape": [1], "names": None} for key, kind in scalars.items()}


def codec_of(header: Header) -> ActionCodec:
    """How a dataset's actions are written; an older one does not say, and its numbers are handed through."""
    return header.action or ActionCodec("none", raw_dim=header.action_dim)


def _vector(names: list[str]) -> dict[str, Any]:
    return {"dtype": "float32", "shape": [len(names)], "names": names}
