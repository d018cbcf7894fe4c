"""A fast topic: arrivals are counted, and the newest message is decoded when somebody looks. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_SMOOTHING = 0.1  # of a stream's period, per message


class Stream:
    """A fast topic: its newest message is only decoded when somebody looks.

    Args:
        decode: from what arrives to the message.
    """

    def __init__(self, decode: Callable[[Any], Any] = lambda content: content) -> None:
        self._decode = decode
        self._last: tuple[Any, float, int] | None = None  # replaced as a whole: another thread reads it
        self._decoded: tuple[int, Any] = (0, None)
        self._period_s = 0.0

    def note(self, content: Any, now_s: float) -> None:
        """One more has come."""
        if self._last is None:
            self._last = (content, now_s, 1)
            return
        gap_s = now_s - self._last[1]
        self._period_s = self._period_s + _SMOOTHING * (gap_s - self._period_s) if self._period_s else gap_s
        self._last = (content, now_s, self._last[2] + 1)

    @property
    def number(self) -> int:
        """How many have come."""
        return self._last[2] if self._last else 0

    @property
    def message(self) -> Any:
        """The newest, decoded; None before the first."""
        if self._last is None:
            return None
        content, _, number = self._last
        if self._decoded[0] != number:
            self._decoded = (number, self._decode(content))
        return self._decoded[1]

    def age_s(self, now_s: float) -> float | None:
        """Since the newest came; None before the first."""
        return None if self._last is None else now_s - self._last[1]

    def rate_hz(self, now_s: float) -> float:
        """Messages per second; 0 of a stream that has stopped."""
        age_s = self.age_s(now_s)
        stopped = age_s is None or not self._period_s or age_s > max(1.0, 10.0 * self._period_s)
        return 0.0 if stopped else 1.0 / max(self._period_s, 1e-6)
