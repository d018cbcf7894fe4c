# SPDX-License-Identifier: Apache-2.0
"""Which chunks of a demonstration are over. Pure: time is an argument.

A person's commands come as they like, so a chunk ends when its time does. A pause stops that clock.
"""

from __future__ import annotations


class ChunksByTime:
    """Counts chunks while an episode runs.

    Args:
        chunk_s: of one.
    """

    def __init__(self, chunk_s: float) -> None:
        self._chunk_s = chunk_s
        self._since_ns, self._before = -1, 0

    def ended(self, since_ns: int, cleared_chunk: int, now_ns: int) -> int:
        """Number of the last chunk that is over; -1 before the first is.

        Args:
            since_ns: when the episode began to run, or was resumed.
            cleared_chunk: the last chunk that was over when it was asked before; -1: none.
            now_ns: now.
        """
        if since_ns != self._since_ns:
            self._since_ns, self._before = since_ns, cleared_chunk + 1
        return self._before + int((now_ns - since_ns) * 1e-9 / self._chunk_s) - 1
