# SPDX-License-Identifier: Apache-2.0
"""What is said about one motion: how fast, how abrupt, how smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from zprl_core.smoothness.derivatives import SHORTEST_S, Derivatives, differentiate
from zprl_core.smoothness.spectral import spectral_arc_length
from zprl_core.smoothness.track import GRID_HZ, Intervals, Track, pieces

QUANTITIES: dict[str, str] = {
    "speed": "m/s",
    "acceleration": "m/s²",
    "jerk": "m/s³",
    "angular_speed": "rad/s",
    "angular_acceleration": "rad/s²",
    "angular_jerk": "rad/s³",
}
"""What is differentiated, with its unit."""


class Spread(NamedTuple):
    """Of a magnitude over the time of an episode: its mean, 95th percentile and maximum."""

    mean: float
    p95: float
    max: float


@dataclass(frozen=True)
class Smoothness:
    """One motion.

    Attributes:
        duration_s: how long what was differentiated lasted.
        samples: of which it was made.
        speed, acceleration, jerk: of the tool centre point, m/s and so on; None where nothing is known.
        angular_speed, angular_acceleration, angular_jerk: of the tool, rad/s and so on.
        sparc: spectral arc length of the speed in the longest piece without a gap; None also where
            nothing moved.
        reason: why nothing is known; empty where something is.
    """

    duration_s: float = 0.0
    samples: int = 0
    speed: Spread | None = None
    acceleration: Spread | None = None
    jerk: Spread | None = None
    angular_speed: Spread | None = None
    angular_acceleration: Spread | None = None
    angular_jerk: Spread | None = None
    sparc: float | None = None
    reason: str = ""

    def spread(self, quantity: str) -> Spread | None:
        """By a name of `QUANTITIES`."""
        found: Spread | None = getattr(self, quantity)
        return found


def smoothness_of(track: Track, intervals: Intervals) -> Smoothness:
    """Measures a motion.

    Args:
        track: of the tool, commanded or measured.
        intervals: when it counts, such as the times at which an episode was running. Where it lasts less than
            `SHORTEST_S`, or has too few samples, the result says so and has no number.
    """
    found, reason = pieces(track, intervals, SHORTEST_S)
    if not found:
        return Smoothness(reason=reason)
    each = [differentiate(piece) for piece in found]
    longest = max(each, key=lambda part: len(part.speed))
    together = Derivatives(*(np.concatenate(parts) for parts in zip(*each, strict=True)))
    return Smoothness(
        duration_s=sum(piece.duration_s for piece in found),
        samples=sum(piece.samples for piece in found),
        speed=_spread(together.speed),
        acceleration=_spread(together.acceleration),
        jerk=_spread(together.jerk),
        angular_speed=_spread(together.angular_speed),
        angular_acceleration=_spread(together.angular_acceleration),
        angular_jerk=_spread(together.angular_jerk),
        sparc=spectral_arc_length(longest.speed, GRID_HZ),
    )


def _spread(values: np.ndarray) -> Spread:
    return Spread(float(values.mean()), float(np.percentile(values, 95.0)), float(values.max()))
