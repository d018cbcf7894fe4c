"""Is a camera's stream what it should be? Pure: arrival times are arguments.

A frame is either good, and published, or it is refused, with the reason. A camera that hangs or is dark sends
nothing good, so that the policy's snapshot grows old and it holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from zprl_cameras.driver import Frame
from zprl_cameras.judge import Expected, Judge

SECOND_NS = 1e9
FIRST_FRAME_S = 15.0
RECENT_S = 5.0

Cause = Literal["", "waiting", "dropped", "silent", "lost", "wrong_size", "frozen", "black"]


@dataclass(frozen=True)
class Health:
    """State of a stream at one moment.

    Attributes:
        cause: what is wrong; empty or "waiting" where nothing is.
        message: one line for a person; names the camera and what to do.
        silence_s: how long no good frame has come, s.
    """

    cause: Cause
    message: str
    silence_s: float

    @property
    def level(self) -> Literal["ok", "warn", "error"]:
        """Error: no observations come. Warn: fewer than there should be."""
        if self.cause in ("", "waiting"):
            return "ok"
        return "warn" if self.cause == "dropped" else "error"


class StreamMonitor:
    """Judges each frame and notices when none come. One thread brings frames, another may ask for the health.

    Args:
        expected: what the stream should be.
        first_frame_s: how long the first frame may take, s.

    Attributes:
        counts: frames "published"; frames refused, by reason; frames "dropped" before they came here; "lost":
            how often the device went, "attempts" to open it again, "reopened": how many of them succeeded.
    """

    def __init__(self, expected: Expected, first_frame_s: float = FIRST_FRAME_S) -> None:
        self._expected, self._first_frame_s = expected, first_frame_s
        kinds = ("published", "dropped", "repeated", "wrong_size", "frozen", "black")
        self.counts = dict.fromkeys((*kinds, "lost", "attempts", "reopened"), 0)
        self._judge = Judge(expected)
        self._fault: tuple[Cause, str] = ("", "")
        self._stamp_ns: int | None = None
        self._number: int | None = None
        self._restarted = True
        self._arrival_ns: int | None = None
        self._watched_ns: int | None = None
        self._recent: deque[tuple[int, int, int]] = deque()  # (time, dropped, repeated), of the asking thread

    def frame(self, frame: Frame, arrival_ns: int) -> str:
        """Take note of a frame; `arrival_ns` is now, on the clock that `health` is asked with.

        Returns:
            Why the frame must not be used; empty when it is good.
        """
        if self._stamp_ns is not None and frame.stamp_ns <= self._stamp_ns:
            self.counts["repeated"] += 1
            behind_ms = (self._stamp_ns - frame.stamp_ns) * 1e-6
            return self._say(f"stamp repeated or out of order, {behind_ms:.1f} ms behind the last one")
        self.counts["dropped"] += self._missing(frame)
        self._stamp_ns, self._number, self._restarted = frame.stamp_ns, frame.number, False
        fault, problem = self._judge(frame.image)
        self._fault = (fault, self._say(problem))
        self.counts[fault or "published"] += 1
        if fault:
            return self._fault[1]
        self._arrival_ns = arrival_ns
        return ""

    def lost(self, how: str, reason: str) -> None:
        """The device is gone, or could not be opened; `reason` names what is there and what to do."""
        self.counts["attempts" if self._fault[0] == "lost" else "lost"] += 1
        self._fault = ("lost", f"camera {self._expected.camera} {how}; trying again. {reason}")

    def reopened(self) -> None:
        """The device is back: it counts its pictures anew, and the search for equal ones begins anew."""
        self.counts["attempts"] += 1
        self.counts["reopened"] += 1
        self._judge, self._restarted = Judge(self._expected), True
        self._fault = ("lost", self._say("open again, waiting for its first frame"))

    def health(self, now_ns: int) -> Health:
        """The stream's state now; `now_ns` is on the arrivals' clock. The first call starts the watch."""
        if self._watched_ns is None:
            self._watched_ns = now_ns
        arrival_ns, (fault, problem) = self._arrival_ns, self._fault
        since_ns = self._watched_ns if arrival_ns is None else arrival_ns
        silence_s = (now_ns - since_ns) / SECOND_NS
        dropped, repeated = self._lately(now_ns)
        if fault:
            return Health(fault, problem, silence_s)
        if silence_s > (self._first_frame_s if arrival_ns is None else self._expected.max_silence_s):
            return Health("silent", self._say(_silent(silence_s, repeated)), silence_s)
        if arrival_ns is None:
            return Health("waiting", self._say("waiting for the first frame"), silence_s)
        if self._expected.rate_hz and (dropped or repeated):
            return Health("dropped", self._say(_dropped(dropped, repeated)), silence_s)
        return Health("", self._say("streaming"), silence_s)

    def _say(self, text: str) -> str:
        return f"camera {self._expected.camera}: {text}"

    def _missing(self, frame: Frame) -> int:
        """Frames that lie between the last one and this one, by the device's count, else by the stamps."""
        if self._restarted or self._stamp_ns is None or not self._expected.rate_hz:
            return 0
        if frame.number is not None and self._number is not None:
            return max(0, frame.number - self._number - 1)
        return max(0, round((frame.stamp_ns - self._stamp_ns) * self._expected.rate_hz / SECOND_NS) - 1)

    def _lately(self, now_ns: int) -> tuple[int, int]:
        now = (now_ns, self.counts["dropped"], self.counts["repeated"])
        self._recent.append(now)
        while self._recent[0][0] < now_ns - RECENT_S * SECOND_NS:
            self._recent.popleft()
        return now[1] - self._recent[0][1], now[2] - self._recent[0][2]


def _silent(silence_s: float, repeated: int) -> str:
    if repeated:
        return (
            f"no frame for {silence_s:.2f} s: {repeated} came whose stamps repeat or go back; was the system "
            "clock set? Start the session again"
        )
    return f"no frame for {silence_s:.2f} s; check its power and cable, and that what feeds it runs"


def _dropped(dropped: int, repeated: int) -> str:
    return (
        f"{dropped} frames dropped and {repeated} repeated in the last {RECENT_S:g} s; give it a USB 3 port "
        "and cable of its own, a shorter exposure_us, or a lower rate_hz"
    )
