# SPDX-License-Identifier: Apache-2.0
"""What is replayed: for each episode of a bag the moments at which a chunk is planned. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.building import labelled
from zprl_core.data.problems import BadBagError
from zprl_core.data.recording import Recording, RunningEpisode, running_episodes
from zprl_core.data.resampling import actions_at
from zprl_core.grid import TickGrid
from zprl_core.observation import first_tick, snapshots
from zprl_core.planned import Plan
from zprl_core.snapshot import SnapshotError, SnapshotPolicy

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlannedBefore:
    """How a chunk was planned when it was recorded.

    Attributes:
        mode: path of the policy. plan: all of its arrays.
        observed_ns, start_ns: time of its snapshot, and of its first waypoint.
    """

    mode: str
    plan: Plan
    observed_ns: int
    start_ns: int


@dataclass(frozen=True)
class Account:
    """What a bag says of planning and executing, by (episode, chunk).

    Attributes:
        plans: how chunks were planned; empty in bags that do not say.
        starts_ns: when the policy's chunks began.
        executed: setpoints sent at their waypoints' times, (H, da), where the bridges reported them.
    """

    plans: Mapping[tuple[int, int], PlannedBefore] = field(default_factory=dict)
    starts_ns: Mapping[tuple[int, int], int] = field(default_factory=dict)
    executed: Mapping[tuple[int, int], Array] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Moment:
    """One chunk to be planned.

    Attributes:
        chunk: its index in the episode.
        observed_ns, start_ns: time of the snapshot, and of the first waypoint.
        executed: (H, da) in physical units: where the arms were told to be at the waypoints' times, whoever
            commanded; None: not known.
        before: how it was planned when it was recorded; None: not known, or it was not.
    """

    chunk: int
    observed_ns: int
    start_ns: int
    executed: Array | None = None
    before: PlannedBefore | None = None


@dataclass(frozen=True, eq=False)
class ReplayEpisode:
    """An episode of a bag.

    Attributes:
        source: the bag's path.
        running: number, times, outcome, block and mode.
        moments: in order.
        seed: of the run that it was recorded in; None: not known.
        last_chunk: index of the last one that was executed, as far as is known, left out or not.
        left_out: chunks of which the bag has no whole snapshot, and why.
    """

    source: str
    running: RunningEpisode
    moments: tuple[Moment, ...]
    seed: int | None
    last_chunk: int
    left_out: tuple[str, ...] = ()


def replay_episodes(
    recording: Recording, task: TaskConfig, account: Account, *, lockstep: bool
) -> list[ReplayEpisode]:
    """The episodes of a recording.

    Chunks are planned when they were, where the bag says so; else one follows another from the first tick on,
    as they would in real time.

    Args:
        recording: with samples around the episodes. task: of the policy that is replayed.
        account: what the bag says of planning and executing.
        lockstep: whether it was recorded in simulated time.
    """
    seed = recording.label.get("seed", "")
    found = []
    for running in running_episodes(recording.events, recording.end_ns):
        moments, left_out, last = _moments(recording, running, task, account, lockstep)
        label = labelled(running, recording)
        known = int(seed) if seed.isdecimal() else None
        source = str(recording.path)
        if label.outcome and recording.label.get("episode") == str(running.episode):
            last = int(recording.label.get("chunks", last + 1)) - 1
        found.append(ReplayEpisode(source, label, tuple(moments), known, last, tuple(left_out)))
    return found


def filled_snapshots(recording: Recording, task: TaskConfig, *, lockstep: bool) -> SnapshotPolicy:
    """The policy node's snapshots with all samples of a recording in them.

    Raises:
        DataError: a sample that is not finite, or of another shape.
        ConfigError: the rig's delays are longer than the task allows.
    """
    most = max(2, *(len(stream) for stream in recording.streams))
    policy = snapshots(recording.rig, task, lockstep=lockstep, capacity=most)
    for name, stream in recording.cameras.items():
        for stamp, image in zip(stream.stamp_ns.tolist(), stream.samples, strict=True):
            policy.add_image(name, stamp, image)
    vectors = recording.proprioception
    for stamp, vector in zip(vectors.stamp_ns.tolist(), vectors.samples, strict=True):
        policy.add_proprioception(stamp, vector)
    return policy


def _moments(
    recording: Recording, running: RunningEpisode, task: TaskConfig, account: Account, lockstep: bool
) -> tuple[list[Moment], list[str], int]:
    """The chunks that can be planned, why others cannot be, and the number of the last one (-1: none)."""
    policy = filled_snapshots(recording, task, lockstep=lockstep)
    moments, left_out, last = list[Moment](), list[str](), -1
    for chunk, observed_ns, start_ns, before in _times(running, task, account, lockstep):
        last = max(last, chunk)
        if chunk == 0:
            policy.begin_episode(observed_ns)
        try:
            policy.snapshot(observed_ns)
        except SnapshotError as error:
            left_out.append(f"chunk {chunk}: {error}")
            continue
        key = (running.episode, chunk)
        executed = account.executed.get(key)
        if executed is None and not lockstep:
            executed = _setpoints(recording, running, task, start_ns)
        moments.append(Moment(chunk, observed_ns, start_ns, executed, before))
    return moments, left_out, last


def _times(
    running: RunningEpisode, task: TaskConfig, account: Account, lockstep: bool
) -> Iterable[tuple[int, int, int, PlannedBefore | None]]:
    """(chunk, observed, start, how it was planned) in the order of the chunks."""
    own = sorted(key for key in account.plans if key[0] == running.episode)
    if own:
        for key in own:
            before = account.plans[key]
            yield key[1], before.observed_ns, before.start_ns, before
        return
    ahead_ns = round(task.observation.lead_steps * task.tick_s * 1e9)
    for key in sorted(key for key in account.starts_ns if key[0] == running.episode):
        yield key[1], account.starts_ns[key] - ahead_ns, account.starts_ns[key], None
    if lockstep or any(key[0] == running.episode for key in account.starts_ns):
        return
    grid, length = TickGrid(task.rate_hz), task.action.chunk_ticks
    begin_ns, end_ns = running.intervals[0][0], running.intervals[-1][1]
    first, chunk = first_tick(grid.index(begin_ns), task), 0
    while grid.at(first + (chunk + 1) * length + task.observation.lead_steps) <= end_ns:
        tick = first + chunk * length
        yield chunk, grid.at(tick), grid.at(tick + task.observation.lead_steps), None
        chunk += 1


def _setpoints(
    recording: Recording, running: RunningEpisode, task: TaskConfig, start_ns: int
) -> Array | None:
    """Where the arms were told to be at the times of a chunk's waypoints; None where that is not known, or
    the episode was not running all the time: then it was no chunk of the policy's.
    """
    if len(recording.setpoints) < len(recording.rig.arms) or task.action.rotation == "none":
        return None
    step_ns = round(task.waypoint_s * 1e9)
    at_ns = start_ns + step_ns * np.arange(1, task.action.chunk + 1, dtype=np.int64)
    if not any(begin <= start_ns and at_ns[-1] <= end for begin, end in running.intervals):
        return None
    try:
        return actions_at(recording, task, at_ns, hold=False)[0].astype(np.float64)
    except BadBagError:
        return None
