# SPDX-License-Identifier: Apache-2.0
"""SAC on a frozen base policy: ZPRL, and the other steering interfaces in its place.

The loop of the paper: each chunk of every copy becomes a transition, and each transition owes `utd` updates
once the warm-up is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zprl_core import noise
from zprl_core.base import BaseModel
from zprl_core.config import TaskConfig
from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.latents import Latents, write_latents
from zprl_core.experiments.methods import make_sac, make_steering, steered_share
from zprl_core.experiments.policy import Executed, Mode, Place, SteeredPolicy, episodes
from zprl_core.experiments.rollouts import Finished
from zprl_core.experiments.trial import LearningTrial, Measured
from zprl_core.noise import Stream
from zprl_core.rl.replay import ReplayBuffer
from zprl_core.rl.transition import Transition
from zprl_core.rl.updates import one_update, seeded
from zprl_core.steering.guard import GuardValues, measure
from zprl_core.steering.latent import LatentSteering

GUARD = tuple(each.name for each in fields(GuardValues))


class SteeringTrial(LearningTrial):
    """A steering method on a task with one seed.

    Args:
        task: with the cell's overrides. cell: which method, with its scale.
        model: the frozen base policy with its bottleneck, on the device that all computes on.
        environments, seed, folder: see `LearningTrial`.
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
        self.cell, steering = cell, make_steering(cell, task, model)
        self.sac = seeded(seed, lambda: make_sac(cell, task, model, steering))
        self.sac.to(model.bottleneck.c_mean.device)
        moments = model.bottleneck.c_mean.cpu().numpy(), model.bottleneck.c_std.cpu().numpy()
        self.replay = ReplayBuffer(*moments, steering.dim)
        self.steered = SteeredPolicy(model, steering, self.sac.actor, seed)
        super().__init__(task, self.steered, environments, seed, folder)

    def train(self, until: int) -> tuple[list[Finished], dict[str, float]]:
        """Train to this number of chunks; the episodes that ended, and the last update's metrics."""
        finished, metrics, rl = list[Finished](), dict[str, Tensor](), self.task.rl
        for executed in episodes(self.policy, self.training(), self._mode, self.watch):
            for each in executed:
                self._store(each)
                if each.moved.finished:
                    finished.append(each.moved.finished)
            if len(self.replay) > rl.warmup_chunks:
                with self.watch.spending("update"):
                    for _ in range(len(executed) * rl.utd):
                        metrics = one_update(self.sac, self.replay, self.seed, self.counters.updates)
                        self.counters.updates += 1
            if self.counters.chunks >= until:
                break
        return finished, {name: value.item() for name, value in metrics.items()}

    def state(self) -> dict[str, Any]:
        """Networks, optimisers and replay buffer."""
        optimizers = {name: each.state_dict() for name, each in self.sac.optimizers.items()}
        return {"sac": self.sac.state_dict(), "optimizers": optimizers, "replay": self.replay.to_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.sac.load_state_dict(state["sac"])
        for name, optimizer in self.sac.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.replay.from_state(state["replay"])

    def effect(self, measured: Measured) -> dict[str, float]:
        """Means of the guard's three numbers (Fig. 11 c and d), of ZPRL."""
        steering, latents = self.steered.steering, self.steered.model.latents
        if not isinstance(steering, LatentSteering):
            return {}
        z, steered = np.stack([place.base for place in measured.places]), measured.chosen
        device = self.steered.device
        before, after = (
            steering.condition(torch.from_numpy(x).to(device)).cpu().numpy() for x in (z, steered)
        )
        found = [measure(*rows, latents) for rows in zip(z, steered, before, after, strict=True)]
        means = np.mean([astuple(each) for each in found], axis=0)
        return {name: float(mean) for name, mean in zip(GUARD, means, strict=True) if np.isfinite(mean)}

    def keep(self, measured: Measured, trained: Sequence[Finished], point: int) -> None:
        """Of ZPRL, the latents of some of its chunks too (Fig. 11 a and b)."""
        super().keep(measured, trained, point)
        if isinstance(self.steered.steering, LatentSteering):
            write_latents(self.folder, point, Latents.spread(measured.places, measured.chosen))

    def _mode(self, place: Place) -> Mode:
        """Explore, or leave the base alone for a chunk (progressive exploration, noise steering's start)."""
        share = steered_share(self.cell, self.task, self.counters.steps, self.counters.chunks)
        drawn = noise.generator(self.seed, place.episode, place.chunk, Stream.STEERED).random()
        return "explore" if drawn < share else "base"

    def _store(self, chunk: Executed) -> None:
        before, after = chunk.before, chunk.after
        self.replay.append(
            Transition(
                episode=before.episode,
                chunk=before.chunk,
                c=before.c,
                z=before.base,
                z_tilde=chunk.chosen,
                reward=self.count(chunk),
                terminal=chunk.moved.execution.over,
                last=chunk.moved.finished is not None,
                c_next=after.c,
                z_next=after.base,
            )
        )
