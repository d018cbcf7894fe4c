# SPDX-License-Identifier: Apache-2.0
"""Demonstrations of a benchmark's medium expert, as an ordinary dataset folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zprl_core import noise
from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.data.episode import Episode, EpisodeInfo, Header
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import ConfigError
from zprl_core.experiments.environments.protocol import Environment, Observation
from zprl_core.experiments.environments.registry import make_environment, make_expert
from zprl_core.noise import Stream
from zprl_core.session.layouts import layout_seed

KIND = "demonstration"
"""Of layouts: no other episode of a trial has these."""


def demonstrate(environment: Environment, task: TaskConfig, seed: int, number: int) -> Episode:
    """One episode of the expert, success or not.

    Args:
        environment: of the task.
        task: what to demonstrate.
        seed, number: of the dataset, and of the episode in it.
    """
    layout = layout_seed(seed, KIND, number)
    environment.reset(layout)
    expert = make_expert(task, noise.generator(seed, number, 0, Stream.LAYOUT))
    assert task.benchmark is not None
    longest = task.benchmark.demonstrator.gives_up_steps or task.horizon_steps
    seen, actions, success = list[Observation](), list[NDArray[np.float32]](), False
    while len(actions) < longest and (task.dense_reward or not success):  # as episodes of a trial do
        seen.append(environment.observe())
        actions.append(expert.act(environment.state()))
        success = environment.step(actions[-1]).success or success
    tick_ns = round(1e9 * task.waypoint_s)
    return Episode(
        images={name: np.stack([each.images[name] for each in seen]) for name in seen[0].images},
        proprio=np.stack([o.proprio for o in seen]),
        action=np.stack(actions),
        stamp_ns=np.arange(len(seen), dtype=np.int64) * tick_ns,
        info=EpisodeInfo(
            length=len(seen),
            outcome="success" if success else "failure" if longest < task.horizon_steps else "horizon",
            source=f"seed {seed}, episode {number}",
            label_author=task.name,
            facts={"layout_seed": layout},
        ),
    )


def collect(
    task: TaskConfig, folder: Path, seed: int, progress: Callable[[int, int], None] = lambda _done, _of: None
) -> None:
    """Write `budget.demonstrations` episodes.

    Raises:
        ConfigError: the task's simulator is missing, or it has no expert; that says where a dataset of
            another origin belongs.
        DataError: the folder is in use.
    """
    header = Header(
        task=task.name,
        rate_hz=task.rate_hz,
        lead_steps=task.observation.lead_steps,
        cameras={view.name: (view.height, view.width) for view in task.observation.cameras},
        proprio_dim=task.observation.proprio_dim,
        action_dim=task.action.dim,
        action=ActionCodec.from_config(task.action),
        facts={"seed": seed},
    )
    environment, count = make_environment(task), task.budget.demonstrations
    try:
        _require_expert(task, seed, folder)
        with DatasetWriter(folder, header) as writer:
            for number in range(count):
                writer.add(demonstrate(environment, task, seed, number))
                progress(number + 1, count)
    finally:
        environment.close()


def _require_expert(task: TaskConfig, seed: int, folder: Path) -> None:
    """
    Raises:
        ConfigError: the task has none.
    """
    try:
        make_expert(task, noise.generator(seed, 0, 0, Stream.LAYOUT))
    except ConfigError as error:
        raise ConfigError(f"{error}. Its demonstrations belong in {folder}") from error
