"""When chunks are observed and started in real time, in whole ticks. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Schedule:
    """The next observation of one episode.

    Chunk k is observed at `observe_tick` and starts `lead` ticks later; chunk k + 1 is observed `lead` ticks
    before chunk k ends. A chunk that is ready too late moves the rest of the episode.

    Attributes:
        observe_tick: tick of the next observation.
        lead: L.
        chunk_ticks: ticks that a chunk lasts.
        chunk: index of the chunk that it is for.
    """

    observe_tick: int
    lead: int
    chunk_ticks: int
    chunk: int = 0

    def due(self, tick: int) -> bool:
        """Whether the next observation is due at this tick (or was, and failed)."""
        return tick >= self.observe_tick

    def observing(self, tick: int) -> int:
        """The tick whose observation is taken when `tick` is served, which may be late: the due one, as long
        as its chunk can start in time.
        """
        return self.observe_tick if tick < self.observe_tick + self.lead else tick

    def observed(self, tick: int) -> int:
        """The observation was taken; returns the tick at which its chunk starts."""
        start = tick + self.lead
        self.chunk += 1
        self.observe_tick = start + self.chunk_ticks - self.lead
        return start

    def again(self, tick: int) -> None:
        """The last chunk is observed once more, at this tick."""
        self.chunk -= 1
        self.observe_tick = tick

    def delay(self, start: int) -> None:
        """The last chunk starts only at this tick."""
        self.observe_tick = start + self.chunk_ticks - self.lead
