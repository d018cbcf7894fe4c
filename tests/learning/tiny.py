"""Demonstrations of a task small enough to train in a second."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from zprl_core.config import CameraView, TaskConfig, load_task

VIEW = CameraView(name="third_view", height=20, width=24, crop_height=16, crop_width=20)


def change(task: TaskConfig, section: str, **values: object) -> TaskConfig:
    """The task with some keys of a section changed."""
    part = dataclasses.replace(getattr(task, section), **values)
    return dataclasses.replace(task, **{section: part})


def tiny_task() -> TaskConfig:
    """The task."""
    tiny = dataclasses.replace(load_task("place_orange_demo"), horizon_steps=32)
    tiny = change(tiny, "observation", cameras=(VIEW,), proprio_dim=3, steps=2, lead_steps=2)
    tiny = change(tiny, "action", chunk=4)
    tiny = change(
        tiny,
        "policy",
        unet_widths=(8, 16),
        groups=4,
        resnet_width=4,
        image_embedding=6,
        step_embedding=8,
        kernel_size=3,
        pooling="flatten",
    )
    tiny = change(
        tiny, "bottleneck", latent_dim=4, hidden=16, layers=2, steps=20, evaluate_every=10, batch_size=16
    )
    tiny = change(
        tiny,
        "pretrain",
        batch_size=8,
        epochs=2,
        max_steps=None,
        warmup_steps=2,
        noise_samples=2,
        precision="fp32",
    )
    return change(
        tiny, "rl", lambda_=0.5, batch_size=8, hidden=16, layers=2, warmup_chunks=3, utd=2, critics=2
    )


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
        "format": 2,
        "task": "tiny",
        "rig": "cell",
        "calibration": "cell-1",
        "delays": [{"name": "camera third_view", "delay_s": 0.03}],
        "lead_steps": 2,
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
