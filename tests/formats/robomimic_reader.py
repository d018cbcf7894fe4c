"""Runs in .venv-format-readers: robomimic's own SequenceDataset reads a file.

robomimic_reader.py FILE.hdf5 OUT.npz     every item of the split "train" and of all, one behind the other
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import robomimic.utils.obs_utils as obs_utils
from robomimic.utils.dataset import SequenceDataset


def read(path: Path, out: Path) -> None:
    with h5py.File(path) as file:
        keys = sorted(file["data/demo_0/obs"])
    images = [key for key in keys if key.endswith("_image")]
    rest = [key for key in keys if key not in images]
    obs_utils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": images, "low_dim": rest}})
    settings: dict[str, Any] = {
        "hdf5_path": str(path),
        "obs_keys": keys,
        "dataset_keys": ("actions", "rewards", "dones"),
        "seq_length": 1,
        "hdf5_cache_mode": None,
        "hdf5_use_swmr": True,
    }
    dataset = SequenceDataset(**settings)
    items = [dataset[index] for index in range(len(dataset))]
    found = {key: np.stack([item[key][0] for item in items]) for key in ("actions", "rewards", "dones")}
    for group in ("obs", "next_obs"):
        for key in keys:
            found[f"{group}/{key}"] = np.stack([item[group][key][0] for item in items])
    train = SequenceDataset(**settings, filter_by_attribute="train")
    np.savez(out, **found, train=len(train), demos=len(dataset.demos))


if __name__ == "__main__":
    read(Path(sys.argv[1]), Path(sys.argv[2]))
