"""Demonstrations of a task small enough to train in a second."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from zprl_core.config import CameraView, TaskConfig

VIEW = CameraView(name="third_view", height=20, width=24, crop_height=16, crop_width=20)


def change(task: TaskConfig, section: str, **values: object) -> TaskConfig:
    """The task with some keys of a section changed."""
    part = dataclasses.replace(getattr(task, section), **values)
    return dataclasses.replace(task, **{section: part})


def episode(rng: np.random.Generator, length: int) -> dict[str, np.ndarray]:
    """Arrays of one demonstration; actions depend on time only."""
    t = np.arange(length)[:, None]
    return {
        "image_third_view": rng.integers(0, 256, (length, 20, 24, 3), dtype=np.uint8),
        "proprio": rng.standard_normal((length, 3), dtype=np.float32),
        "action": np.sin(0.3 * t + np.arange(7)).astype(np.float32),
        "stamp_ns": np.arange(length, dtype=np.int64) * 33_333_333,
    }


def index(lengths: list[int]) -> dict[str, object]:
    """dataset.json of episodes with these lengths."""
    return {
        "format": 1,
        "task": "tiny",
        "rate_hz": 30,
        "cameras": {"third_view": [20, 24]},
        "proprio_dim": 3,
        "action_dim": 7,
        "episodes": [{"file": f"episode_{i:05d}.npz", "steps": n} for i, n in enumerate(lengths)],
    }


def write_dataset(folder: Path, lengths: list[int], seed: int = 0) -> None:
    """A valid dataset folder."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i, length in enumerate(lengths):
        np.savez(folder / f"episode_{i:05d}.npz", allow_pickle=False, **episode(rng, length))
    (folder / "dataset.json").write_text(json.dumps(index(lengths)))
