# SPDX-License-Identifier: Apache-2.0
"""One trial: a method learns on a benchmark from a base policy, and is measured as it goes, section V-A.

At every point of the learning curve the episodes that run are dropped, the policy is measured without
exploration, and the trial is saved; a trial that goes on from there draws what an uninterrupted one would
have drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core import checkpoint
from zprl_core.config import TaskConfig
from zprl_core.errors import CheckpointError
from zprl_core.experiments.cells import ONLINE
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.points import Point, summarise, write_points, write_trail
from zprl_core.experiments.policy import Executed, Mode, Place, Planner, episodes
from zprl_core.experiments.rollouts import Finished, Rollouts, Start
from zprl_core.experiments.stopwatch import Stopwatch
from zprl_core.session.layouts import layout_seed

Array = NDArray[np.float32]
KIND, STATE = "trial", "state.ckpt"
LAMBDA = "rl.lambda:"
"""The cell's scale counts in its place."""
EVALUATION = 2**40
"""First number of the episodes of evaluation: no training episode shares their noise."""


@dataclass
class Counters:
    """What a trial has done so far: `Point`'s, and training episodes that were begun."""

    steps: int = 0
    chunks: int = 0
    episodes: int = 0
    updates: int = 0
    begun: int = 0


@dataclass(frozen=True, eq=False)
class Measured:
    """An evaluation: its episodes, and where each of its chunks was planned from what, (n, any)."""

    finished: list[Finished]
    places: list[Place]
    chosen: Array


class LearningTrial(ABC):
    """What all methods share; `train` is their own.

    Args:
        task: with the cell's overrides. policy: plans chunks, and learns.
        environments: copies of the task.
        seed: of layouts, noise and initial weights.
        folder: of the trial.
    """

    def __init__(
        self, task: TaskConfig, policy: Planner, environments: VectorEnvironment, seed: int, folder: Path
    ) -> None:
        self.task, self.policy, self.seed, self.folder = task, policy, seed, folder
        self.environments = environments
        self.counters, self.watch, self.points = Counters(), Stopwatch(), list[Point]()

    @abstractmethod
    def train(self, until: int) -> tuple[list[Finished], dict[str, float]]:
        """Train to this number of chunks; the episodes that ended, and the last update's metrics."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What has been learned: tensors and plain data."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""

    def run(self) -> Iterator[Point]:
        """Measure the base policy, then train to the end of the budget; yields every new point.

        Raises:
            CheckpointError: what was saved is damaged.
        """
        if (self.folder / STATE).exists():
            self._load()
        budget = self.task.budget.chunks
        interval = self.task.evaluation.every_chunks or budget
        if not self.points:
            yield self._point(self.measure("base"), [], {})
        while self.counters.chunks < budget:
            until = max(self.counters.chunks + 1, len(self.points) * interval)
            trained, metrics = self.train(min(budget, until))
            self.counters.episodes += len(trained)
            yield self._point(self.measure("steer"), trained, metrics)

    def measure(self, mode: Mode) -> Measured:
        """Run the layouts and the noise of evaluation, the same each time."""
        count = self.task.evaluation.episodes
        layouts = (layout_seed(self.seed, "evaluation", number) for number in range(count))
        starts = (Start(EVALUATION + number, layout) for number, layout in enumerate(layouts))
        rollouts = Rollouts(self.environments, self.task, starts)
        finished, places, chosen = list[Finished](), list[Place](), list[Array]()
        with self.watch.spending("evaluation"):
            for step in episodes(self.policy, rollouts, lambda _: mode, Stopwatch()):
                for executed in step:  # without its pictures, of which an evaluation has a gigabyte
                    places.append(executed.before)
                    chosen.append(executed.chosen)
                    if executed.moved.finished:
                        finished.append(executed.moved.finished)
        return Measured(finished, places, np.stack(chosen))

    def effect(self, _measured: Measured) -> dict[str, float]:
        """What the method did to these chunks, in numbers of its own."""
        return {}

    def keep(self, measured: Measured, trained: Sequence[Finished], point: int) -> None:
        """Keep what a report draws of an evaluation, and of the training before it."""
        first = min(measured.finished, key=lambda each: each.episode)
        write_trail(self.folder, point, first, trained[0] if trained else None)

    def training(self) -> Rollouts:
        """New training episodes without end."""
        return Rollouts(self.environments, self.task, self._starts())

    def count(self, chunk: Executed) -> float:
        """Count a training chunk; returns its reward as it is learned from."""
        benchmark, execution = self.task.benchmark, chunk.moved.execution
        self.counters.chunks += 1
        self.counters.steps += execution.steps * self.task.action.repeat
        scale = benchmark.reward_scale if benchmark and self.task.dense_reward else 1.0
        return scale * execution.reward

    def _starts(self) -> Iterator[Start]:
        while True:
            number = self.counters.begun
            self.counters.begun += 1
            yield Start(number, layout_seed(self.seed, "training", number))

    def _point(
        self,
        measured: Measured,
        trained: list[Finished],
        metrics: dict[str, float],
    ) -> Point:
        counters, evaluation = self.counters, summarise(measured.finished)
        with self.watch.spending("evaluation"):
            effect = self.effect(measured)
        assert evaluation is not None
        point = Point(
            steps=counters.steps,
            chunks=counters.chunks,
            episodes=counters.episodes,
            updates=counters.updates,
            evaluation=evaluation,
            training=summarise(trained),
            metrics=metrics,
            effect=effect,
            spent_s=dict(self.watch.spent_s),
        )
        self.points.append(point)
        self.keep(measured, trained, len(self.points) - 1)
        self._save()
        return point

    def _save(self) -> None:
        state = {
            "learned": self.state(),
            "counters": asdict(self.counters),
            "points": [asdict(point) for point in self.points],
        }
        checkpoint.save(self.folder / STATE, KIND, self.task.to_dict(), state)
        write_points(self.folder, self.points)

    def _load(self) -> None:
        found = checkpoint.load(self.folder / STATE, KIND)
        different = [
            line
            for line in found.task_config().differences(self.task, *ONLINE)
            if not line.startswith(LAMBDA)
        ]
        if different:
            raise CheckpointError(
                f"{self.folder / STATE}: was run with other settings. There, now: {'; '.join(different)}. "
                "Remove the trial's folder to run it anew"
            )
        state = found.state
        self.restore(state["learned"])
        self.counters = Counters(**state["counters"])
        self.points = [Point.from_dict(each) for each in state["points"]]
        self.watch = Stopwatch(self.points[-1].spent_s)
        write_points(self.folder, self.points)
