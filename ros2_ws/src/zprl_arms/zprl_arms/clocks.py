"""Whether servo periods followed each other: did this process stand still, was the system clock set? Pure.

Setpoints, chunks and measurements are stamped by the system clock, which a person or a time server may set; a
steady clock beside it tells that from a process that was not run for a while.
"""

from __future__ import annotations

from typing import NamedTuple


class Gap(NamedTuple):
    """What lies between two servo periods.

    Attributes:
        reason: for a person.
        stood: whether the process stood still, and an arm with it at its last setpoint; else only the clock
            was set, and the arm is still moving.
    """

    reason: str
    stood: bool


class Clocks:
    """Compares both clocks from one servo period to the next.

    Args:
        most_s: longest gap that is none, s.
    """

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._before: tuple[int, int] | None = None

    def look(self, system_ns: int, steady_ns: int) -> Gap | None:
        """The gap before this servo period; None where there is none.

        Args:
            system_ns: the system clock.
            steady_ns: a clock that nobody sets, from any origin.
        """
        before, self._before = self._before, (system_ns, steady_ns)
        if before is None:
            return None
        stood_s = (steady_ns - before[1]) * 1e-9
        set_s = (system_ns - before[0]) * 1e-9 - stood_s
        allowed = f"allowed {self._most_s:g} s (watchdog_s)"
        if stood_s > self._most_s:
            return Gap(
                f"the bridge stood still for {stood_s:.2f} s, {allowed}; who stopped it, or is the machine "
                "overloaded?",
                stood=True,
            )
        if abs(set_s) > self._most_s:
            way = "ahead" if set_s > 0.0 else "back"
            return Gap(
                f"the system clock was set {way} by {abs(set_s):.2f} s, {allowed}; start the session anew, "
                "and let nothing set the clock while it runs",
                stood=False,
            )
        return None
