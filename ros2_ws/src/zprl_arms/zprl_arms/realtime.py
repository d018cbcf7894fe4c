"""Real time: one setpoint per servo period of the system clock, for an arm or for a simulated one."""

from __future__ import annotations

from typing import Protocol

from zprl_arms.clocks import Clocks
from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmDriver, SimulatedArm
from zprl_arms.timing import Timing
from zprl_core.grid import TickGrid

LONGEST_CATCH_UP_S = 0.25


class Listener(Protocol):
    """Who hears of servo periods."""

    def on_servo(self, n: int, stamp_ns: int) -> None:
        """A servo period was served; the arm is read at `stamp_ns`."""


class RealTime:
    """Serves the servo periods of a grid on the system clock.

    An arm gets the setpoint for the end of the period that begins. A period that was missed is gone, and the
    arm catches up inside its limits: a controller takes each setpoint for the way of one period. A simulated
    arm is moved up to the present: after a hiccup of this process its physics catch up, as an arm's would
    have gone on, unless it was so long that the world is better frozen for the time.

    Args:
        arm, controller: what is served.
        timing: of the task.
        listener: hears of every period served.
        shadow: setpoints are made and not streamed.
        most_gap_s: after a longer gap between two periods an arm does not go on, s.
    """

    def __init__(
        self,
        arm: ArmDriver,
        controller: ArmController,
        timing: Timing,
        listener: Listener,
        *,
        shadow: bool = False,
        most_gap_s: float,
    ) -> None:
        self._arm, self._controller, self._listener, self._shadow = arm, controller, listener, shadow
        self._simulated = arm if isinstance(arm, SimulatedArm) else None
        self._servo_s = timing.servo_s
        self.grid = TickGrid(timing.servo_rate_hz)
        self._clocks = Clocks(most_gap_s)
        self._last: int | None = None
        self._begun_s: float | None = None

    def look(self, system_ns: int, steady_ns: int) -> str:
        """Before a period is served: after a gap an arm that may move stops where it was told to be last.

        What it was to do meanwhile is not made up for.

        Args:
            system_ns, steady_ns: the system clock, and one that nobody sets: `time.monotonic_ns`.

        Returns:
            What happened; empty where nothing did, and for a simulated arm.
        """
        self._begun_s = steady_ns * 1e-9
        gap = self._clocks.look(system_ns, steady_ns)
        if gap is None or self._simulated is not None:
            return ""
        self._controller.on_gap(gap, system_ns)
        return gap.reason

    def catch_up(self, now_ns: int) -> int:
        """Before a simulated arm is told anything, it is moved up to the present: what it is told counts from
        now on, and a late servo period would go several periods' way in one.

        Returns:
            How many periods were left out.
        """
        n = self.grid.index(now_ns)
        if self._last is None or n <= self._last or self._simulated is None:
            return 0
        return self.run_to(n)

    def run_to(self, n: int) -> int:
        """Servo period n begins. Returns how many periods were left out."""
        last = n - 1 if self._last is None or n < self._last else self._last  # the clock was set back
        self._last = n
        if self._simulated is None:
            stamp_ns = self.grid.at(n)
            setpoint = self._controller.setpoint(self.grid.at(n + 1), self._servo_s)
            if not (self._shadow or self._controller.driver_fault or self._controller.stands):
                self._arm.stream(setpoint, self._controller.joints, self._begun_s)
            self._listener.on_servo(n, stamp_ns)
            return n - last - 1
        longest = round(LONGEST_CATCH_UP_S / self._servo_s)
        first = max(last + 1, n - longest + 1)
        for period in range(first, n + 1):
            stamp_ns = self.grid.at(period)
            self._arm.stream(self._controller.setpoint(stamp_ns, self._servo_s))
            self._simulated.advance()
            self._listener.on_servo(period, stamp_ns)
        return first - last - 1
