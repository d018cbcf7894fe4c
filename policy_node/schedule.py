"""When chunks are observed and started in real time, and what becomes of those that are late. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.grid import TickGrid


@dataclass
class Schedule:
    """The next observation of one episode, and the chunk of the last one.

    Chunk k is observed at `observe_tick` and starts `lead` ticks later; chunk k + 1 is observed `lead` ticks
    before chunk k ends. A chunk that is ready too late moves the rest of the episode.

    Attributes:
        grid: of the ticks.
        observe_tick: tick of the next observation.
        lead: L.
        chunk_ticks: ticks that a chunk lasts.
        patience_s: a chunk that is later than this is observed again.
        chunk: index of the chunk that the next observation is for.
        start_tick: tick at which the last observation's chunk starts.
    """

    grid: TickGrid
    observe_tick: int
    lead: int
    chunk_ticks: int
    patience_s: float
    chunk: int = 0
    start_tick: int = 0
    _late: int = -1  # the last chunk that was

    @property
    def observe_ns(self) -> int:
        """Time of the next observation."""
        return self.grid.at(self.observe_tick)

    @property
    def start_ns(self) -> int:
        """When the last observation's chunk starts."""
        return self.grid.at(self.start_tick)

    def due(self, tick: int) -> bool:
        """Whether the next observation is due at this tick (or was, and failed)."""
        return tick >= self.observe_tick

    def observing(self, tick: int) -> int:
        """The tick whose observation is taken when `tick` is served, which may be late: the due one, as long
        as its chunk can start in time.
        """
        return self.observe_tick if tick < self.observe_tick + self.lead else tick

    def observed(self, tick: int) -> None:
        """The observation of this tick was taken."""
        self.chunk += 1
        self._start(tick + self.lead)

    def too_late(self, now_ns: int) -> bool:
        """Whether the last chunk, which was not sent yet, should have begun too long ago."""
        return now_ns - self.start_ns > self.patience_s * 1e9

    def again(self, now_ns: int) -> bool:
        """The last chunk is observed once more, at the next tick.

        Returns:
            Whether this chunk was not late before.
        """
        first_time = self._is_first_time_late()
        self.chunk -= 1
        self.observe_tick = self._next_tick(now_ns)
        return first_time

    def catch_up(self, now_ns: int) -> bool:
        """The last chunk is sent: where it is late it starts at the next tick.

        Returns:
            Whether it is late, and was not before.
        """
        if now_ns <= self.start_ns:
            return False
        self._start(self._next_tick(now_ns))
        return self._is_first_time_late()

    def _start(self, tick: int) -> None:
        self.start_tick = tick
        self.observe_tick = tick + self.chunk_ticks - self.lead

    def _next_tick(self, now_ns: int) -> int:
        return self.grid.index(now_ns) + 1

    def _is_first_time_late(self) -> bool:
        known, self._late = self._late, self.chunk - 1
        return known != self._late
