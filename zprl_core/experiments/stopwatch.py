# SPDX-License-Identifier: Apache-2.0
"""Where the time of a trial goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PARTS = ("environment", "observation", "inference", "update", "evaluation")


class Stopwatch:
    """Wall time by part, s."""

    def __init__(self, spent_s: Mapping[str, float] | None = None) -> None:
        self.spent_s = dict.fromkeys(PARTS, 0.0) | dict(spent_s or {})

    def move(self, taken: str, given: str, seconds: float) -> None:
        """What was counted as one part is another's."""
        self.spent_s[taken] -= seconds
        self.spent_s[given] += seconds

    @contextmanager
    def spending(self, part: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s[part] += time.perf_counter() - start
