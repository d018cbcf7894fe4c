"""The chunk that is being executed, and the account of it that its sender gets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from zprl_core.actions import ArmWaypoints
from zprl_core.errors import DataError
from zprl_core.trajectory.motion import Motion, Setpoint, setpoint_from

CutBy = Literal["", "label", "person"]
_FLOAT_NS = 1e-3  # what is a whole number of ns but for floating point is not rounded down by one


@dataclass(frozen=True, eq=False)
class Chunk:
    """Waypoints of one arm with their times.

    Attributes:
        episode, index: which chunk it is.
        stamp_ns: start of the first waypoint's tick, ns.
        dt_s: length of a tick, s.
        waypoints: H of them, at least one.
        source: who commanded it.

    Raises:
        DataError: a ``dt_s`` that is not above 0, or no waypoint.
    """

    episode: int
    index: int
    stamp_ns: int
    dt_s: float
    waypoints: ArmWaypoints
    source: str = "policy"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.dt_s) and self.dt_s > 0.0):
            raise DataError(
                f"chunk {self.name}: dt_s {self.dt_s}, expected the seconds between waypoints, above 0"
            )
        if len(self.waypoints) == 0:
            raise DataError(f"chunk {self.name}: no waypoints, expected 1 or more")

    @property
    def name(self) -> str:
        """For messages to people: "episode/chunk"."""
        return f"{self.episode}/{self.index}"

    @property
    def end_ns(self) -> int:
        """End of the last waypoint's tick, ns; rounded down, so that the next chunk does not begin before."""
        return self.stamp_ns + math.floor(len(self.waypoints) * self.dt_s * 1e9 + _FLOAT_NS)

    def due_ns(self, i: int) -> int:
        """When waypoint ``i`` is reached: the end of its tick, ns."""
        return self.stamp_ns + round((i + 1) * self.dt_s * 1e9)

    def passed(self, t_ns: int) -> int:
        """How many waypoints were due before ``t_ns``."""
        return sum(self.due_ns(i) < t_ns for i in range(len(self.waypoints)))


@dataclass(frozen=True, eq=False)
class ChunkOutcome:
    """What became of a chunk.

    Attributes:
        episode, index, source: which chunk, and who commanded it.
        reason: empty where it was executed to its end, else why not.
        cut_by: "label" of its episode or "person", where one of these cut it short; empty otherwise.
        skipped_steps: waypoints whose tick had passed when the chunk came.
        clamped_fraction: share of the samples that a limit changed, 0 to 1.
        clamped_by: the share of the samples that each limit changed.
        first_motion_s: first sample minus the chunk's arrival, s (0 where there was none).
        seam_gap_s: time without a valid chunk before this one, s.
        seam_offset_m: distance between the commanded position and this chunk's path where it began, m.
        seam_velocity_jump_m_s: difference of the two velocities there, m/s. The command itself has no jump:
            this is what the blend had to absorb.
        executed: the setpoints commanded at the waypoints' times, H of them; for skipped ones the setpoint
            at which the chunk began, after an interruption the last one.
    """

    episode: int
    index: int
    source: str
    reason: str
    cut_by: CutBy
    skipped_steps: int
    clamped_fraction: float
    clamped_by: Mapping[str, float]
    first_motion_s: float
    seam_gap_s: float
    seam_offset_m: float
    seam_velocity_jump_m_s: float
    executed: ArmWaypoints

    @property
    def complete(self) -> bool:
        """Whether it was executed to its end."""
        return not self.reason

    @property
    def clamped_text(self) -> str:
        """For people: which limits changed how much of it; empty where none did."""
        limits = ", ".join(f"{name} {share:.0%}" for name, share in self.clamped_by.items())
        return f"limits changed it: {limits}" if limits else ""

    @classmethod
    def never_begun(cls, chunk: Chunk, reason: str, cut_by: CutBy, still: Setpoint) -> ChunkOutcome:
        """The outcome of a chunk of which nothing was executed, while the arm was told to be at ``still``."""
        executed = _stack([still] * len(chunk.waypoints))
        which = chunk.episode, chunk.index, chunk.source
        return cls(*which, reason, cut_by, 0, 0.0, {}, 0.0, 0.0, 0.0, 0.0, executed)


@dataclass(eq=False)
class ActiveChunk:
    """Book-keeping of a chunk in execution.

    Attributes:
        chunk: the chunk.
        begin_ns: when it took over, ns.
        came_ns: when it arrived, ns.
        motion: what is commanded, from ``begin_ns`` on.
        begin: the setpoint at which it took over.
        seam_gap_s, seam_offset_m, seam_velocity_jump_m_s: see `ChunkOutcome`.
        catch_up_gripper_m_s: at most so fast, or as fast as the chunk itself, the gripper goes where it is
            late, m/s.
    """

    chunk: Chunk
    begin_ns: int
    came_ns: int
    motion: Motion
    begin: Setpoint
    seam_gap_s: float
    seam_offset_m: float
    seam_velocity_jump_m_s: float
    catch_up_gripper_m_s: float
    _first_ns: int | None = field(default=None, init=False)
    _last_ns: int = field(default=0, init=False)
    _before_ns: int = field(default=0, init=False)
    _samples: int = field(default=0, init=False)
    _amended: int = field(default=0, init=False)
    _amended_by: Counter[str] = field(default_factory=Counter, init=False)
    _sent: dict[int, Setpoint] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._last_ns = self.begin_ns
        widths = self.chunk.waypoints.gripper_width
        if widths is None:
            return
        left = [i for i in range(len(self.chunk.waypoints)) if self.chunk.due_ns(i) > self.begin_ns]
        first = self.begin.gripper_width if self.begin.gripper_width is not None else float(widths[left[0]])
        self._gripper_s, self._gripper_m = [0.0], [first]
        for i in left:
            self._gripper_s.append((self.chunk.due_ns(i) - self.begin_ns) * 1e-9)
            step = float(widths[i]) - self._gripper_m[-1]
            if left[0] > 0:
                own = abs(float(widths[i] - widths[i - 1])) / self.chunk.dt_s
                most = max(own, self.catch_up_gripper_m_s) * (self._gripper_s[-1] - self._gripper_s[-2])
                step = min(max(step, -most), most)
            self._gripper_m.append(self._gripper_m[-1] + step)

    def gripper_at(self, t_ns: int) -> float | None:
        """Gripper width at ``t_ns``, m, linear between waypoints, and behind them where it catches up; what
        is held where the chunk has none.
        """
        if self.chunk.waypoints.gripper_width is None:
            return self.begin.gripper_width
        return float(np.interp((t_ns - self.begin_ns) * 1e-9, self._gripper_s, self._gripper_m))

    def sampled(self, t_ns: int) -> None:
        """A setpoint was taken for ``t_ns``."""
        self._first_ns = t_ns if self._first_ns is None else self._first_ns
        self._before_ns, self._last_ns = self._last_ns, t_ns
        self._samples += 1

    def amended(self, sent: Setpoint, reasons: Sequence[str]) -> None:
        """``sent`` took the place of the last sample."""
        self._amended += 1
        self._amended_by.update(reasons)
        for i in range(len(self.chunk.waypoints)):
            if self._before_ns < self.chunk.due_ns(i) <= self._last_ns:
                self._sent[i] = sent

    def outcome(self, t_ns: int, reason: str, cut_by: CutBy) -> ChunkOutcome:
        """The account of the chunk when it ends at ``t_ns``."""
        due = [self.chunk.due_ns(i) for i in range(len(self.chunk.waypoints))]
        first_ns = self.came_ns if self._first_ns is None else self._first_ns
        return ChunkOutcome(
            episode=self.chunk.episode,
            index=self.chunk.index,
            source=self.chunk.source,
            reason=reason,
            cut_by=cut_by,
            skipped_steps=self.chunk.passed(self.begin_ns),
            clamped_fraction=self._amended / max(self._samples, 1),
            clamped_by={name: n / self._samples for name, n in self._amended_by.most_common()},
            first_motion_s=(first_ns - self.came_ns) * 1e-9,
            seam_gap_s=self.seam_gap_s,
            seam_offset_m=self.seam_offset_m,
            seam_velocity_jump_m_s=self.seam_velocity_jump_m_s,
            executed=_stack([self._sent.get(i) or self._at(min(d, t_ns)) for i, d in enumerate(due)]),
        )

    def _at(self, t_ns: int) -> Setpoint:
        if t_ns <= self.begin_ns:
            return self.begin
        return setpoint_from(self.motion.state((t_ns - self.begin_ns) * 1e-9), self.gripper_at(t_ns))


def _stack(setpoints: list[Setpoint]) -> ArmWaypoints:
    widths = [s.gripper_width for s in setpoints if s.gripper_width is not None]
    return ArmWaypoints(
        np.stack([s.position for s in setpoints]),
        np.stack([s.quaternion for s in setpoints]),
        np.array(widths) if len(widths) == len(setpoints) else None,
    )
