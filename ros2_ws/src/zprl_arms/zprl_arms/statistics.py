"""How evenly setpoints were sent, how chunks joined, and how many came too late. Pure."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from zprl_core.trajectory import ChunkOutcome

_KEPT = 200_000


class ServoStatistics:
    """Collects times of setpoints and skipped waypoints of one arm."""

    def __init__(self) -> None:
        self._periods_s: deque[float] = deque(maxlen=_KEPT)
        self._lateness_s: deque[float] = deque(maxlen=_KEPT)
        self._seams: deque[tuple[float, float]] = deque(maxlen=_KEPT)
        self._clamped: Counter[str] = Counter()
        self._last_ns: int | None = None
        self.skipped_steps = 0
        self.missed_periods = 0

    def sent(self, now_ns: int, due_ns: int) -> None:
        """A setpoint went out at `now_ns` whose period began at `due_ns`."""
        if self._last_ns is not None:
            self._periods_s.append((now_ns - self._last_ns) * 1e-9)
        self._lateness_s.append((now_ns - due_ns) * 1e-9)
        self._last_ns = now_ns

    def ended(self, outcome: ChunkOutcome) -> None:
        """A chunk's time is over."""
        self.skipped_steps += outcome.skipped_steps
        self._clamped.update(dict.fromkeys(outcome.clamped_by, 1))
        if outcome.index > 0:
            self._seams.append((outcome.seam_gap_s, outcome.seam_velocity_jump_m_s))

    def summary(self, period_s: float) -> dict[str, Any]:
        """Plain data for the run's folder. In simulated time every period is exactly `period_s` long."""
        periods = np.array(self._periods_s or [period_s]) * 1e3
        late = np.array(self._lateness_s or [0.0]) * 1e3
        seams = np.array(self._seams or [(0.0, 0.0)])
        return {
            "control_period_ms": {"p50": _percentile(periods, 50), "p99": _percentile(periods, 99)},
            "servo_late_ms": {
                "p50": _percentile(late, 50),
                "p99": _percentile(late, 99),
                "max": float(late.max()),
            },
            "seam_gap_ms": {
                "p50": _percentile(seams[:, 0] * 1e3, 50),
                "p99": _percentile(seams[:, 0] * 1e3, 99),
            },
            "seam_velocity_jump_m_s": {
                "p50": _percentile(seams[:, 1], 50),
                "p99": _percentile(seams[:, 1], 99),
            },
            "chunks_clamped_by": dict(self._clamped.most_common()),
            "missed_servo_periods": self.missed_periods,
            "skipped_steps": self.skipped_steps,
        }


def _percentile(values: np.ndarray, share: float) -> float:
    return round(float(np.percentile(values, share)), 4)
