"""A timer that keeps to the ticks of a grid (see `zprl_core.grid`)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from zprl_core.grid import TickGrid

SLACK_NS = 200_000  # a timer may fire this much early, and the clock that it runs on is another one
START_LATE_NS = 50_000


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
