"""Demonstrations in memory: a dataset folder, checked, and its (observation, action chunk) windows.

Folder: `dataset.json` (format 2) and one uncompressed `.npz` per episode with
    image_<camera>  uint8 (T, h, w, 3) RGB        proprio   float32 (T, dq)
    action          float32 (T, da), setpoints    stamp_ns  int64 (T,), strictly increasing

dataset.json says L (`lead_steps`) and where the data comes from (`rig`, `calibration`, `delays`, see
`zprl_core.provenance`). Format 1, which this version still reads, may leave these out; a `lead_steps` that
is there must be the task's all the same.

A window pairs the observation o_t (with its history) with the actions a_(t+L) .. a_(t+L+H-1). Before the
first tick the history repeats the first observation; after the last the chunk repeats the last setpoint.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError
from zprl_core.provenance import Provenance

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig

FORMAT = 2
READABLE = (1, FORMAT)
_PROVENANCE = ("rig", "calibration", "delays")


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
    """Read a dataset folder for a task.

    Raises:
        DataError: missing folder or file, another camera set, shape, rate, dimension or L than the task's,
            numbers that are not finite, stamps that do not increase; names file and field.
        ConfigError: the calibration or its delays are none; names file and field.
    """
    index = read_index(folder)
    _check_index(folder, index, task)
    images: dict[str, list[NDArray[np.uint8]]] = {camera.name: [] for camera in task.observation.cameras}
    proprio, actions, lengths = [], [], []
    for entry in index["episodes"]:
        episode = read_episode(folder / entry["file"], task)
        for name, frames in images.items():
            frames.append(episode[f"image_{name}"])
        proprio.append(episode["proprio"])
        actions.append(episode["action"])
        lengths.append(len(episode["action"]))
    history, chunk = windows(lengths, task.observation.steps, task.action.chunk, task.observation.lead_steps)
    if not len(history):
        raise DataError(f"{folder}: no episode is longer than lead_steps = {task.observation.lead_steps}")
    return Dataset(
        images={name: np.concatenate(frames) for name, frames in images.items()},
        proprio=np.concatenate(proprio),
        actions=np.concatenate(actions),
        episode_of=np.repeat(np.arange(len(lengths)), lengths),
        history=history,
        chunk=chunk,
        episodes=len(lengths),
        provenance=_provenance(folder / "dataset.json", index),
    )


def read_index(folder: Path) -> dict[str, Any]:
    """dataset.json of a folder.

    Raises:
        DataError: not there, not JSON, another format, no episodes.
    """
    path = folder / "dataset.json"
    try:
        index: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; `zprl collect --out {folder}` makes a dataset") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(index, dict) or index.get("format") not in READABLE:
        found = index.get("format") if isinstance(index, dict) else type(index).__name__
        known = " and ".join(map(str, READABLE))
        raise DataError(f"{path}: format is {found!r}, this version reads {known}")
    episodes = index.get("episodes")
    if not isinstance(episodes, list) or not all(isinstance(e, dict) and "file" in e for e in episodes):
        raise DataError(f"{path}: episodes must be a list of mappings with a 'file'")
    if not episodes:
        raise DataError(f"{path}: episodes is empty; collect some first")
    return index


def _check_index(folder: Path, index: Mapping[str, Any], task: TaskConfig) -> None:
    path, observation = folder / "dataset.json", task.observation
    cameras = index.get("cameras", {})
    for camera in observation.cameras:
        if camera.name not in cameras:
            have = ", ".join(sorted(cameras)) or "none"
            raise DataError(f"{path}: camera '{camera.name}' of task {task.name} is missing; it has: {have}")
        if list(cameras[camera.name]) != [camera.height, camera.width]:
            raise DataError(
                f"{path}: cameras.{camera.name} is {list(cameras[camera.name])}, task {task.name} needs "
                f"[{camera.height}, {camera.width}] (height, width); collect again, or change the task"
            )
    wanted = {"rate_hz": task.rate_hz, "proprio_dim": observation.proprio_dim, "action_dim": task.action.dim}
    for key, value in wanted.items():
        if index.get(key) != value:
            raise DataError(f"{path}: {key} is {index.get(key)!r}, task {task.name} needs {value!r}")
    lead, wanted_lead = index.get("lead_steps"), observation.lead_steps
    if lead != wanted_lead and not (index["format"] == 1 and lead is None):
        raise DataError(
            f"{path}: lead_steps is {lead!r}, task {task.name} has observation.lead_steps: {wanted_lead}; "
            "collect again with that task, or set the dataset's in the task"
        )


def _provenance(path: Path, index: Mapping[str, Any]) -> Provenance | None:
    """None: a dataset of format 1."""
    if index["format"] == 1:
        return None
    return Provenance.from_dict({key: index[key] for key in _PROVENANCE if key in index}, str(path))


def read_episode(path: Path, task: TaskConfig) -> dict[str, NDArray[Any]]:
    """One episode's arrays, checked against the task.

    Raises:
        DataError: names file, array and what is wrong with it.
    """
    observation = task.observation
    expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        f"image_{view.name}": (np.uint8, (view.height, view.width, 3)) for view in observation.cameras
    }
    expected["proprio"] = (np.float32, (observation.proprio_dim,))
    expected["action"] = (np.float32, (task.action.dim,))
    expected["stamp_ns"] = (np.int64, ())
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in expected if key in file.files}
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist, but dataset.json names it") from error
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a whole .npz file ({error}); collect the episode again") from error
    missing = [key for key in expected if key not in arrays]
    if missing:
        raise DataError(f"{path}: array '{missing[0]}' is missing")
    length = arrays["stamp_ns"].size
    for key, (dtype, shape) in expected.items():
        _check_array(path, key, arrays[key], np.dtype(dtype), (length, *shape))
    if np.any(np.diff(arrays["stamp_ns"]) <= 0):
        tick = int(np.argmax(np.diff(arrays["stamp_ns"]) <= 0)) + 1
        raise DataError(f"{path}: stamp_ns does not increase at tick {tick}")
    return arrays


def _check_array(
    path: Path, key: str, array: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise DataError(f"{path}: '{key}' is {array.dtype} {array.shape}, must be {dtype} {shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        tick = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise DataError(f"{path}: '{key}' is not finite at tick {tick}; remove the episode from dataset.json")
