"""Looks at a Franka arm from a thread of its own, so that nobody who asks for a measurement waits for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from zprl_arms.drivers.franka_fci import Fci, one_line

STALE_S = 0.5  # without a new state for this long the connection counts as lost


class Watch:
    """The newest sample and the first fault, from now on until `stop`.

    Args:
        fci: the connection.
        period_s: between two looks.
        controlled: whether the control loop runs, so that its end is a fault.
        fault: with which it begins.
        on_look: called after every look, in the thread that looks.

    Attributes:
        sample: the newest one.
        fault: why the arm does not follow; the first reason stays.
        lost: whether the connection is gone.
    """

    def __init__(
        self, fci: Fci, period_s: float, *, controlled: bool, fault: str, on_look: Callable[[], None]
    ) -> None:
        self._fci, self._period_s, self._controlled, self._on_look = fci, period_s, controlled, on_look
        self.sample, self.fault, self.lost = fci.sample(), fault, False
        self._new_s = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="franka watch", daemon=True)
        self._thread.start()

    def latch(self, reason: str) -> None:
        """A fault, unless there is one already."""
        self.fault = self.fault or reason

    def stop(self) -> None:
        """Look no more; sample and fault stay. Takes up to 1 s while the connection is silent."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.lost and not self._ending.wait(self._period_s):
            try:
                self._look()
            except Exception as error:  # whatever it is, an arm that nobody looks at has a fault
                self.lost = True
                self.latch(f"connection lost: {one_line(error)}")
            try:
                self._on_look()
            except Exception as error:
                self.latch(one_line(error))

    def _look(self) -> None:
        if self._controlled and not self._fci.in_control:
            self._controlled = False
            self.latch(self._fci.end_of_control())
        sample, now_s = self._fci.sample(), time.monotonic()
        if sample.robot_ms != self.sample.robot_ms:
            self.sample, self._new_s = sample, now_s
        elif now_s - self._new_s > STALE_S:
            self.lost = True
            self.latch(f"connection lost: no state from the controller for {STALE_S:g} s")
