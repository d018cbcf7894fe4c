# SPDX-License-Identifier: Apache-2.0
"""Whether an arm may go on to a setpoint, and be where it is, for the distances of its links.

A chunk's way is looked at when it is admitted, straight in joint angles from where it takes over. What is
commanded blends into it from elsewhere, and bends between waypoints. Where the arm is in truth is a third
thing: the elbow of an arm with seven joints is where its own controller has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zprl_core.kinematics.clearance import STEP_M, Clearance, ClearanceRules, OtherArm
from zprl_core.kinematics.distances import ArmBodies
from zprl_core.transforms import Array

_TOLERANCE_M = 0.5 * STEP_M
_PRESSED_M = 0.01  # by which what is measured may be lower than the table: arms and tables give way


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


class TouchGuard:
    """Whether an arm touches itself, the table or another arm where it is measured.

    Args:
        bodies: of the arm. table_m: height of the table in the rig's frame; None: there is none.
    """

    def __init__(self, bodies: ArmBodies, table_m: float | None) -> None:
        self._rules = ClearanceRules(bodies, 0.0, None if table_m is None else table_m - _PRESSED_M)
        self._least_m: float | None = None

    def restart(self) -> None:
        """The arm goes on from where it is. Where it touches something already it may, no deeper, until it
        first does not.
        """
        self._least_m = None

    def problem(self, joints_rad: Array, others: Sequence[OtherArm] = ()) -> str:
        """What it touches at measured joint angles (joints,), or nothing."""
        found = self._rules.clearance(joints_rad, others)
        if self._least_m is None or found.margin_m >= 0.0:
            self._least_m = min(found.margin_m, 0.0)
        if found.margin_m >= self._least_m - _TOLERANCE_M:
            return ""
        return f"as it is measured, {found.nearest}"
