# SPDX-License-Identifier: Apache-2.0
"""Plans the chunks of replayed episodes in this process, as the policy node does; and how plans are kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core import record_log
from zprl_core.agent import EpisodeAgent, SendChunk
from zprl_core.errors import DataError
from zprl_core.planned import PLAN_ARRAYS, Plan, plan_of
from zprl_core.record_log import RecordLog
from zprl_core.replay.episodes import ReplayEpisode
from zprl_core.runtime import PolicyRuntime
from zprl_core.snapshot import SnapshotPolicy
from zprl_core.steering.guard import Guard


@dataclass(frozen=True, eq=False)
class Planned:
    """A chunk that was planned in a replay.

    Attributes:
        source, episode, chunk: which.
        mode: path of the policy.
        plan: all of its arrays.
        inference_s: from snapshot to plan, s.
    """

    source: str
    episode: int
    chunk: int
    mode: str
    plan: Plan
    inference_s: float

    @property
    def key(self) -> tuple[str, int, int]:
        """(source, episode, chunk)."""
        return self.source, self.episode, self.chunk

    def to_record(self) -> dict[str, Any]:
        """For a record log."""
        data: dict[str, Any] = {name: getattr(self.plan, name) for name in PLAN_ARRAYS}
        facts = {"source": self.source, "episode": self.episode, "chunk": self.chunk, "mode": self.mode}
        return {**facts, "scale": self.plan.scale, "inference_s": self.inference_s, **data}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Planned:
        """The inverse of `to_record`.

        Raises:
            DataError: not such a record.
        """
        try:
            arrays = {name: np.asarray(record[name], dtype=np.float32) for name in PLAN_ARRAYS}
            plan = plan_of(arrays, float(record["scale"]))
            place = (str(record["source"]), int(record["episode"]), int(record["chunk"]))
            return cls(*place, str(record["mode"]), plan, float(record["inference_s"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"not a planned chunk: {error!r}") from error


def read_plans(path: Path) -> list[Planned]:
    """All chunks of a file of plans.

    Raises:
        DataError: see `record_log.read`; or a record is another one.
    """
    return [Planned.from_record(record) for _, record in record_log.read(path)]


class PlanLog:
    """Takes plans in as they come; the file holds all that were, whatever ends the process."""

    def __init__(self, path: Path) -> None:
        self._log = RecordLog(path)

    def add(self, planned: Planned) -> None:
        """Append one."""
        self._log.append(planned.to_record())

    def close(self) -> None:
        """Wait for the disk."""
        self._log.close()


def replay_agent(runtime: PolicyRuntime, seed: int) -> EpisodeAgent:
    """What plans replayed chunks: no learner, one chunk after another, lambda as the guard lets it be."""
    task = runtime.task
    return EpisodeAgent(
        runtime, seed, lockstep=True, max_chunks=None, learner=False, guard=Guard(task.rl.guard)
    )


def plan_episode(
    agent: EpisodeAgent, episode: ReplayEpisode, policy: SnapshotPolicy, mode: str
) -> Iterator[Planned]:
    """Plan an episode's chunks.

    Args:
        agent: of `replay_agent`. episode: which. policy: snapshots with all of its samples.
        mode: base_c, base_z or steer.
    """
    number = episode.running.episode
    agent.begin(number, mode)
    for place, moment in enumerate(episode.moments):
        if place == 0:
            policy.begin_episode(moment.observed_ns)
        began = time.perf_counter()
        found = policy.snapshot(moment.observed_ns)
        images = {name: np.stack(frames) for name, frames in found.images.items()}
        agent.on_observation(moment.chunk, images, found.proprioception)
        agent.on_cleared(number, moment.chunk)
        for effect in agent.due():
            if isinstance(effect, SendChunk):
                seconds = time.perf_counter() - began
                yield Planned(episode.source, number, effect.chunk, mode, effect.plan, seconds)
