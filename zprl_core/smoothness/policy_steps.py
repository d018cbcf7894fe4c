# SPDX-License-Identifier: Apache-2.0
"""Vel_EE and Acc_EE of the paper's section V-C: finite differences of the positions that a policy puts out.

    Vel_EE = |a(t+1) - a(t)| / dt            Acc_EE = |a(t+1) + a(t-1) - 2 a(t)| / dt^2

a(t) is the position of the policy's action at its step t, dt the time of a step. Nothing is filtered: these
say what the policy asked for, before the bridge blends, limits and interpolates it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core.smoothness.track import Intervals
from zprl_core.trajectory import Chunk
from zprl_core.transforms import Array

_UNEVEN = 0.05  # steps that differ from dt by a larger share are not neighbours


@dataclass(frozen=True)
class PolicySteps:
    """Means over an episode.

    Attributes:
        steps: positions that came due, or were nearer than half a step to that when the episode was over: a
            real arm is told a servo period ahead.
        velocity_m_s, acceleration_m_s2: Vel_EE and Acc_EE; None where no two, or three, were neighbours.
    """

    steps: int
    velocity_m_s: float | None
    acceleration_m_s2: float | None


def policy_steps(chunks: Iterable[Chunk], intervals: Intervals) -> PolicySteps:
    """The paper's measures over the positions that came due while an episode was running.

    Args:
        chunks: in the order in which they were taken; a later one replaces what follows its beginning.
        intervals: when the episode was running. Differences are taken inside one of them only.
    """
    due, dt, position = _joined(list(chunks))
    count, speeds, accelerations = 0, list[Array](), list[Array]()
    for begin_ns, end_ns in intervals:
        inside = (due > begin_ns) & (due <= end_ns + 0.5e9 * dt)
        step, a = dt[inside], position[inside]
        even = np.abs(np.diff(due[inside]) * 1e-9 - step[1:]) <= _UNEVEN * step[1:]
        difference = np.diff(a, axis=0)
        speeds.append(np.linalg.norm(difference, axis=1)[even] / step[1:][even])
        both = even[1:] & even[:-1]
        second = np.linalg.norm(np.diff(difference, axis=0), axis=1)[both]
        accelerations.append(second / step[2:][both] ** 2)
        count += int(inside.sum())
    return PolicySteps(count, _mean(speeds), _mean(accelerations))


def _joined(chunks: list[Chunk]) -> tuple[NDArray[np.int64], Array, Array]:
    """Times (n,), dt (n,) and positions (n, 3) of everything that was not replaced, in order."""
    due, dt, position = np.empty(0, np.int64), np.empty(0), np.empty((0, 3))
    for chunk in chunks:
        steps, kept = len(chunk.waypoints), due <= chunk.stamp_ns + chunk.dt_s * 0.5e9
        own = np.array([chunk.due_ns(i) for i in range(steps)], np.int64)
        due = np.concatenate((due[kept], own))
        dt = np.concatenate((dt[kept], np.full(steps, chunk.dt_s)))
        position = np.concatenate((position[kept], chunk.waypoints.position))
    return due, dt, position


def _mean(parts: list[Array]) -> float | None:
    values = np.concatenate(parts) if parts else np.empty(0)
    return float(values.mean()) if len(values) else None
