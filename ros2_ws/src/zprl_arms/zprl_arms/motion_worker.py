"""An arm's motion in an episode: kept in the servo loop, measured beside it in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from zprl_arms.controller import ArmController
from zprl_arms.motion import MotionKeeper
from zprl_core import scheduling
from zprl_core.config import SmoothnessConfig
from zprl_core.smoothness.episode import EpisodeTracks, MotionRecord, append_motion, measured_motion
from zprl_core.transforms import Pose

REST_S = 0.3
"""A real arm's episode is measured so long after its motion was over: the arm holds by then, and a servo
period that the thread makes late is one in which nothing moves.
"""
PATIENCE_S = 5.0
"""How long the last episodes may take at the end."""


class MotionWorker:
    """Follows one arm, measures each episode that is over, appends its line, and tells who listens.

    Args:
        keeper: of the arm.
        folder: RUN/motion; None where nothing is written.
        limits: beyond which there are alarms.
        publish: called in the thread with each episode and the time at which its motion was over.
        warn: called in the thread with what a person should know.
        rest_s: waited before an episode is measured.
    """

    def __init__(
        self,
        keeper: MotionKeeper,
        folder: Path | None,
        limits: SmoothnessConfig,
        publish: Callable[[MotionRecord, int], None],
        warn: Callable[[str], None],
        *,
        rest_s: float = 0.0,
    ) -> None:
        self._keeper, self._limits, self._rest_s = keeper, limits, rest_s
        self._path = None if folder is None else folder / f"{keeper.arm}.jsonl"
        self._publish, self._warn = publish, warn
        self._waiting: SimpleQueue[tuple[EpisodeTracks, int] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="motion", daemon=True)
        self._thread.start()

    @property
    def wanted(self) -> bool:
        """Whether a sample would be kept now."""
        return self._keeper.wanted

    def on_session(self, state: str, episode: int, outcome: str, t_ns: int) -> None:
        """The session's state changed. Never waits, like everything here but `close`."""
        self._put(self._keeper.on_session(state, episode, outcome, t_ns), t_ns)

    def chunk(self, controller: ArmController) -> None:
        """The controller has taken a chunk."""
        self._keeper.chunk(controller.taken)

    def sample(
        self, stamp_ns: int, controller: ArmController, tool: Pose, read_ns: int | None = None
    ) -> None:
        """A servo period was served, and the tool measured at `read_ns`; None: in the period."""
        if self._keeper.wanted:
            measured_ns, by_hand = stamp_ns if read_ns is None else read_ns, controller.owner == "human"
            self._keeper.sample(stamp_ns, controller.last, measured_ns, tool, by_hand=by_hand)

    def close(self, t_ns: int) -> None:
        """The bridge ends: what was put is measured, for which it has `PATIENCE_S`."""
        self._put(self._keeper.interrupt(t_ns), t_ns)
        self._waiting.put(None)
        self._thread.join(PATIENCE_S)

    def _put(self, tracks: EpisodeTracks | None, over_ns: int) -> None:
        if tracks is not None:
            self._waiting.put((tracks, over_ns))

    def _run(self) -> None:
        scheduling.as_usual()
        while (item := self._waiting.get()) is not None:
            tracks, over_ns = item
            time.sleep(self._rest_s)
            try:
                self._measure(tracks, over_ns)
            except Exception as error:  # a number that is missing must not end an arm's bridge
                self._warn(f"episode {tracks.episode}: its motion was not measured: {error!r}")

    def _measure(self, tracks: EpisodeTracks, over_ns: int) -> None:
        record = measured_motion(tracks, self._limits)
        if self._path is not None:
            try:
                append_motion(self._path, record)
            except OSError as error:
                self._warn(f"{self._path}: cannot be written: {error.strerror}")
        for alarm in record.alarms:
            self._warn(f"arm '{record.arm}', episode {record.episode}: {alarm}")
        self._publish(record, over_ns)
