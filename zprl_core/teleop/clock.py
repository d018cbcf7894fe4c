"""When something happened that another machine tells of, whose clock is not ours. Pure."""

from __future__ import annotations

from collections import deque

MEMORY = 256


class RemoteClock:
    """Compares a remote's stamps with the times at which they arrive.

    Whatever arrived fastest of late was on its way for the least time; that time is not known and counts as
    none. So what is mapped is late by no more than the fastest message's way, and never after its arrival.

    Args:
        memory: how many messages back it looks: clocks drift.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self._offsets_ns: deque[int] = deque(maxlen=memory)

    def ours_ns(self, remote_ms: float, arrival_ns: int) -> int:
        """The time of our clock, ns, for a stamp of the remote's, ms from any origin."""
        self._offsets_ns.append(arrival_ns - round(remote_ms * 1e6))
        return round(remote_ms * 1e6) + min(self._offsets_ns)
