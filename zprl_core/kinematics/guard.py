# SPDX-License-Identifier: Apache-2.0
"""Whether an arm may go on to a setpoint, for the distances of its links: asked before each one.

A chunk's way is looked at when it is admitted, straight in joint angles from where it takes over. What is
commanded blends into it from elsewhere, and bends between waypoints.
"""

from __future__ import annotations

import numpy as np

from zprl_core.kinematics.clearance import STEP_M, Clearance, ClearanceRules
from zprl_core.kinematics.distances import ArmBodies
from zprl_core.transforms import Array

_TOLERANCE_M = 0.5 * STEP_M


class ClearanceGuard:
    """Keeps distances between an arm's own links and from the table, with the way that it takes to stop.

    It looks at postures only where what it saw last does not rule out that bodies are near by now: distances
    change by no more than bodies move.

    Args:
        bodies: of the arm.
        rules: the distances.
    """

    def __init__(self, bodies: ArmBodies, rules: ClearanceRules) -> None:
        self._bodies, self._rules = bodies, rules
        self._least_m = 0.0
        self._seen: tuple[Array, float] | None = None

    def restart(self, joints_rad: Array) -> None:
        """The arm goes on from (joints,). Where its bodies are too near already, they may stay so, no nearer,
        until they first are far enough.
        """
        self._seen, self._start = None, joints_rad

    def problem(self, joints_rad: Array, rest_rad: Array) -> str:
        """Why the next setpoint must not be sent, or nothing.

        Args:
            joints_rad: of the setpoint, (joints,).
            rest_rad: where the arm would come to rest from there, (joints,).
        """
        if self._seen is None:
            margin_m = self._rules.clearance(self._start).margin_m
            self._seen, self._least_m = (self._start, margin_m), min(margin_m, 0.0)
        seen_rad, margin_m = self._seen
        moved_m = self._bodies.motion_m(np.stack((joints_rad, rest_rad)) - seen_rad)
        if float(moved_m.max()) < margin_m:
            return ""
        return self._look(joints_rad, rest_rad)

    def _look(self, joints_rad: Array, rest_rad: Array) -> str:
        postures = np.stack((joints_rad, 0.5 * (joints_rad + rest_rad), rest_rad))
        margins_m = self._rules.margins_m(postures)
        self._seen = joints_rad, float(margins_m[0])
        worst = int(margins_m.argmin())
        if margins_m[worst] < self._least_m - _TOLERANCE_M:
            found: Clearance = self._rules.clearance(postures[worst])
            return found.nearest if worst == 0 else f"before it could stop, {found.nearest}"
        if margins_m[0] >= 0.0:
            self._least_m = 0.0
        return ""
