"""When a lost camera is opened again, and when one that hangs is reset. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

FIRST_S = 0.5
LONGEST_S = 5.0
FAILED_REOPENS = 2
RESET_AGAIN_S = 300.0


def delays_s() -> Iterator[float]:
    """Waiting times before the first, second, ... attempt, s: doubled up to `LONGEST_S`; endless."""
    delay_s = FIRST_S
    while True:
        yield delay_s
        delay_s = min(2.0 * delay_s, LONGEST_S)


class ResetRule:
    """When a camera that hangs is due for a reset of its hardware.

    It is due once the camera was opened again `FAILED_REOPENS` times and nothing came. Another one is due
    only where frames came in between, or `RESET_AGAIN_S` after the last one.
    """

    def __init__(self) -> None:
        self._hangs, self._reset_s = 0, -math.inf

    def frame(self) -> None:
        """One came: it works."""
        self._hangs, self._reset_s = 0, -math.inf

    def gone(self) -> None:
        """It is not plugged in: whatever comes back begins anew."""
        self._hangs = 0

    def hangs(self, now_s: float) -> bool:
        """It sends nothing, or cannot be opened again since; `now_s` is on a clock that is never set, s.

        Returns:
            Whether it is to be reset now, which counts as done.
        """
        self._hangs += 1
        if self._hangs <= FAILED_REOPENS or now_s - self._reset_s < RESET_AGAIN_S:
            return False
        self._hangs, self._reset_s = 0, now_s
        return True
