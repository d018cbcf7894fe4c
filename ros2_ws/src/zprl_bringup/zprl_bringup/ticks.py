"""A grid of times that every process agrees on without talking, and a timer that keeps to it.

Tick n of a rate lies at n / rate after the origin; in real time the origin is the epoch of the system clock.
So the ticks of a camera, a servo loop and the policy coincide wherever one rate is a multiple of the other,
in any process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

SECOND_NS = 1_000_000_000

SLACK_NS = 200_000  # a timer may fire this much early, and the clock that it runs on is another one
START_LATE_NS = 50_000


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


class GridTimer:
    """Calls back once per tick of a grid, soon after the tick's time, in the node's executor.

    A ROS timer keeps its period and knows nothing of phase, so it is started on a tick and started again
    when the system clock has moved away from it. Ticks that were missed altogether are not made up for: the
    callback sees a gap between the indices.

    Args:
        node: whose executor calls.
        grid: the ticks, on the system clock.
        callback: called with (index of the tick, its time in ns).
        offset_ns: how long after each tick to call.
    """

    def __init__(
        self, node: Any, grid: TickGrid, callback: Callable[[int, int], None], offset_ns: int = 0
    ) -> None:
        self._node, self._grid, self._callback, self._offset_ns = node, grid, callback, offset_ns
        self._last = -1
        self._timer: Any = None
        self._align()

    def cancel(self) -> None:
        """Stop calling."""
        if self._timer is not None:
            self._timer.cancel()
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _align(self) -> None:
        now_ns = time.time_ns() - self._offset_ns
        following = self._grid.index(now_ns) + 1
        wait_ns = self._grid.at(following) - now_ns + START_LATE_NS
        self._replace(wait_ns, self._begin)

    def _begin(self) -> None:
        self._replace(self._grid.period_ns, self._fire)
        self._fire()

    def _replace(self, period_ns: int, callback: Callable[[], None]) -> None:
        self.cancel()
        self._timer = self._node.create_timer(period_ns * 1e-9, callback)

    def _fire(self) -> None:
        now_ns = time.time_ns() - self._offset_ns
        n = self._grid.index(now_ns + SLACK_NS)
        phase_ns = now_ns - self._grid.at(n)
        if n > self._last or n < self._last - 1:  # or the clock was set back
            self._last = n
            self._callback(n, self._grid.at(n))
        if phase_ns > self._grid.period_ns // 2 and self._timer is not None:
            self._align()
