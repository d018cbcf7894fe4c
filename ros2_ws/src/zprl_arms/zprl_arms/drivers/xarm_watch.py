"""When an arm is in another one's hands, and what a driver complains of until a person clears it."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np

from zprl_arms.drivers.xarm_reports import Reported
from zprl_core import transforms
from zprl_core.transforms import Pose

SERVO_MODE = 1
FOREIGN_M, FOREIGN_RAD = 0.05, 0.35
_MEMORY_NS, _SPACING_NS = 500_000_000, 20_000_000
_LOOKS_APART_NS, _LOOKS = 50_000_000, 2  # between looks, and how many must agree
_PAUSED, _STOPPED = 3, 4


class FaultLatch:
    """The first complaint stays until it is cleared; a better explanation of it may replace it once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text, self._final = "", False

    @property
    def text(self) -> str:
        """Empty, or the complaint."""
        return self._text

    def set(self, text: str, *, final: bool = True) -> None:
        """Complain. `final` is False for what may yet be explained better."""
        with self._lock:
            if not self._text or (final and not self._final):
                self._text, self._final = text, final

    def clear(self) -> None:
        """Forget it."""
        with self._lock:
            self._text, self._final = "", False


def state_problem(report: Reported) -> str:
    """What a report says against going on in servo mode; empty where nothing does."""
    if report.state >= _STOPPED:
        return f"the controller stopped (state {report.state})"
    if report.mode != SERVO_MODE:
        return f"mode {report.mode} instead of {SERVO_MODE} (servo): another program changed it"
    if report.state == _PAUSED:
        return "paused (state 3): another program did it"
    return ""


class ForeignMotion:
    """Whether the arm is where this driver did not send it: another program commands it, or it is pushed.

    Args:
        held: where it is when the driver takes over.
    """

    def __init__(self, held: Pose) -> None:
        self._sent: deque[tuple[int, Pose]] = deque([(0, held)])
        self._away, self._looked_ns = 0, 0

    def sent(self, stamp_ns: int, pose: Pose) -> None:
        """A setpoint was sent."""
        if stamp_ns - self._sent[-1][0] < _SPACING_NS:
            return
        self._sent.append((stamp_ns, pose))
        while len(self._sent) > 1 and self._sent[0][0] < stamp_ns - _MEMORY_NS:
            self._sent.popleft()

    def due(self, stamp_ns: int) -> bool:
        """Whether it is time to look again; looking at every report would take the stream's time."""
        due = stamp_ns - self._looked_ns >= _LOOKS_APART_NS
        self._looked_ns = stamp_ns if due else self._looked_ns
        return due

    def problem(self, measured: Pose) -> str:
        """What one more report's pose says; empty while it is near the setpoints of the last half second."""
        poses = [pose for _, pose in tuple(self._sent)]
        gaps = np.linalg.norm(np.array([pose.position for pose in poses]) - measured.position, axis=1)
        turns = transforms.angle_between(np.array([pose.quaternion for pose in poses]), measured.quaternion)
        near = (gaps < FOREIGN_M) & (turns < FOREIGN_RAD)
        self._away = 0 if near.any() else self._away + 1
        if self._away < _LOOKS:
            return ""
        nearest = int(np.argmin(gaps))
        return (
            f"the arm is {gaps[nearest]:.3f} m and {turns[nearest]:.2f} rad from every setpoint of the "
            f"last half second (allowed {FOREIGN_M} m, {FOREIGN_RAD} rad): another program commands it, "
            "or it is pushed"
        )
