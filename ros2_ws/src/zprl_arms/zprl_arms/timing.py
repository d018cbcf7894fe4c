"""Ticks of an episode: when chunks start and end, and which ticks are observed. Pure integer arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from zprl_core.config import ArmConfig, TaskConfig

FIRST_STAMP_S = 1  # a stamp of 0 means "unknown" in ROS


@dataclass(frozen=True)
class Timing:
    """Numbers of ticks and servo periods.

    Tick 0 is an episode's start. Chunk k is planned from the observation of tick k * H and executed from tick
    L + k * H on.

    Attributes:
        rate_hz: ticks per second.
        servo_rate_hz: servo periods per second.
        servos_per_tick: how many of them in a tick.
        chunk_ticks: H, counting repeats.
        lead_ticks: L.
        history: observations in one snapshot.
        max_chunks: chunks until the horizon.
    """

    rate_hz: float
    servo_rate_hz: float
    servos_per_tick: int
    chunk_ticks: int
    lead_ticks: int
    history: int
    max_chunks: int

    @classmethod
    def of(cls, task: TaskConfig, arm: ArmConfig) -> Timing:
        """The timing of a task on an arm."""
        return cls(
            rate_hz=task.rate_hz,
            servo_rate_hz=arm.servo_rate_hz,
            servos_per_tick=round(arm.servo_rate_hz / task.rate_hz),
            chunk_ticks=task.action.chunk_ticks,
            lead_ticks=task.observation.lead_steps,
            history=task.observation.steps,
            max_chunks=task.chunks_per_episode,
        )

    @property
    def servo_s(self) -> float:
        """Seconds of a servo period."""
        return 1.0 / self.servo_rate_hz

    def observed(self, tick: int) -> bool:
        """Whether a snapshot uses this tick."""
        return (-tick) % self.chunk_ticks < self.history

    def chunk_due(self, tick: int) -> int | None:
        """The chunk that is planned from this tick, if one is."""
        return tick // self.chunk_ticks if tick % self.chunk_ticks == 0 else None

    def start_tick(self, chunk: int) -> int:
        """The tick of a chunk's first waypoint."""
        return self.lead_ticks + chunk * self.chunk_ticks

    def episode_start_ns(self, episode: int) -> int:
        """Simulated time of an episode's tick 0 in lockstep.

        It depends on the index alone: a run that was interrupted and taken up again has the same stamps as
        one that was not, and stamps grow strictly over the run.
        """
        longest_ticks = self.lead_ticks + (self.max_chunks + 1) * self.chunk_ticks
        slot_s = int(longest_ticks / self.rate_hz) + 2
        return (FIRST_STAMP_S + episode * slot_s) * 1_000_000_000
