# SPDX-License-Identifier: Apache-2.0
"""What happened, for measuring after a fault: where the tool was in every step, and when setpoints came."""

from __future__ import annotations

from collections import deque

import numpy as np

from zprl_sim.xarm_box.plant import Array

_KEPT_S = 120


class Trace:
    """The last two minutes.

    Args:
        rate_hz: steps per second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._steps: deque[tuple[int, float, float, float, float]] = deque(maxlen=int(_KEPT_S * rate_hz))
        self._setpoints: deque[int] = deque(maxlen=_KEPT_S * 250)
        self._last: Array | None = None

    def step(self, stamp_ns: int, tcp_m: Array) -> float:
        """Remember a step; gives the speed of the tool, m/s."""
        speed = 0.0 if self._last is None else float(np.linalg.norm(tcp_m - self._last)) * self._rate_hz
        self._last = tcp_m
        x, y, z = tcp_m.tolist()
        self._steps.append((stamp_ns, x, y, z, speed))
        return speed

    def forget_position(self) -> None:
        """The arm was put elsewhere, or the tool changed: the way there is no motion."""
        self._last = None

    def setpoint(self, stamp_ns: int) -> None:
        """Remember that a setpoint came."""
        self._setpoints.append(stamp_ns)

    def steps_since(self, stamp_ns: int) -> list[tuple[int, float, float, float, float]]:
        """(stamp in ns, x, y, z in m, speed in m/s) of every step after `stamp_ns`."""
        return [step for step in self._steps if step[0] > stamp_ns]

    def setpoints_since(self, stamp_ns: int) -> list[int]:
        """When each setpoint after `stamp_ns` came, ns."""
        return [stamp for stamp in self._setpoints if stamp > stamp_ns]
