# SPDX-License-Identifier: Apache-2.0
"""Episodes in every copy of an environment, chunk by chunk. Pure but for the simulators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.experiments.environments.protocol import Observation
from zprl_core.experiments.environments.vector import Execution, VectorEnvironment
from zprl_core.experiments.motion import Motion, motion_of

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Start:
    """An episode to be run: its number, which all of its noise hangs on, and the seed of its layout."""

    episode: int
    layout_seed: int


@dataclass(eq=False)
class Slot:
    """Where an episode stands.

    Attributes:
        copy: of the environment. episode: its number. chunk: the next one.
        steps: waypoints executed so far. reward: their sum. success: at any of them.
        observation: what the next chunk is planned from.
        trail: waypoints that were executed.
    """

    copy: int
    episode: int
    observation: Observation
    chunk: int = 0
    steps: int = 0
    reward: float = 0.0
    success: bool = False
    trail: list[Array] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Finished:
    """An episode that is over.

    Attributes:
        success: at any of its waypoints.
        steps: environment steps. reward: summed over them. motion: of the commanded tool; None for a hand.
        actions: waypoints that were executed, (T, da).
    """

    episode: int
    success: bool
    steps: int
    reward: float
    motion: Motion | None
    actions: Array


@dataclass(frozen=True, eq=False)
class Moved:
    """A chunk that was executed. slot: behind it. finished: the episode, where this chunk ended it."""

    slot: Slot
    execution: Execution
    finished: Finished | None


class Rollouts:
    """Runs the episodes of `starts`, as many at a time as there are copies.

    Args:
        environments: the copies. task: of them.
        starts: episodes in order; the rollouts are over when they are.
    """

    def __init__(self, environments: VectorEnvironment, task: TaskConfig, starts: Iterator[Start]) -> None:
        self._environments, self._task, self._starts = environments, task, starts
        self.slots: dict[int, Slot] = {}
        self._begin(range(environments.count))

    def step(self, actions: Mapping[int, Array]) -> list[Moved]:
        """Execute a chunk (H, da) in every slot, {copy: chunk}; where an episode ends the next begins."""
        left = {copy: self._task.horizon_steps - self.slots[copy].steps for copy in actions}
        done = self._environments.run({copy: chunk[: left[copy]] for copy, chunk in actions.items()})
        moved = [self._moved(self.slots[copy], actions[copy], execution) for copy, execution in done.items()]
        self._begin([each.slot.copy for each in moved if each.finished])
        return moved

    def observe_s(self, moved: Sequence[Moved]) -> float:
        """How much of the time of a step went into looking, s."""
        return sum(each.execution.observe_s for each in moved) / self._environments.abreast

    def _moved(self, slot: Slot, chunk: Array, execution: Execution) -> Moved:
        slot.chunk += 1
        slot.steps += execution.steps
        slot.reward += execution.reward
        slot.observation = execution.observation
        slot.trail.append(chunk[: execution.steps])
        slot.success = slot.success or execution.success
        over = execution.over or slot.steps >= self._task.horizon_steps
        return Moved(slot, execution, self._finished(slot) if over else None)

    def _finished(self, slot: Slot) -> Finished:
        actions = np.concatenate(slot.trail)
        return Finished(
            episode=slot.episode,
            success=slot.success,
            steps=slot.steps * self._task.action.repeat,
            reward=slot.reward,
            motion=motion_of(actions, self._task),
            actions=actions,
        )

    def _begin(self, copies: Sequence[int]) -> None:
        for copy in copies:
            self.slots.pop(copy, None)
        begun = dict(zip(copies, self._starts, strict=False))  # copies first: it takes no start too many
        seen = self._environments.reset({copy: start.layout_seed for copy, start in begun.items()})
        self.slots |= {copy: Slot(copy, begun[copy].episode, found) for copy, found in seen.items()}
