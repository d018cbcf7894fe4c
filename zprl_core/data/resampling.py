# SPDX-License-Identifier: Apache-2.0
"""From streams to ticks: what the policy node would have observed, and the setpoint that was reached.

The observation at a tick is taken by the policy node's own `SnapshotPolicy`, on its grid. The action at a
tick is where the arm was told to be at the tick's end: of the setpoints that were sent, whoever commanded,
between two of them linear in position and gripper width, and by slerp in rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import TaskConfig
from zprl_core.data.problems import HOLD_S, refuse
from zprl_core.data.recording import Recording, RunningEpisode, Stream
from zprl_core.errors import ConfigError, DataError
from zprl_core.grid import TickGrid
from zprl_core.observation import first_tick, snapshots
from zprl_core.snapshot import Snapshot, SnapshotError, SnapshotPolicy

_NS = 1e-9


@dataclass(frozen=True, eq=False)
class Resampled:
    """An episode's ticks.

    Attributes:
        images: {camera: uint8 (T, h, w, 3)}.
        proprio: float32 (T, dq).
        action: float32 (T, da).
        stamp_ns: int64 (T,), the grid's ticks.
        held: ticks of which a sample was older than the task allows.
    """

    images: dict[str, NDArray[np.uint8]]
    proprio: NDArray[np.float32]
    action: NDArray[np.float32]
    stamp_ns: NDArray[np.int64]
    held: int


def ticks(episode: RunningEpisode, task: TaskConfig) -> list[int]:
    """Indices on the task's grid of the ticks of an episode: each of them ends while it is running.

    The first one is where the policy node begins; after a pause it is the next one.
    """
    grid, found = TickGrid(task.rate_hz), list[int]()
    for number, (begin_ns, end_ns) in enumerate(episode.intervals):
        tick = grid.index(begin_ns)
        tick = first_tick(tick, task) if number == 0 else tick + 1
        found += range(tick, max(tick, grid.index(end_ns)))
    return found


def resample(recording: Recording, episode: RunningEpisode, task: TaskConfig, *, hold: bool) -> Resampled:
    """An episode of a bag at the task's rate.

    Args:
        recording, episode, task: which; images have the task's sizes.
        hold: over a gap the last sample is held, for up to `HOLD_S`.

    Raises:
        BadBagError: no tick, or a stream has nothing young enough at one of them.
    """
    indices, grid = ticks(episode, task), TickGrid(task.rate_hz)
    if not indices:
        spans = ", ".join(f"{(end - begin) * _NS:.3f}" for begin, end in episode.intervals)
        raise refuse("short", f"episode {episode.episode} was running for {spans} s, not one tick")
    stamps = [grid.at(tick) for tick in indices]
    taken, held_images = _observe(recording, task, stamps, hold)
    ends = [grid.at(tick + 1) for tick in indices]
    action, held_actions = actions_at(recording, task, np.array(ends, dtype=np.int64), hold)
    names = [view.name for view in task.observation.cameras]
    return Resampled(
        images={name: np.stack([each.images[name][-1] for each in taken]) for name in names},
        proprio=np.stack([each.proprioception[-1] for each in taken]),
        action=action,
        stamp_ns=np.array(stamps, dtype=np.int64),
        held=int((held_images | held_actions).sum()),
    )


def filled(recording: Recording, task: TaskConfig, hold_s: float = 0.0) -> SnapshotPolicy:
    """The policy node's snapshots with everything in them that a bag has.

    Raises:
        BadBagError: a vector is not finite, or has another length than those before; the rig's delays are
            longer than the task allows.
    """
    oldest_s = max(task.observation.max_age_s, hold_s)
    most = max(2, *(len(stream) for stream in recording.streams))
    try:
        policy = snapshots(recording.rig, task, lockstep=False, steps=1, max_age_s=oldest_s, capacity=most)
    except ConfigError as error:  # a delay beyond the task's observation.max_age_s
        raise refuse("rig", str(error)) from error
    for name, stream in recording.cameras.items():
        for stamp, image in zip(stream.stamp_ns.tolist(), stream.samples, strict=True):
            policy.add_image(name, stamp, image)
    vectors = recording.proprioception
    for stamp, vector in zip(vectors.stamp_ns.tolist(), vectors.samples, strict=True):
        try:
            policy.add_proprioception(stamp, vector)
        except DataError as error:
            raise refuse("numbers", str(error)) from error
    return policy


def _observe(
    recording: Recording, task: TaskConfig, stamps: Sequence[int], hold: bool
) -> tuple[list[Snapshot], NDArray[np.bool_]]:
    """Snapshots at these times, and which of them (T,) hold a sample that is too old."""
    strict, patient = filled(recording, task), filled(recording, task, HOLD_S) if hold else None
    taken, held = [], np.zeros(len(stamps), dtype=bool)
    for number, stamp in enumerate(stamps):
        try:
            taken.append(strict.snapshot(stamp))
        except SnapshotError as error:
            held[number] = True
            taken.append(_held(error, patient, stamp, (stamp - stamps[0]) * _NS))
    return taken, held


def _held(error: SnapshotError, patient: SnapshotPolicy | None, stamp: int, at_s: float) -> Snapshot:
    if patient is None:
        raise _gap(error, at_s) from error
    try:
        return patient.snapshot(stamp)
    except SnapshotError as longer:
        raise _gap(longer, at_s) from longer


def _gap(error: SnapshotError, at_s: float) -> DataError:
    age = "no sample" if np.isinf(error.age_s) else f"the newest sample is {error.age_s:.3f} s old"
    return refuse(
        "gap", f"{error.stream}: {age} at {at_s:.3f} s into the episode, allowed {error.limit_s:.3f} s"
    )


def actions_at(
    recording: Recording, task: TaskConfig, at_ns: NDArray[np.int64], hold: bool
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Actions (T, da) at times (T,), and which of them (T,) lie in a gap between two setpoints.

    Raises:
        BadBagError: a longer gap than the task allows; with `hold`, than `HOLD_S`.
    """
    codec = ActionCodec.from_config(task.action)
    arms, held = [], np.zeros(len(at_ns), dtype=bool)
    allowed_s = task.observation.max_age_s
    for arm in recording.rig.arms:
        stream = recording.setpoints[arm.name]
        # A real arm's setpoint is for the end of the servo period in which its state is read.
        ahead_ns = 0 if arm.driver == "sim" else round(1e9 / arm.servo_rate_hz)
        rows, gap_s = setpoints_at(stream, at_ns - ahead_ns)
        limit_s = max(allowed_s, HOLD_S) if hold else allowed_s
        if (gap_s > limit_s).any():
            worst = int(np.argmax(gap_s))
            at_s = (at_ns[worst] - at_ns[0]) * _NS
            text = f"{stream.topic}: {gap_s[worst]:.3f} s between setpoints at {at_s:.3f} s into the episode"
            raise refuse("gap", f"{text}, allowed {limit_s:.3f} s")
        held |= gap_s > allowed_s
        width = rows[:, 7] if task.action.gripper else None
        arms.append(ArmWaypoints(rows[:, :3], transforms.make_continuous(rows[:, 3:7]), width))
    return codec.encode(arms).astype(np.float32), held


def setpoints_at(stream: Stream, at_ns: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Setpoints (T, 8) at times (T,), and the time (T,) between the two that each lies between, s.

    Behind the last sample its setpoint is held, and the time is that since it; before the first one the time
    is infinite.
    """
    order = np.argsort(stream.stamp_ns, kind="stable")
    stamps, rows = stream.stamp_ns[order], np.stack([stream.samples[index] for index in order])
    after = np.searchsorted(stamps, at_ns, side="left")
    last = np.minimum(after, len(stamps) - 1)
    before = np.where(stamps[last] == at_ns, last, np.maximum(after - 1, 0))
    last = np.maximum(last, before)
    span = stamps[last] - stamps[before]
    share = np.where(span > 0, (at_ns - stamps[before]) / np.maximum(span, 1), 0.0).clip(0.0, 1.0)
    found = rows[before] + share[:, None] * (rows[last] - rows[before])
    found[:, 3:7] = transforms.slerp(rows[before, 3:7], rows[last, 3:7], share)
    gap = np.where(at_ns > stamps[-1], at_ns - stamps[-1], span) * _NS
    return found, np.where(at_ns < stamps[0], np.inf, gap)
