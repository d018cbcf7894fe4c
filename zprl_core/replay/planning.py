# SPDX-License-Identifier: Apache-2.0
"""Plans the chunks of replayed episodes in this process, as the policy node does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from zprl_core.agent import EpisodeAgent
from zprl_core.effects import SendChunk
from zprl_core.replay.episodes import ReplayEpisode
from zprl_core.replay.plans import Planned
from zprl_core.runtime import PolicyRuntime
from zprl_core.snapshot import SnapshotPolicy
from zprl_core.steering.guard import Guard


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
    number, expected = episode.running.episode, -1
    for moment in episode.moments:
        if moment.chunk != expected:
            agent.begin(number, mode, moment.chunk)
        if moment.chunk == 0:
            policy.begin_episode(moment.observed_ns)
        expected = moment.chunk + 1
        began = time.perf_counter()
        found = policy.snapshot(moment.observed_ns)
        images = {name: np.stack(frames) for name, frames in found.images.items()}
        agent.on_observation(moment.chunk, images, found.proprioception)
        agent.on_cleared(number, moment.chunk)
        for effect in agent.due():
            if isinstance(effect, SendChunk):
                seconds = time.perf_counter() - began
                yield Planned(episode.source, number, effect.chunk, mode, effect.plan, seconds)
