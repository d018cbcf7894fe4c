# SPDX-License-Identifier: Apache-2.0
"""The constant offset of a medium expert's aim, drawn once an episode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.errors import ConfigError


def draw_flaw(task: TaskConfig, names: tuple[str, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """The offset of this episode, zeros where it is not flawed.

    Args:
        task: whose `benchmark.demonstrator` says how often and how far.
        names: of the offset's numbers, with their units.
        rng: of the episode; always drawn from in the same way.

    Raises:
        ConfigError: `flaw` has another number of numbers.
    """
    assert task.benchmark is not None
    settings = task.benchmark.demonstrator
    if settings.flawed_share > 0.0 and len(settings.flaw) != len(names):
        problem = f"benchmark.demonstrator.flaw has {len(settings.flaw)} numbers, needs {len(names)}"
        raise ConfigError(f"task {task.name}: {problem}: {', '.join(names)}")
    flawed, spread = rng.random() < settings.flawed_share, rng.standard_normal(len(names))
    return np.array(settings.flaw) + settings.flaw_spread * spread if flawed else np.zeros(len(names))
