# SPDX-License-Identifier: Apache-2.0
"""Which module a task's simulator and its expert are in; imported where they are used."""

from __future__ import annotations

import importlib

import numpy as np

from zprl_core.config import BenchmarkConfig, TaskConfig
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.protocol import Environment, Expert

CLASSES = {
    "metaworld": "MetaworldEnvironment",
    "adroit": "AdroitEnvironment",
    "robomimic": "RobomimicEnvironment",
}


def benchmark_of(task: TaskConfig) -> BenchmarkConfig:
    """A task's `benchmark` section.

    Raises:
        ConfigError: the task has a rig in its place.
    """
    if task.benchmark is None:
        raise ConfigError(f"task {task.name} has no `benchmark` section: it runs on a rig, with `zprl train`")
    return task.benchmark


def make_environment(task: TaskConfig) -> Environment:
    """The simulated task.

    Raises:
        ConfigError: no benchmark, or its package is missing or of another release.
    """
    suite = benchmark_of(task).suite
    module = importlib.import_module(f"zprl_core.experiments.environments.{suite}")
    made: Environment = getattr(module, CLASSES[suite])(task)
    return made


def make_expert(task: TaskConfig, rng: np.random.Generator) -> Expert:
    """The medium expert of one episode; rng: of that episode.

    Raises:
        ConfigError: no benchmark, its package is missing, or it has no expert.
    """
    suite = benchmark_of(task).suite
    module = importlib.import_module(f"zprl_core.experiments.environments.{suite}_expert")
    made: Expert = module.make_expert(task, rng)
    return made
