"""A thread that hands setpoints to the SDK, whose every call waits for the box's answer.

The bridge's loop never waits for it: the newest setpoint wins, and one that was overtaken is never sent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestFirst(Generic[Item]):
    """Calls `serve` with the newest item, again and again, in a thread of its own.

    Args:
        name: of the thread.
        serve: gets each item that was not overtaken; must not raise.
        idle: called when no item came for `idle_s`, and after `nudge`; must not raise.
        idle_s: None waits for ever.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[Item], None],
        idle: Callable[[], None],
        idle_s: float | None = None,
    ) -> None:
        self._serve, self._idle, self._idle_s = serve, idle, idle_s
        self._wake = threading.Condition()
        self._items: list[Item] = []
        self._nudged = self._ended = False
        self.overtaken = 0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Serve this one next; one that still waits is dropped."""
        with self._wake:
            self.overtaken += len(self._items)
            self._items = [item]
            self._wake.notify()

    def nudge(self) -> None:
        """Call `idle` soon."""
        with self._wake:
            self._nudged = True
            self._wake.notify()

    def drop(self) -> None:
        """Forget the item that waits."""
        with self._wake:
            self._items = []

    def close(self, timeout_s: float) -> None:
        """End the thread; give up waiting for its present call after `timeout_s`."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                if not (self._items or self._nudged or self._ended):
                    self._wake.wait(self._idle_s)
                if self._ended:
                    return
                items, nudged = self._items, self._nudged
                self._items, self._nudged = [], False
            if items:
                self._serve(items[0])
            if nudged or not items:
                self._idle()
