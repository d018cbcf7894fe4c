# SPDX-License-Identifier: Apache-2.0
"""Stamped poses of a tool, and the pieces of them that can be differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from zprl_core import transforms
from zprl_core.transforms import Array

GRID_HZ = 100.0
"""Poses are brought to this rate before they are differentiated."""
MOST_GAP_S = 0.05
"""Two samples further apart than this do not belong to one piece: what lies between is not known."""
LEAST_HZ = 40.0
"""A piece with fewer samples a second says too little about what a window of the filter holds."""
LEAST_STEP_S = 0.002
"""Of samples nearer to each other only the first counts: one reading that was stamped twice."""
Intervals = Sequence[tuple[int, int]]
"""Begin and end of each time that counts, ns."""


@dataclass(frozen=True, eq=False)
class Track:
    """Poses of one tool in one frame, in any order.

    Attributes:
        stamp_ns: int64 (N,).
        position: float64 (N, 3), m.
        quaternion: float64 (N, 4), (w, x, y, z), unit.
    """

    stamp_ns: NDArray[np.int64]
    position: Array
    quaternion: Array

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def within(self, begin_ns: int, end_ns: int) -> Track:
        """The samples from `begin_ns` to `end_ns`, both included, in the order of their stamps."""
        order = np.argsort(self.stamp_ns, kind="stable")
        stamps = self.stamp_ns[order]
        chosen = order[(stamps >= begin_ns) & (stamps <= end_ns)]
        return Track(self.stamp_ns[chosen], self.position[chosen], self.quaternion[chosen])


@dataclass(frozen=True, eq=False)
class Piece:
    """A motion without a gap, at `GRID_HZ` from its first sample on.

    Attributes:
        position: float64 (n, 3), m.
        quaternion: float64 (n, 4), unit, neighbours on one side.
        samples: of the track that it was made of.
    """

    position: Array
    quaternion: Array
    samples: int

    @property
    def duration_s(self) -> float:
        """From the first to the last point."""
        return (len(self.position) - 1) / GRID_HZ


def pieces(track: Track, intervals: Intervals, shortest_s: float) -> tuple[list[Piece], str]:
    """The pieces of a track inside the intervals.

    Args:
        track: of the tool.
        intervals: each is looked at alone: over a pause nothing is differentiated.
        shortest_s: pieces that last less are left out.

    Returns:
        The pieces, and where there are none, why.
    """
    found, problems = list[Piece](), list[str]()
    for begin_ns, end_ns in intervals:
        inside = _distinct(track.within(begin_ns, end_ns))
        for part in _uninterrupted(inside):
            problem = _problem(part, shortest_s)
            if problem:
                problems.append(problem)
            else:
                found.append(_resampled(part))
    if found:
        return found, ""
    return [], problems[0] if problems else "no sample"


def _distinct(track: Track) -> Track:
    if not len(track):
        return track
    steps = (track.stamp_ns - track.stamp_ns[0]) * 1e-9
    kept, last = [0], 0.0
    for index, at_s in enumerate(steps.tolist()):
        if at_s - last >= LEAST_STEP_S:
            kept.append(index)
            last = at_s
    return Track(track.stamp_ns[kept], track.position[kept], track.quaternion[kept])


def _uninterrupted(track: Track) -> list[Track]:
    cuts = np.flatnonzero(np.diff(track.stamp_ns) > MOST_GAP_S * 1e9) + 1
    parts = np.split(np.arange(len(track)), cuts)
    return [Track(track.stamp_ns[p], track.position[p], track.quaternion[p]) for p in parts if len(p)]


def _problem(track: Track, shortest_s: float) -> str:
    duration_s = float(track.stamp_ns[-1] - track.stamp_ns[0]) * 1e-9
    if duration_s < shortest_s:
        count = "1 sample" if len(track) == 1 else f"{len(track)} samples"
        return (
            f"{count} over {duration_s:.2f} s without a gap of {MOST_GAP_S:g} s, needed are {shortest_s:g} s"
        )
    rate_hz = (len(track) - 1) / duration_s
    if rate_hz < LEAST_HZ:
        return f"{rate_hz:.0f} samples a second, needed are {LEAST_HZ:g}"
    return ""


def _resampled(track: Track) -> Piece:
    at_s = (track.stamp_ns - track.stamp_ns[0]) * 1e-9
    # Stamps are whole ns: without the slack a last point on the grid would fall out by rounding.
    grid_s = np.arange(int(at_s[-1] * GRID_HZ + 1e-4) + 1) / GRID_HZ
    turned = transforms.make_continuous(track.quaternion)
    values = CubicSpline(at_s, np.concatenate((track.position, turned), axis=1))(grid_s)
    quaternion = values[:, 3:] / np.linalg.norm(values[:, 3:], axis=1, keepdims=True)
    return Piece(values[:, :3], quaternion, len(track))
