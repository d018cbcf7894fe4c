# SPDX-License-Identifier: Apache-2.0
"""One trial of a steering method: SAC on a frozen base policy in a benchmark, section V-A.

The loop of the paper: each chunk of every copy becomes a transition, each transition owes `utd` updates once
the warm-up is over. At every point of the learning curve the episodes that run are dropped, the policy is
measured without exploration, and the trial is saved; a trial that goes on from there draws what an
uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from zprl_core import checkpoint, noise
from zprl_core.base import BaseModel
from zprl_core.config import TaskConfig
from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.methods import make_steering, steered_share
from zprl_core.experiments.points import Episodes, Point, summarise, write_points
from zprl_core.experiments.policy import Executed, Mode, Place, SteeredPolicy, episodes
from zprl_core.experiments.rollouts import Finished, Rollouts, Start
from zprl_core.experiments.stopwatch import Stopwatch
from zprl_core.noise import Stream
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.transition import Transition
from zprl_core.rl.updates import one_update, seeded_sac
from zprl_core.session.layouts import layout_seed

KIND, STATE = "trial", "state.ckpt"
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


class SteeringTrial:
    """A method on a task with one seed.

    Args:
        task: with the cell's overrides. cell: which method, with its scale.
        model: the frozen base policy with its bottleneck.
        environments: copies of the task.
        seed: of layouts, noise and initial weights.
        folder: of the trial; what it holds is gone on from.
    """

    def __init__(
        self,
        task: TaskConfig,
        cell: CellConfig,
        model: BaseModel,
        environments: VectorEnvironment,
        seed: int,
        folder: Path,
    ) -> None:
        self.task, self.cell, self.seed, self.folder = task, cell, seed, folder
        self.environments = environments
        steering = make_steering(cell, task, model)
        self.policy = SteeredPolicy(model, steering, seed)
        self.sac = seeded_sac(task, model.policy.c_dim, steering.dim, steering.apply, seed)
        moments = self.policy.c_mean.numpy(), self.policy.c_std.numpy()
        self.replay = ReplayBuffer(*moments, steering.dim)
        self.counters, self.watch, self.points = Counters(), Stopwatch(), list[Point]()
        if (folder / STATE).exists():
            self._load()

    def run(self) -> Iterator[Point]:
        """Measure the base policy, then train to the end of the budget; yields every new point."""
        budget = self.task.budget.chunks
        interval = self.task.evaluation.every_chunks or budget
        if not self.points:
            yield self._point(self.measure("base"), None, {})
        while self.counters.chunks < budget:
            trained, metrics = self.train(min(budget, len(self.points) * interval))
            yield self._point(self.measure("steer"), summarise(trained), metrics)

    def train(self, until: int) -> tuple[list[Finished], dict[str, float]]:
        """Train to this number of chunks; the episodes that ended, and the last update's metrics."""
        finished, metrics = list[Finished](), dict[str, torch.Tensor]()
        rollouts = Rollouts(self.environments, self.task, self._training())
        for executed in episodes(self.policy, rollouts, self.sac.actor, self._mode, self.watch):
            for each in executed:
                self._store(each)
                if each.moved.finished:
                    finished.append(each.moved.finished)
            if len(self.replay) > self.task.rl.warmup_chunks:
                with self.watch.spending("update"):
                    for _ in range(len(executed) * self.task.rl.utd):
                        metrics = one_update(self.sac, self.replay, self.seed, self.counters.updates)
                        self.counters.updates += 1
            if self.counters.chunks >= until:
                break
        self.counters.episodes += len(finished)
        return finished, {name: value.item() for name, value in metrics.items()}

    def measure(self, mode: Mode) -> Episodes:
        """The layouts and the noise of evaluation, the same each time."""
        count = self.task.evaluation.episodes
        starts = [
            Start(EVALUATION + number, layout_seed(self.seed, "evaluation", number))
            for number in range(count)
        ]
        rollouts = Rollouts(self.environments, self.task, iter(starts))
        with self.watch.spending("evaluation"):
            chunks = episodes(self.policy, rollouts, self.sac.actor, lambda _: mode, Stopwatch())
            found = summarise([e.moved.finished for step in chunks for e in step if e.moved.finished])
        assert found is not None
        return found

    def _training(self) -> Iterator[Start]:
        while True:
            number = self.counters.begun
            self.counters.begun += 1
            yield Start(number, layout_seed(self.seed, "training", number))

    def _mode(self, place: Place) -> Mode:
        """Explore, or leave the base alone for a chunk (progressive exploration, noise steering's start)."""
        share = steered_share(self.cell, self.task, self.counters.steps, self.counters.chunks)
        drawn = noise.generator(self.seed, place.episode, place.chunk, Stream.STEERED).random()
        return "explore" if drawn < share else "base"

    def _store(self, chunk: Executed) -> None:
        before, after, execution = chunk.before, chunk.after, chunk.moved.execution
        scale = self.task.benchmark.reward_scale if self.task.benchmark and self.task.dense_reward else 1.0
        self.counters.chunks += 1
        self.counters.steps += execution.steps * self.task.action.repeat
        self.replay.append(
            Transition(
                episode=before.episode,
                chunk=before.chunk,
                c=before.c,
                z=before.base,
                z_tilde=chunk.steered,
                reward=scale * execution.reward,
                terminal=execution.success,
                last=chunk.moved.finished is not None,
                c_next=after.c,
                z_next=after.base,
            )
        )

    def _point(self, evaluation: Episodes, training: Episodes | None, metrics: dict[str, float]) -> Point:
        counters = self.counters
        point = Point(
            steps=counters.steps,
            chunks=counters.chunks,
            episodes=counters.episodes,
            updates=counters.updates,
            evaluation=evaluation,
            training=training,
            metrics=metrics,
            spent_s=dict(self.watch.spent_s),
        )
        self.points.append(point)
        self._save()
        return point

    def _save(self) -> None:
        state = {
            "sac": self.sac.state_dict(),
            "optimizers": {name: each.state_dict() for name, each in self.sac.optimizers.items()},
            "replay": self.replay.to_state(),
            "counters": asdict(self.counters),
            "points": [asdict(point) for point in self.points],
        }
        checkpoint.save(self.folder / STATE, KIND, self.task.to_dict(), state)
        write_points(self.folder, self.points)

    def _load(self) -> None:
        state = checkpoint.load(self.folder / STATE, KIND).state
        self.sac.load_state_dict(state["sac"])
        for name, optimizer in self.sac.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.replay.from_state(state["replay"])
        self.counters = Counters(**state["counters"])
        self.points = [Point.from_dict(each) for each in state["points"]]
        self.watch = Stopwatch(self.points[-1].spent_s)
        write_points(self.folder, self.points)
