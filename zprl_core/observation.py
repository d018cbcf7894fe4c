# SPDX-License-Identifier: Apache-2.0
"""The streams that a task's snapshots are taken of, with a rig's delays: live, and for datasets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zprl_core.snapshot import SnapshotPolicy, StreamSpec

if TYPE_CHECKING:
    from zprl_core.config import RigConfig, TaskConfig

PROPRIOCEPTION = "proprioception"
"""Name of the vector stream."""


def camera_delays(rig: RigConfig, task: TaskConfig, *, lockstep: bool) -> list[tuple[str, float]]:
    """The task's cameras and the rig's calibrated delays, s; none in lockstep, where time waits for all."""
    views = task.observation.cameras
    return [(view.name, 0.0 if lockstep else rig.camera(view.name).delay_s) for view in views]


def snapshots(
    rig: RigConfig,
    task: TaskConfig,
    *,
    lockstep: bool,
    steps: int | None = None,
    max_age_s: float | None = None,
    capacity: int = 64,
    vectors: int | None = None,
) -> SnapshotPolicy:
    """What takes a task's snapshots on a rig.

    Args:
        rig, task: which.
        lockstep: time waits for every sample, so that no stream is late.
        steps: observations of one snapshot; None: the task's.
        max_age_s: oldest sample that may be used, s; None: the task's.
        capacity: samples that are kept of each stream. vectors: of proprioception; None: as many.

    Raises:
        ConfigError: the task has no camera, or a delay is longer than `max_age_s`.
    """
    observation = task.observation
    oldest_s = observation.max_age_s if max_age_s is None else max_age_s
    proprioception_s = 0.0 if lockstep else rig.proprioception_delay_s
    return SnapshotPolicy(
        [
            StreamSpec(name, delay, oldest_s, 1.0 / rig.camera(name).rate_hz)
            for name, delay in camera_delays(rig, task, lockstep=lockstep)
        ],
        StreamSpec(PROPRIOCEPTION, proprioception_s, oldest_s),
        steps=observation.steps if steps is None else steps,
        tick_s=task.tick_s,
        capacity=capacity,
        vectors=vectors,
    )


def first_tick(since_tick: int, task: TaskConfig) -> int:
    """The first tick of an episode that began to run in `since_tick`: no sample that a snapshot may use can
    then be older than the reset.
    """
    return since_tick + 1 + math.ceil(task.observation.max_age_s * task.rate_hz)
