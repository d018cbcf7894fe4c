"""Is a camera's stream what it should be? Pure: arrival times are arguments."""

from __future__ import annotations

from dataclasses import dataclass

SECOND_NS = 1e9
FIRST_FRAME_S = 15.0


@dataclass(frozen=True)
class Health:
    """State of a stream at one moment.

    Attributes:
        ok: whether frames come.
        message: one line for a person; names the camera.
        silence_s: how long no usable frame has come, s.
    """

    ok: bool
    message: str
    silence_s: float


class StreamMonitor:
    """Judges each frame and notices when none come.

    Args:
        name: of the camera, for messages.
        height, width: of a usable frame, pixels.
        max_silence_s: longer without a usable frame means that the stream has stopped.
        first_frame_s: how long the first frame may take, s.
    """

    def __init__(
        self, name: str, height: int, width: int, max_silence_s: float, first_frame_s: float = FIRST_FRAME_S
    ) -> None:
        self.name = name
        self.size = (height, width)
        self.max_silence_s, self.first_frame_s = max_silence_s, first_frame_s
        self.counts = {"published": 0, "repeated": 0, "wrong_size": 0}
        self._last_stamp_ns: int | None = None
        self._last_arrival_ns: int | None = None
        self._watched_ns: int | None = None

    def frame(self, shape: tuple[int, ...], stamp_ns: int, arrival_ns: int) -> str:
        """Take note of a frame.

        Args:
            shape: of the image array.
            stamp_ns: its acquisition time.
            arrival_ns: now, on the clock that `health` is asked with.

        Returns:
            Why the frame must not be used; empty when it is good.
        """
        if shape != (*self.size, 3):
            self.counts["wrong_size"] += 1
            wanted = "x".join(map(str, (*self.size, 3)))
            return f"camera {self.name}: a frame of {'x'.join(map(str, shape))}, expected {wanted}"
        if self._last_stamp_ns is not None and stamp_ns <= self._last_stamp_ns:
            self.counts["repeated"] += 1
            behind_ms = (self._last_stamp_ns - stamp_ns) * 1e-6
            return (
                f"camera {self.name}: stamp repeated or out of order, {behind_ms:.1f} ms behind the last one"
            )
        self._last_stamp_ns, self._last_arrival_ns = stamp_ns, arrival_ns
        self.counts["published"] += 1
        return ""

    def health(self, now_ns: int) -> Health:
        """The stream's state now; `now_ns` is on the arrivals' clock. The first call starts the watch."""
        if self._watched_ns is None:
            self._watched_ns = now_ns
        first = self._last_arrival_ns is None
        silence_s = (
            now_ns - (self._watched_ns if self._last_arrival_ns is None else self._last_arrival_ns)
        ) / SECOND_NS
        if silence_s > (self.first_frame_s if first else self.max_silence_s):
            return Health(False, f"camera {self.name}: no frame for {silence_s:.2f} s", silence_s)
        return Health(
            True, f"camera {self.name}: {'waiting for the first frame' if first else 'streaming'}", silence_s
        )
