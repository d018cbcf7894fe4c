"""The parts of one chunk for several arms, which a policy sends one after the other. Pure.

An arm's part is looked at when those of the other arms are known, so that it does not depend on which came
first what is refused. A part that does not come is waited for as long as there is time before the chunk's
start: then the arm is taken to rest after what it was told before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
WAIT_S = 0.02
"""How long the other parts are waited for at least."""
LOOK_S = 0.03
"""Before its start a part is looked at: that takes time, and the arm shall begin when it is told to."""


class Halves(Generic[T]):
    """Keeps this arm's parts until the other arms' have come.

    Args:
        others: names of the other arms; without any, nothing waits.
        take: is given the parts, in the order in which they came.
    """

    def __init__(self, others: Iterable[str], take: Callable[[T], object]) -> None:
        self._known: dict[str, tuple[int, int] | None] = dict.fromkeys(others)
        self._take = take
        self._waiting: list[tuple[tuple[int, int], int, T]] = []  # with when it is taken at the latest

    def mine(self, episode: int, chunk: int, part: T, start_ns: int, now_ns: int) -> None:
        """This arm's part of a chunk has come at a time, ns; the chunk starts at `start_ns`."""
        latest_ns = max(now_ns + round(WAIT_S * 1e9), start_ns - round(LOOK_S * 1e9))
        self._waiting.append(((episode, chunk), latest_ns, part))
        self.overdue(now_ns)

    def theirs(self, arm: str, episode: int, chunk: int, now_ns: int) -> None:
        """Another arm's part of a chunk has come."""
        self._known[arm] = (episode, chunk)
        self.overdue(now_ns)

    def overdue(self, now_ns: int) -> None:
        """Takes the parts that have waited for long enough, or need not; and those that came before them."""
        done = [
            i
            for i, (key, latest_ns, _) in enumerate(self._waiting)
            if now_ns >= latest_ns or all(known == key for known in self._known.values())
        ]
        count = done[-1] + 1 if done else 0
        parts, self._waiting = self._waiting[:count], self._waiting[count:]
        for _, _, part in parts:
            self._take(part)
