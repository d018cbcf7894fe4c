"""Messages of several publishers in the order in which they were sent. Pure: times are arguments.

What a publisher sends after it heard another one may arrive first: DDS keeps the order of one publisher only.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Generic, TypeVar

Message = TypeVar("Message")


class InOrder(Generic[Message]):
    """Holds messages until whatever was sent before them has had the time to come.

    A message counts from when it was sent, or from its arrival where its publisher's clock is ahead of ours.

    Args:
        patience_ns: how long a message may be on its way. One that takes longer is out of order.
    """

    def __init__(self, patience_ns: int) -> None:
        self._patience_ns = patience_ns
        self._held: list[tuple[int, int, Message]] = []
        self._numbers = count()  # of equal times the first to come is the first

    def add(self, sent_ns: int, arrived_ns: int, message: Message) -> None:
        """A message has come."""
        heapq.heappush(self._held, (min(sent_ns, arrived_ns), next(self._numbers), message))

    def take(self, now_ns: int | None = None) -> Iterator[Message]:
        """Those whose turn it is; without a time all that are held."""
        while self._held and (now_ns is None or self._held[0][0] <= now_ns - self._patience_ns):
            yield heapq.heappop(self._held)[2]
