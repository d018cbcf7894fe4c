# SPDX-License-Identifier: Apache-2.0
"""From bags and plans to a folder of results: bag after bag, as a bag's pictures fill memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from zprl_core.agent import EpisodeAgent
from zprl_core.data.recording import Recording
from zprl_core.record_log import RecordLog
from zprl_core.replay import figures
from zprl_core.replay.analysis import ChunkRow, calibration, chunk_rows, differences, episode_rows
from zprl_core.replay.checking import NormaliserCheck
from zprl_core.replay.critics import Critics
from zprl_core.replay.episodes import ReplayEpisode, filled_snapshots
from zprl_core.replay.modes import replayed_mode
from zprl_core.replay.planning import plan_episode
from zprl_core.replay.plans import Planned
from zprl_core.replay.policies import ReplayPolicy
from zprl_core.replay.summary import Comparison, PolicyResult, described, summarised
from zprl_core.run_folder import write_text
from zprl_core.runtime import PolicyRuntime
from zprl_core.tables import flat, write_csv


class Bag(Protocol):
    """One bag, read."""

    @property
    def recording(self) -> Recording:
        """Its streams."""
        ...

    @property
    def lockstep(self) -> bool:
        """Whether it was recorded in simulated time."""
        ...


@dataclass(eq=False)
class Loaded:
    """A policy with what it planned.

    Attributes:
        policy, runtime, critics: see there.
        check: of its normalisers. planned: of all bags, in order. rows: the same, analysed.
    """

    policy: ReplayPolicy
    runtime: PolicyRuntime
    critics: Critics | None
    check: NormaliserCheck
    planned: list[Planned]
    rows: list[ChunkRow] = field(default_factory=list)

    @classmethod
    def of(cls, policy: ReplayPolicy, runtime: PolicyRuntime, planned: list[Planned]) -> Loaded:
        """Load it."""
        return cls(policy, runtime, policy.critics(), NormaliserCheck(runtime), planned)


def plan_in_process(
    agent: EpisodeAgent,
    policy: ReplayPolicy,
    bag: Bag,
    episodes: Sequence[ReplayEpisode],
    mode: str,
    log: RecordLog,
) -> None:
    """Plan all chunks of a bag, without a graph. The plans go into the log as they come."""
    snapshots = filled_snapshots(bag.recording, policy.task, lockstep=bag.lockstep)
    for episode in episodes:
        path = replayed_mode(mode, episode.running.mode, steers=policy.steers)
        for planned in plan_episode(agent, episode, snapshots, path):
            log.append(planned.to_record())


def analyse(loaded: Loaded, bag: Bag, episodes: Sequence[ReplayEpisode]) -> None:
    """Add a bag's rows."""
    loaded.rows += chunk_rows(episodes, loaded.planned, loaded.runtime, loaded.critics)
    loaded.check.add(episodes, bag.recording)


def write_results(out: Path, policies: Sequence[Loaded], notes: Sequence[str], facts: dict[str, Any]) -> str:
    """Tables, figure, summary and report; returns the report's text."""
    results = [
        PolicyResult(each.policy.name, each.rows, episode_rows(each.rows), calibration(each.rows))
        for each in policies
    ]
    first, *others = policies
    comparisons = [
        Comparison(
            first.policy.name,
            other.policy.name,
            differences(first.policy.task, first.planned, other.planned, first.rows, other.rows),
        )
        for other in others
    ]
    write_csv(out / "chunks.csv", [{"policy": r.name, **flat(row)} for r in results for row in r.rows])
    write_csv(out / "episodes.csv", [{"policy": r.name, **flat(row)} for r in results for row in r.episodes])
    write_csv(out / "calibration.csv", [{"policy": r.name, **flat(row)} for r in results for row in r.bins])
    if comparisons:
        rows = [{"policy": c.name, "other": c.other, **flat(row)} for c in comparisons for row in c.rows]
        write_csv(out / "differences.csv", rows)
    figures.draw(results, out / "replay.png")
    text = described(results, comparisons, notes)
    write_text(out / "replay.md", text + "\n![errors, distances, calibration](replay.png)\n")
    data = {**facts, "notes": list(notes), **summarised(results, comparisons)}
    write_text(out / "summary.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    return text
