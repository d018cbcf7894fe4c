"""Simulated time: an episode that moves on only as far as the chunks that it was given.

At tick k * H the world is shown and chunk k is asked for; when the chunk comes, the world runs to the
chunk's end as fast as the machine allows, showing itself once more on the way for chunk k + 1. Nothing here
waits or reads a clock, so two runs with the same chunks are the same to the bit.
"""

from __future__ import annotations

from typing import Protocol

from zprl_arms.controller import ArmController
from zprl_arms.driver import SimulatedArm
from zprl_arms.timing import Timing
from zprl_core.grid import TickGrid
from zprl_core.safety import ChunkCommand

STAMP_TOLERANCE_NS = 1_000


class Listener(Protocol):
    """Who hears of what happens in simulated time."""

    def on_moved(self, n: int, stamp_ns: int) -> None:
        """Servo period `n` of the episode is over."""

    def on_chunk_end(self, stamp_ns: int, chunk: int, observed: bool) -> None:
        """The last waypoint's time is over; `observed` if `on_observation` follows with the same state."""

    def on_observation(self, stamp_ns: int, chunk: int | None, chunk_start_ns: int, ended: bool) -> None:
        """A state that is observed; where `chunk` is given, that one is planned from it and due at
        `chunk_start_ns`. `ended` if `on_chunk_end` was called with this very state."""


class Lockstep:
    """One episode after another in simulated time.

    Args:
        arm: with the world behind it.
        controller: of the arm.
        timing: of the task.
        listener: hears of observations and ends of chunks.
    """

    def __init__(
        self, arm: SimulatedArm, controller: ArmController, timing: Timing, listener: Listener
    ) -> None:
        self._arm, self._controller, self._timing, self._listener = arm, controller, timing, listener
        self._servo_grid, self._tick_grid = TickGrid(timing.servo_rate_hz), TickGrid(timing.rate_hz)
        self._episode, self._servo, self._next_chunk, self._begun = -1, 0, 0, False

    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return self._servo_grid.at(self._servo)

    def reset(self, episode: int) -> int:
        """The world was reset for an episode; time goes to its tick 0. Returns that time, ns."""
        origin_ns = self._timing.episode_start_ns(episode)
        self._servo_grid = TickGrid(self._timing.servo_rate_hz, origin_ns)
        self._tick_grid = TickGrid(self._timing.rate_hz, origin_ns)
        self._episode, self._servo, self._next_chunk, self._begun = episode, 0, 0, False
        return origin_ns

    def begin(self, episode: int) -> None:
        """The episode runs: ask for chunk 0, once."""
        if episode == self._episode and not self._begun:
            self._begun = True
            self._observe(0)

    def problem(self, command: ChunkCommand) -> str:
        """Why this chunk is not the one that the world waits for; empty when it is."""
        if command.source != "policy":
            return f"source '{command.source}': in simulated time only the policy commands"
        if not self._begun:
            return f"episode {self._episode} has not begun"
        if command.episode != self._episode:
            return f"episode {command.episode} does not run here, episode {self._episode} does"
        if command.chunk != self._next_chunk:
            return f"chunk {command.chunk} came where chunk {self._next_chunk} is due"
        due_ns = self._start_ns(command.chunk)
        if abs(command.stamp_ns - due_ns) > STAMP_TOLERANCE_NS:
            return f"its first waypoint is stamped {command.stamp_ns} ns, due is {due_ns} ns"
        return ""

    def execute(self) -> None:
        """Run to the end of the chunk that the controller has just admitted."""
        timing = self._timing
        chunk, self._next_chunk = self._next_chunk, self._next_chunk + 1
        end_tick = timing.start_tick(chunk + 1)
        tick = self._servo // timing.servos_per_tick
        while tick < end_tick:
            self._run_tick()
            tick += 1
            observed = timing.observed(tick)
            if tick == end_tick:
                self._listener.on_chunk_end(self.now_ns, chunk, observed)
            if observed:
                self._observe(tick, ended=tick == end_tick)

    def _run_tick(self) -> None:
        for _ in range(self._timing.servos_per_tick):
            self._servo += 1
            self._arm.stream(self._controller.setpoint(self.now_ns, self._timing.servo_s))
            self._arm.advance()
            self._listener.on_moved(self._servo, self.now_ns)

    def _observe(self, tick: int, *, ended: bool = False) -> None:
        chunk = self._timing.chunk_due(tick)
        start_ns = 0 if chunk is None else self._start_ns(chunk)
        self._listener.on_observation(self._tick_grid.at(tick), chunk, start_ns, ended)

    def _start_ns(self, chunk: int) -> int:
        return self._tick_grid.at(self._timing.start_tick(chunk))
