# SPDX-License-Identifier: Apache-2.0
"""Writes robomimic's HDF5 layout, which `robomimic` documents, so that robomimic's SequenceDataset reads it.

obs and next_obs hold <camera>_image, and q as "proprio" or in the parts that it was imported from. next_obs
is obs one tick later, the last one repeated. There is no simulator behind it: env_args name the task, and
there are no states.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.episode import Episode, Header
from zprl_core.data.formats import own
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.library import library
from zprl_core.data.formats.own import OwnHeader, proprio_parts
from zprl_core.data.formats.robomimic import PROPRIO, STAMPS
from zprl_core.data.formats.signals import dones_of, rewards_of, splits_of
from zprl_core.data.formats.whole import whole
from zprl_core.data.reading import StoredDataset
from zprl_core.errors import DataError

_FILE = "dataset.hdf5"
_ENV_TYPE = 2
"""robomimic's number for a gym environment, its most general one; nothing can be rolled out."""


def write_robomimic(
    dataset: StoredDataset,
    out: Path,
    form: ActionForm,
    *,
    next_obs: bool = True,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write one HDF5 file, an episode at a time.

    Args:
        dataset: of ours.
        out: the file.
        form: how actions are written.
        next_obs: whether to write next_obs, which doubles the file; robomimic's offline RL needs it.
        progress: called with (episodes done, of how many).

    Raises:
        ConfigError: h5py is missing.
        DataError: `out` is there already, the disk is full, or the dataset is damaged; nothing is left.
    """
    h5py = library("h5py", "writing robomimic's HDF5")
    header, splits = dataset.header, dict[str, list[str]]()
    with whole(out, _FILE) as beside, h5py.File(beside / _FILE, "w", libver="latest") as file:
        data = file.create_group("data")
        data.attrs["total"] = sum(dataset.lengths)
        data.attrs["env_args"] = own.dumps(_env_args(header))
        data.attrs[own.NAME] = own.dumps(OwnHeader.of(header, form).to_dict())
        for number, episode in enumerate(dataset):
            name = f"demo_{number}"
            _write_demo(data.create_group(name), header, episode, form, next_obs)
            for split in splits_of(episode.info):
                splits.setdefault(split, []).append(name)
            progress(number + 1, len(dataset))
        for split, demos in splits.items():
            file[f"mask/{split}"] = np.array(demos, dtype="S")


def _write_demo(demo: Any, header: Header, episode: Episode, form: ActionForm, next_obs: bool) -> None:
    demo.attrs["num_samples"] = len(episode)
    demo.attrs[own.NAME] = own.dumps(own.info_to_dict(episode.info))
    demo["actions"] = form.inverse(episode.action)
    demo["rewards"] = rewards_of(episode.info)
    demo["dones"] = dones_of(episode.info).astype(np.int64)
    demo[STAMPS] = episode.stamp_ns
    later = np.minimum(np.arange(1, len(episode) + 1), len(episode) - 1)
    for key, array in _observations(header, episode).items():
        demo[f"obs/{key}"] = array
        if next_obs:
            demo[f"next_obs/{key}"] = array[later]


def _observations(header: Header, episode: Episode) -> dict[str, NDArray[Any]]:
    images: dict[str, NDArray[Any]] = {f"{name}_image": frames for name, frames in episode.images.items()}
    return {**images, **_parts(episode.proprio, proprio_parts(header.facts))}


def _parts(proprio: NDArray[np.float32], parts: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.float32]]:
    """q (T, dq) in the parts that it was imported from."""
    if not parts:
        return {PROPRIO: proprio} if proprio.shape[1] else {}
    if sum(numbers for _, numbers in parts) != proprio.shape[1]:
        listed = ", ".join(f"{key} {numbers}" for key, numbers in parts)
        raise DataError(
            f"dataset.json: facts.{own.PROPRIO_PARTS} ({listed}) do not add up to proprio_dim = "
            f"{proprio.shape[1]}; remove them"
        )
    ends = np.cumsum([numbers for _, numbers in parts])[:-1]
    return {key: part for (key, _), part in zip(parts, np.split(proprio, ends, axis=1), strict=True)}


def _env_args(header: Header) -> Mapping[str, Any]:
    kwargs = {"control_freq": header.rate_hz, "controller_configs": {"control_delta": False}}
    return {"env_name": header.task, "type": _ENV_TYPE, "env_kwargs": kwargs}
