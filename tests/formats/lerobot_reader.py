"""Runs in .venv-format-readers: LeRobot's own classes read a dataset, or write one.

    lerobot_reader.py FOLDER OUT.npz      every item of the dataset, one behind the other
    lerobot_reader.py --write IN.npz FOLDER

LeRobot 0.4.4 is older than torch 2.13, so two things are put in their places before it is used: operators
that torchvision's wheel does not register beside this torch, and its video reader, which is gone, by PyAV.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import lerobot.datasets.lerobot_dataset as lerobot_dataset  # noqa: E402


def decode(
    path: Any, timestamps: list[float], tolerance_s: float, backend: str | None = None
) -> torch.Tensor:
    """As LeRobot's own: frames (T, 3, h, w), 0 .. 1, nearest to the timestamps and within the tolerance."""
    with av.open(str(path)) as container:
        found = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    times = np.array([time for time, _ in found])
    nearest = [int(np.argmin(np.abs(times - wanted))) for wanted in timestamps]
    assert max(abs(times[k] - wanted) for k, wanted in zip(nearest, timestamps, strict=True)) < tolerance_s
    return torch.stack([torch.from_numpy(found[k][1]).permute(2, 0, 1).float() / 255 for k in nearest])


lerobot_dataset.decode_video_frames = decode


def read(folder: Path, out: Path) -> None:
    dataset = lerobot_dataset.LeRobotDataset("local/exported", root=folder, video_backend="pyav")
    items = [dataset[index] for index in range(len(dataset))]
    found = {
        key: np.stack([np.asarray(item[key]) for item in items])
        for key in items[0]
        if not isinstance(items[0][key], str)
    }
    rows = dataset.meta.episodes
    stats = {
        f"stats/{key}/{name}": value for key, of in dataset.meta.stats.items() for name, value in of.items()
    }
    np.savez(
        out,
        **found,
        **stats,
        tasks=np.array([item["task"] for item in items]),
        fps=dataset.fps,
        lengths=np.array([row["length"] for row in rows]),
        camera_keys=np.array(dataset.meta.camera_keys),
    )


def write(source: Path, folder: Path) -> None:
    """Two episodes with a camera, a state and an action, written by LeRobot."""
    with np.load(source) as held:
        arrays = dict(held)
    features = {
        "observation.images.front": {
            "dtype": "video",
            "shape": arrays["front"].shape[1:],
            "names": ["height", "width", "channels"],
        },
        "observation.state": {"dtype": "float32", "shape": arrays["state"].shape[1:], "names": None},
        "action": {"dtype": "float32", "shape": arrays["action"].shape[1:], "names": None},
    }
    dataset = lerobot_dataset.LeRobotDataset.create("local/written", fps=30, root=folder, features=features)
    first = 0
    for length in arrays["lengths"]:
        for tick in range(first, first + length):
            dataset.add_frame(
                {
                    "observation.images.front": arrays["front"][tick],
                    "observation.state": arrays["state"][tick],
                    "action": arrays["action"][tick],
                    "task": "Place the orange.",
                }
            )
        dataset.save_episode()
        first += length
    dataset.finalize()


if __name__ == "__main__":
    if sys.argv[1] == "--write":
        write(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        read(Path(sys.argv[1]), Path(sys.argv[2]))
