# SPDX-License-Identifier: Apache-2.0
"""The session's sign of life, without which a moving arm holds, while the session waits for a disk.

A label is on the disk before it counts, and a disk that takes in pictures may need seconds for that. Arms do
not hold for it; they do when it takes longer than `MOST_S`. A stop reaches them without the session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zprl_core.session import Ledger
from zprl_core.session.ledger import Entry

MOST_S = 3.0


class Lease:
    """Says that the session lives.

    Args:
        say: publishes it, from any thread. period_s: how often.
        most_s: longest that somebody may be waited for, once or several times in a row.
    """

    def __init__(self, say: Callable[[], None], period_s: float, most_s: float = MOST_S) -> None:
        self._say, self._period_s, self._most_s = say, period_s, most_s
        self._waits = threading.Event()
        self._said_s = time.monotonic()
        threading.Thread(target=self._run, name="lease", daemon=True).start()

    def tick(self) -> None:
        """The session itself says it."""
        self._said_s = time.monotonic()
        self._say()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Meanwhile it is said by a thread of its own, up to `most_s` since the session said it last."""
        self._waits.set()
        try:
            yield
        finally:
            self._waits.clear()

    def _run(self) -> None:
        while self._waits.wait():
            if time.monotonic() - self._said_s < self._most_s:
                self._say()
            time.sleep(self._period_s)


class LeasedLedger:
    """A ledger whose disk is waited for. Implements `Ledger`."""

    def __init__(self, ledger: Ledger, lease: Lease) -> None:
        self._ledger, self._lease = ledger, lease

    def append(self, entry: Entry) -> None:
        """See `Ledger.append`."""
        with self._lease.waiting():
            self._ledger.append(entry)
