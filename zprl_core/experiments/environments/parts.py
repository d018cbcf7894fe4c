# SPDX-License-Identifier: Apache-2.0
"""Proprioception from a simulator's named parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig, loader
from zprl_core.errors import ConfigError


def join(task: TaskConfig, state: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """q (dq,), float32: the parts that the task names, in its order.

    Raises:
        ConfigError: an unknown part, or parts of another length than observation.proprio_dim.
    """
    assert task.benchmark is not None
    names, wanted = task.benchmark.proprioception, task.observation.proprio_dim
    for name in names:
        if name not in state:
            problem = f"benchmark.proprioception: '{name}' is no part of {task.benchmark.environment}"
            raise ConfigError(f"task {task.name}: {problem}{loader.did_you_mean(name, list(state))}")
    sizes = {name: state[name].size for name in names}
    if sum(sizes.values()) != wanted:
        told = " + ".join(f"{name} {size}" for name, size in sizes.items())
        problem = f"observation.proprio_dim is {wanted}, its parts have {sum(sizes.values())}: {told}"
        raise ConfigError(f"task {task.name}: {problem}")
    return np.concatenate([np.ravel(state[name]) for name in names]).astype(np.float32)
