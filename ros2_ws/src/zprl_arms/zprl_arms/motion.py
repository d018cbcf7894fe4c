"""What an arm was told and did while an episode was running, kept until that is over. Pure: times are
arguments.

Called from the servo loop: a sample costs a few appended numbers, and everything is measured elsewhere.
"""

from __future__ import annotations

from array import array

import numpy as np

from zprl_core.smoothness import Track
from zprl_core.smoothness.episode import EpisodeTracks
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import Pose

RUNNING, OPEN = "running", ("running", "paused", "judging")
INTERRUPTED = "interrupted"
"""Outcome of an episode whose bridge ended before it."""
MOST_SAMPLES = 100_000
"""About half an hour, and 13 MB; what comes later is counted and not kept."""
MOST_CHUNKS = 20_000


class _Poses:
    """Stamped poses, 64 bytes each."""

    def __init__(self) -> None:
        self._stamps, self._numbers = array("q"), array("d")

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp_ns: int, position: np.ndarray, quaternion: np.ndarray) -> None:
        self._stamps.append(stamp_ns)
        self._numbers.extend(position.tolist())
        self._numbers.extend(quaternion.tolist())

    def track(self) -> Track:
        rows = np.array(self._numbers, np.float64).reshape(-1, 7)
        return Track(np.array(self._stamps, np.int64), rows[:, :3], rows[:, 3:])


class MotionKeeper:
    """Collects one episode after another of one arm.

    Args:
        arm: its name.
        shadow: whether its motors are off.
        most: samples that are kept of an episode.
    """

    def __init__(self, arm: str, *, shadow: bool = False, most: int = MOST_SAMPLES) -> None:
        self.arm, self._shadow, self._most = arm, shadow, most
        self._episode, self._state = -1, ""
        self._begun_ns: int | None = None  # since when it moves, while the episode runs
        self._forget()

    @property
    def wanted(self) -> bool:
        """Whether a sample would be kept now."""
        return self._begun_ns is not None

    def on_session(self, state: str, episode: int, outcome: str, t_ns: int) -> EpisodeTracks | None:
        """The session's state changed. Returns the episode whose motion is over by that, if it moved."""
        over = (
            self._episode if self._state in OPEN and (state not in OPEN or episode != self._episode) else -1
        )
        if self._state == RUNNING and (state != RUNNING or over >= 0):
            self._rest(t_ns)
        finished = self._take(outcome if episode == over else INTERRUPTED) if over >= 0 else None
        self._state, self._episode = state, episode
        return finished

    def chunk(self, chunk: Chunk) -> None:
        """A chunk was taken for execution. The first one since the episode began to run, or went on, begins
        the motion.
        """
        if self._state != RUNNING:
            return
        if self._begun_ns is None:
            self._begun_ns = chunk.stamp_ns
        if chunk.source == "policy" and len(self._chunks) < MOST_CHUNKS:
            self._chunks.append(chunk)

    def sample(
        self, stamp_ns: int, commanded: Setpoint, measured_ns: int, measured: Pose, *, by_hand: bool
    ) -> None:
        """Where the arm was told to be at `stamp_ns`, and where it was at `measured_ns`."""
        if self._begun_ns is None or stamp_ns < self._begun_ns:
            return
        if len(self._commanded) >= self._most:
            self._lost += 1
            return
        self._commanded.add(stamp_ns, commanded.position, commanded.quaternion)
        self._measured.add(measured_ns, measured.position, measured.quaternion)
        self._by_hand += by_hand

    def interrupt(self, t_ns: int) -> EpisodeTracks | None:
        """The bridge ends. Returns the episode that was under way, if it moved."""
        if self._state == RUNNING:
            self._rest(t_ns)
        self._state = ""
        return self._take(INTERRUPTED)

    def _rest(self, t_ns: int) -> None:
        if self._begun_ns is not None and t_ns > self._begun_ns:
            self._intervals.append((self._begun_ns, t_ns))
        self._begun_ns = None

    def _take(self, outcome: str) -> EpisodeTracks | None:
        tracks = EpisodeTracks(
            episode=self._episode,
            arm=self.arm,
            outcome=outcome,
            intervals=tuple(self._intervals),
            chunks=tuple(self._chunks),
            commanded=self._commanded.track(),
            measured=self._measured.track(),
            human_share=self._by_hand / max(1, len(self._commanded)),
            shadow=self._shadow,
            lost=self._lost,
        )
        self._forget()
        return tracks if tracks.intervals else None

    def _forget(self) -> None:
        self._begun_ns = None
        self._intervals: list[tuple[int, int]] = []
        self._chunks: list[Chunk] = []
        self._commanded, self._measured = _Poses(), _Poses()
        self._by_hand, self._lost = 0, 0
