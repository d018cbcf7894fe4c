# SPDX-License-Identifier: Apache-2.0
"""Full fine-tuning on-policy: DPPO and ReinFlow in the loop of the other trials."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core import noise
from zprl_core.base import BaseModel
from zprl_core.config import TaskConfig
from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.policy import Executed, Mode, Place, encode, episodes, normal
from zprl_core.experiments.rollouts import Finished, Slot
from zprl_core.experiments.trial import LearningTrial
from zprl_core.finetuning.dppo import DPPO, dppo_chain, dppo_config
from zprl_core.finetuning.ppo import PPO, Experience, generalised_advantages
from zprl_core.finetuning.reinflow import ReinFlow, reinflow_chain, reinflow_config
from zprl_core.noise import Stream
from zprl_core.rl.updates import seeded

Array = NDArray[np.float32]
SMALLEST, LARGEST, ITERATIONS = 1000, 20_000, 50
"""Chunks of an iteration: theirs (50 copies of 400), or what lets the budget have so many of them, ours."""
NOTHING = np.zeros(0, np.float32)


class ChainPolicy:
    """Plans chunks by sampling a flow's chain. Implements `Planner`.

    Args:
        model: the base policy, for its encoder. ppo: whose chain is sampled, may go on learning.
        seed: of the run.
    """

    def __init__(self, model: BaseModel, ppo: PPO, seed: int) -> None:
        self.model, self.ppo, self.seed = model, ppo, seed
        self.shape = (model.policy.chunk, model.policy.action_dim)

    @torch.inference_mode()
    def look(self, slots: Collection[Slot]) -> dict[int, Place]:
        """Encode what is seen; there is no base to be perturbed."""
        if not slots:
            return {}
        c = encode(self.model, [slot.observation for slot in slots]).cpu().numpy()
        return {
            slot.copy: Place(slot.episode, slot.chunk, row, NOTHING)
            for slot, row in zip(slots, c, strict=True)
        }

    @torch.inference_mode()
    def plan(self, places: Sequence[Place], modes: Sequence[Mode]) -> tuple[Array, Array]:
        """The chains, (n, (M + 1) * H * da), and their chunks; noise enters in "explore" only."""
        at = [(each.episode, each.chunk) for each in places]
        chain, device = self.ppo.chain, self.ppo.c_mean.device
        c = torch.from_numpy(np.stack([each.c for each in places])).to(device)
        w = normal(self.seed, at, Stream.FLOW, self.shape).to(device)
        drawn = normal(self.seed, at, Stream.PERTURBATION, (chain.steps, *self.shape))
        drawn *= torch.tensor([mode == "explore" for mode in modes])[:, None, None, None]
        chains = chain.sample(c, self.ppo.standardise(c), w, drawn.to(device))
        return chains.flatten(1).cpu().numpy(), chain.chunk(chains).cpu().numpy()


@dataclass(frozen=True, eq=False)
class _Row:
    """A chunk that PPO learns from: c before and after it, its chain, its reward, and how it ended."""

    c: Array
    chain: Array
    reward: float
    c_next: Array
    terminal: bool
    last: bool


@dataclass(eq=False)
class _Memory:
    """Chunks of an iteration, by copy and in order."""

    chunks: dict[int, list[_Row]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.chunks.values()))

    def append(self, executed: Executed, reward: float) -> None:
        """One more of its copy; its pictures are not kept."""
        before, moved = executed.before, executed.moved
        ended = moved.execution.over, moved.finished is not None
        row = _Row(before.c, executed.chosen, reward, executed.after.c, *ended)
        self.chunks.setdefault(moved.slot.copy, []).append(row)

    def experience(self, ppo: PPO, shape: tuple[int, ...]) -> Experience:
        """With advantages."""
        parts = [_advantages(rows, ppo) for rows in self.chunks.values()]
        rows = [row for each in self.chunks.values() for row in each]
        advantage, value = (np.concatenate(each) for each in zip(*parts, strict=True))
        device = ppo.c_mean.device
        return Experience(
            c=torch.from_numpy(np.stack([row.c for row in rows])).to(device),
            chain=torch.from_numpy(np.stack([row.chain for row in rows])).view(len(rows), *shape).to(device),
            advantage=torch.from_numpy(advantage).to(device),
            target=torch.from_numpy(advantage + value).to(device),
        )


class FinetuningTrial(LearningTrial):
    """DPPO or ReinFlow on a task with one seed.

    Args:
        task: with the cell's overrides. cell: which method.
        model: the base policy, on the device that all computes on.
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
        self.ppo = seeded(seed, lambda: _ppo(cell, task, model)).to(model.bottleneck.c_mean.device)
        self.shape = (self.ppo.chain.steps + 1, model.policy.chunk, model.policy.action_dim)
        super().__init__(task, ChainPolicy(model, self.ppo, seed), environments, seed, folder)

    def train(self, until: int) -> tuple[list[Finished], dict[str, float]]:
        """Train to this number of chunks; the episodes that ended, and the last iteration's metrics."""
        finished, metrics, memory = list[Finished](), dict[str, float](), _Memory()
        chunks = equal_part(until - self.counters.chunks, self.ppo.config.chunks)
        for executed in episodes(self.policy, self.training(), lambda _: "explore", self.watch):
            for each in executed:
                memory.append(each, self.count(each))
                if each.moved.finished:
                    finished.append(each.moved.finished)
            over = self.counters.chunks >= until
            if len(memory) >= chunks or over:
                with self.watch.spending("update"):
                    metrics = self._learn(memory)
                memory = _Memory()
            if over:
                break
        return finished, metrics

    def state(self) -> dict[str, Any]:
        """Networks and optimisers."""
        optimizers = {name: each.state_dict() for name, each in self.ppo.optimizers.items()}
        return {"ppo": self.ppo.state_dict(), "optimizers": optimizers}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.ppo.load_state_dict(state["ppo"])
        for name, optimizer in self.ppo.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])

    def _learn(self, memory: _Memory) -> dict[str, float]:
        rng = noise.generator(self.seed, self.counters.updates, 0, Stream.UPDATE)
        steps, metrics = self.ppo.update(memory.experience(self.ppo, self.shape), rng)
        self.counters.updates += steps
        return metrics


def iteration_chunks(budget: int) -> int:
    """How many chunks PPO learns from at a time, of a budget of so many."""
    return min(LARGEST, max(SMALLEST, budget // ITERATIONS))


def equal_part(chunks: int, most: int) -> int:
    """Chunks of each iteration, at most so many, where all of those up to a point are as long."""
    return math.ceil(chunks / math.ceil(chunks / most))


def _ppo(cell: CellConfig, task: TaskConfig, model: BaseModel) -> PPO:
    moments, gamma = (model.bottleneck.c_mean, model.bottleneck.c_std), task.rl.gamma
    chunks = iteration_chunks(task.budget.chunks)
    if cell.method == "dppo":
        config = dppo_config(gamma, chunks, pictures=bool(task.observation.cameras))
        return PPO(dppo_chain(model.policy), DPPO(), config, *moments)
    return PPO(reinflow_chain(model.policy), ReinFlow(), reinflow_config(gamma, chunks), *moments)


def _advantages(rows: Sequence[_Row], ppo: PPO) -> tuple[Array, Array]:
    """Advantages and values of one copy's chunks, in order."""
    value, following = (
        ppo.value(torch.from_numpy(np.stack(c)).to(ppo.c_mean.device)).cpu().numpy()
        for c in zip(*[(row.c, row.c_next) for row in rows], strict=True)
    )
    reward, terminal, last = np.array([(row.reward, row.terminal, row.last) for row in rows], np.float32).T
    config = ppo.config
    found = generalised_advantages(reward, value, following, terminal, last, config.gamma, config.gae_lambda)
    return found, value
