"""Demonstrations for training: a dataset folder, checked against a task, and its (observation, action chunk)
windows.

A window pairs the observation o_t (with its history) with the actions a_(t+L) .. a_(t+L+H-1). Before the
first tick the history repeats the first observation; after the last the chunk repeats the last setpoint.

`zprl_core.data.writing` says what a folder holds, `zprl_core.data.reading` opens one of any format.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec
from zprl_core.data.episode import Header, check_turns, image_key
from zprl_core.data.reading import StoredDataset, open_dataset, read_npz
from zprl_core.data.writing import INDEX
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig


@dataclass(frozen=True)
class Dataset:
    """All ticks of all episodes, end to end (N ticks), and the windows into them (M windows).

    images: {camera: uint8 (N, h, w, 3)}; proprio: float32 (N, dq); actions: float32 (N, da), physical units.
    episode_of: int64 (N,), which episode a tick belongs to.
    history: int64 (M, S), ticks of a window's observations, oldest first; chunk: int64 (M, H), ticks of its
    actions. Window m belongs to tick history[m, -1].
    provenance: the cell that it was recorded at; None: not known.
    """

    images: dict[str, NDArray[np.uint8]]
    proprio: NDArray[np.float32]
    actions: NDArray[np.float32]
    episode_of: NDArray[np.int64]
    history: NDArray[np.int64]
    chunk: NDArray[np.int64]
    episodes: int
    provenance: Provenance | None = None

    def __len__(self) -> int:
        return len(self.history)

    def action_chunks(self, windows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Chunks (B, H, da) of the given windows, physical units."""
        return self.actions[self.chunk[windows]]

    def window_episode(self) -> NDArray[np.int64]:
        """The episode of each window, (M,)."""
        return self.episode_of[self.history[:, -1]]


def windows(
    lengths: list[int], steps: int, chunk: int, lead: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """History (M, steps) and chunk (M, chunk) ticks for episodes of these lengths laid end to end."""
    histories, chunks, first = [], [], 0
    for length in lengths:
        t = np.arange(max(length - lead, 0))[:, None]
        histories.append(first + np.maximum(t - np.arange(steps - 1, -1, -1), 0))
        chunks.append(first + np.minimum(t + lead + np.arange(chunk), length - 1))
        first += length
    return np.concatenate(histories), np.concatenate(chunks)


def load_dataset(folder: Path, task: TaskConfig) -> Dataset:
    """Read a dataset folder for a task. Of format 3, images stay on the disk until a batch needs them.

    Raises:
        DataError: missing folder or file, another camera set, shape, rate, dimension, layout of actions or L
            than the task's, numbers that are not finite, stamps that do not increase; names file and field.
        ConfigError: the calibration or its delays are none; names file and field.
    """
    stored = open_dataset(folder)
    check_header(folder / INDEX, stored, task)
    cameras = [camera.name for camera in task.observation.cameras]
    arrays, lengths = (_mapped if stored.mapped else _joined)(stored, cameras)
    check_turns(str(folder), stored.header.action, arrays["action"])
    history, chunk = windows(lengths, task.observation.steps, task.action.chunk, task.observation.lead_steps)
    if not len(history):
        raise DataError(f"{folder}: no episode is longer than lead_steps = {task.observation.lead_steps}")
    return Dataset(
        images={name: arrays[image_key(name)] for name in cameras},
        proprio=arrays["proprio"],
        actions=arrays["action"],
        episode_of=np.repeat(np.arange(len(lengths)), lengths),
        history=history,
        chunk=chunk,
        episodes=len(lengths),
        provenance=stored.header.provenance,
    )


def _mapped(stored: StoredDataset, _cameras: list[str]) -> tuple[dict[str, NDArray[Any]], list[int]]:
    """Vectors are read, they are small; images are not."""
    read = {name: np.array(stored.mapped[name]) for name in ("proprio", "action")}
    return {**stored.mapped, **read}, stored.lengths


def _joined(stored: StoredDataset, cameras: list[str]) -> tuple[dict[str, NDArray[Any]], list[int]]:
    """Formats 1 and 2: everything is read, and laid end to end."""
    own = {name: stored.header.cameras[name] for name in cameras}
    wanted = dataclasses.replace(stored.header, cameras=own)
    files = [stored.folder / entry["file"] for entry in stored.index["episodes"]]
    episodes = [read_npz(path, wanted) for path in files]
    arrays = {name: np.concatenate([each[name] for each in episodes]) for name in wanted.shapes()}
    return arrays, [len(each["stamp_ns"]) for each in episodes]


def check_header(path: Path, stored: StoredDataset, task: TaskConfig) -> None:
    """Hold what a dataset says about itself against a task; `path` is its dataset.json.

    Raises:
        DataError: something is not the task's; names the field, both values, and what to do.
    """
    header, observation = stored.header, task.observation
    for camera in observation.cameras:
        if camera.name not in header.cameras:
            have = ", ".join(sorted(header.cameras)) or "none"
            raise DataError(f"{path}: camera '{camera.name}' of task {task.name} is missing; it has: {have}")
        if tuple(header.cameras[camera.name]) != (camera.height, camera.width):
            raise DataError(
                f"{path}: cameras.{camera.name} is {list(header.cameras[camera.name])}, task {task.name} "
                f"needs [{camera.height}, {camera.width}] (height, width); collect again, or change the task"
            )
    wanted = {"rate_hz": task.rate_hz, "proprio_dim": observation.proprio_dim, "action_dim": task.action.dim}
    for key, value in wanted.items():
        if stored.index.get(key) != value:
            found = stored.index.get(key)
            raise DataError(f"{path}: {key} is {found!r}, task {task.name} needs {value!r}")
    _check_action(path, header, task)
    lead, wanted_lead = stored.index.get("lead_steps"), observation.lead_steps
    if lead != wanted_lead and not (stored.index["format"] == 1 and lead is None):
        raise DataError(
            f"{path}: lead_steps is {lead!r}, task {task.name} has observation.lead_steps: {wanted_lead}; "
            "collect again with that task, or set the dataset's in the task"
        )


def _check_action(path: Path, header: Header, task: TaskConfig) -> None:
    """Actions of as many numbers may still mean other poses."""
    if header.action is None or task.action.layout == "joints":
        return
    wanted = ActionCodec.from_config(task.action)
    if not header.action.means_the_same(wanted):
        raise DataError(
            f"{path}: action is {header.action}, task {task.name} needs {wanted}; build it for that task"
        )
