# SPDX-License-Identifier: Apache-2.0
"""When an episode, and when the whole run, is given up where no person decides it. Pure."""

from __future__ import annotations


class Stall:
    """How long an episode has gone on without a chunk that ended.

    Args:
        stall_s: that it may.
    """

    def __init__(self, stall_s: float) -> None:
        self._stall_s, self._progress_ns = stall_s, 0

    def progress(self, now_ns: int) -> None:
        """A chunk ended, or nothing is to be waited for."""
        self._progress_ns = now_ns

    def problem(self, now_ns: int) -> str:
        """Why the running episode is given up; empty while it is not."""
        if (now_ns - self._progress_ns) * 1e-9 <= self._stall_s:
            return ""
        return f"no chunk was executed for {self._stall_s:g} s; is the policy alive?"


class FaultsInARow:
    """Counts faults since the last episode that counted.

    Args:
        most: that end the run.
    """

    def __init__(self, most: int) -> None:
        self._most, self._faults = most, 0

    def on_record(self, *, void: bool) -> None:
        """An episode is over."""
        if not void:
            self._faults = 0

    def on_fault(self, reason: str) -> str:
        """One more; why the run is given up with it, empty where it goes on."""
        self._faults += 1
        if self._faults < self._most:
            return ""
        return f"{self._faults} episodes in a row were void, the last one because: {reason}"
