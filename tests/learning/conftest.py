"""A task small enough to train in a second, and demonstrations of it."""

from __future__ import annotations

import pytest
import torch

from tests.learning.tiny import tiny_task, write_dataset
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import Dataset, load_dataset

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def task() -> TaskConfig:
    return tiny_task()


@pytest.fixture(scope="session")
def data(task: TaskConfig, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, [14, 11, 12])
    return load_dataset(folder, task)
