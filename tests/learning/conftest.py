"""A task small enough to train in a second, and demonstrations of it."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.learning.tiny import VIEW, change, write_dataset
from zprl_core.config import TaskConfig, load_task
from zprl_core.data.dataset import Dataset, load_dataset

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def task() -> TaskConfig:
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


@pytest.fixture(scope="session")
def data(task: TaskConfig, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, [14, 11, 12])
    return load_dataset(folder, task)
