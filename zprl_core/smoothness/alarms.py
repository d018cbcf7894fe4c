# SPDX-License-Identifier: Apache-2.0
"""Where an episode's motion was beyond the task's limits. An alarm is shown; it stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zprl_core.config import MotionLimitsConfig, SmoothnessConfig
from zprl_core.smoothness.metrics import QUANTITIES, Smoothness

COMMANDED, MEASURED = "commanded", "measured"


@dataclass(frozen=True)
class Alarm:
    """One number beyond its limit.

    Attributes:
        motion: commanded or measured.
        quantity: a name of `QUANTITIES`, or "sparc".
        value, limit: in the quantity's unit; the value is the 95th percentile over the episode.
    """

    motion: str
    quantity: str
    value: float
    limit: float

    def __str__(self) -> str:
        """For people."""
        if self.quantity == "sparc":
            return f"{self.motion} spectral arc length {self.value:.2f}, limit {self.limit:g}"
        unit = QUANTITIES[self.quantity]
        what = f"{self.motion} {self.quantity} {self.value:.3g} {unit}"
        return f"{what} (95th percentile), limit {self.limit:g} {unit}"


def alarms(commanded: Smoothness, measured: Smoothness, limits: SmoothnessConfig) -> tuple[Alarm, ...]:
    """Every number of an episode that is beyond its limit; what is not known is beyond none."""
    return (
        *_beyond(COMMANDED, commanded, limits.commanded),
        *_beyond(MEASURED, measured, limits.measured),
    )


def _beyond(motion: str, found: Smoothness, limits: MotionLimitsConfig) -> Iterator[Alarm]:
    wanted = {
        "speed": limits.speed_m_s,
        "acceleration": limits.acceleration_m_s2,
        "jerk": limits.jerk_m_s3,
    }
    for quantity, most in wanted.items():
        spread = found.spread(quantity)
        if most is not None and spread is not None and spread.p95 > most:
            yield Alarm(motion, quantity, spread.p95, most)
    if limits.sparc is not None and found.sparc is not None and found.sparc < limits.sparc:
        yield Alarm(motion, "sparc", found.sparc, limits.sparc)
