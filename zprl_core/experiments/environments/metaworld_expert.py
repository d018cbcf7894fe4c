# SPDX-License-Identifier: Apache-2.0
"""Metaworld's scripted experts, made worse: a medium expert sees object or goal beside their places."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.experiments.environments.flaw import draw_flaw
from zprl_core.experiments.environments.packages import simulator
from zprl_core.experiments.environments.protocol import Expert

FLAW = ("object x, m", "object y, m", "object z, m", "goal x, m", "goal y, m", "goal z, m")
STEP_M = 0.01
"""What 1 of Metaworld's action moves the hand's target."""


class MetaworldExpert:
    """A scripted policy with absolute waypoints. Implements `Expert`.

    Args:
        policy: Metaworld's, for this environment.
        flaw: offsets (6,), m, of where it sees object and goal.
        noise: standard deviation on a waypoint's position, m.
        rng: of the noise.
    """

    def __init__(
        self, policy: Any, flaw: NDArray[np.float64], noise: float, rng: np.random.Generator
    ) -> None:
        self._policy, self._flaw, self._noise, self._rng = policy, flaw, noise, rng

    def act(self, state: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The next waypoint (4,)."""
        seen = np.array(state["metaworld"])
        seen[4:7] += self._flaw[:3]
        seen[36:39] += self._flaw[3:]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the scripts ask for more than a step, and say so each time
            raw = np.clip(self._policy.get_action(seen), -1.0, 1.0)
        target = state["target_position"] + STEP_M * raw[:3] + self._noise * self._rng.standard_normal(3)
        return np.append(target, raw[3]).astype(np.float32)


def make_expert(task: TaskConfig, rng: np.random.Generator) -> Expert:
    """The medium expert of one episode.

    Raises:
        ConfigError: Metaworld is missing, or the task's flaw has another number of numbers.
    """
    assert task.benchmark is not None
    simulator("metaworld")
    policies = importlib.import_module("metaworld.policies").ENV_POLICY_MAP
    flaw = draw_flaw(task, FLAW, rng)
    policy = policies[task.benchmark.environment]
    return MetaworldExpert(policy(), flaw, task.benchmark.demonstrator.noise, rng)
