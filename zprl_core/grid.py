# SPDX-License-Identifier: Apache-2.0
"""A grid of times that every process agrees on without talking, and a dataset's builder afterwards.

Tick n of a rate lies at n / rate after the origin; in real time the origin is the epoch of the system clock.
So the ticks of a camera, a servo loop and the policy coincide wherever one rate is a multiple of the other,
in any process.
"""

from __future__ import annotations

from fractions import Fraction

SECOND_NS = 1_000_000_000


class TickGrid:
    """Exact integer arithmetic on ticks: no drift, whatever the rate.

    Args:
        rate_hz: ticks per second, above 0.
        origin_ns: time of tick 0.
    """

    def __init__(self, rate_hz: float, origin_ns: int = 0) -> None:
        period = SECOND_NS / Fraction(rate_hz).limit_denominator(1_000_000)
        self._numerator, self._denominator = period.numerator, period.denominator
        self.origin_ns = origin_ns

    @property
    def period_ns(self) -> int:
        """Length of a tick, rounded down, ns."""
        return self._numerator // self._denominator

    def at(self, n: int) -> int:
        """Time of tick n, ns."""
        return self.origin_ns + n * self._numerator // self._denominator

    def index(self, now_ns: int) -> int:
        """The last tick at or before a time."""
        n = (now_ns - self.origin_ns) * self._denominator // self._numerator
        return n + 1 if self.at(n + 1) <= now_ns else n
