"""By which impedance a Franka arm follows what is streamed, and towards what.

Setpoints are followed by a Cartesian impedance: it gives way at the tool, and friction holds it some mm and
hundredths of a rad from its target. Joint angles, which come on the way home, are followed by a stiffer joint
impedance: the elbow goes the way that was checked, and the arm ends at home. Changing from one to the other
begins where the arm is and ramps the torques.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zprl_arms.drivers.franka_fci import Fci, one_line
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import quaternion_conjugate, quaternion_multiply, rotvec_from_quaternion

COAST_PERIODS = 3  # the velocity of what was streamed is good for this many servo periods
Law = Literal["hold", "pose", "joints"]


class Tracking:
    """Gives the control loop its targets. `follow` never waits; `look` is for another thread.

    Args:
        fci: the connection, in no motion.
        joints_rad: where the arm is, float64 (7,): it holds there, elbow included, until it is told to move.
        home_rad: to where the elbow is drawn from then on, float64 (7,).
        servo_s: period of what is streamed.
        refused: told why a target was not taken.

    Raises:
        franky.Exception: the controller does not let us.
    """

    def __init__(
        self,
        fci: Fci,
        joints_rad: NDArray[np.float64],
        home_rad: NDArray[np.float64],
        servo_s: float,
        refused: Callable[[str], None],
    ) -> None:
        self._fci, self._home_rad, self._servo_s, self._refused = fci, home_rad, servo_s, refused
        self._targets = threading.Lock()
        self._last: Setpoint | None = None
        self._last_joints: NDArray[np.float64] | None = None
        self._last_s, self._moving = 0.0, False
        self._law: Law = "hold"
        self._tracker: Any = fci.track(joints_rad)

    def follow(self, setpoint: Setpoint, joints_rad: NDArray[np.float64] | None) -> None:
        """A new target: joint angles, float64 (7,), where they are given, else the setpoint's pose."""
        with self._targets:
            now_s = time.monotonic()
            rate = self._rate(setpoint, joints_rad, now_s)
            self._last, self._last_joints, self._last_s = setpoint, joints_rad, now_s
            self._moving = bool(rate.any())
            self._set_target(rate)

    def look(self) -> None:
        """Change the impedance where that is due, and let go of a velocity that nobody renews.

        Raises:
            franky.Exception: the controller does not let us.
        """
        if not self._fci.in_control:
            return
        if (law := self._due()) != self._law:
            tracker = self._fci.track_joints() if law == "joints" else self._fci.track(self._home_rad)
            with self._targets:
                self._tracker, self._law = tracker, law
                self._set_target(np.zeros(7 if law == "joints" else 6))
        with self._targets:
            if self._moving and time.monotonic() - self._last_s > COAST_PERIODS * self._servo_s:
                self._moving = False
                self._set_target(np.zeros(6 if self._last_joints is None else 7))

    def end(self) -> None:
        """Ramp the torques down and end control."""
        if self._fci.in_control:
            self._fci.stop(self._tracker)

    def _due(self) -> Law:
        with self._targets:
            if self._last_joints is not None:
                return "joints"
            return "pose" if self._moving or self._law == "joints" else self._law

    def _rate(
        self, setpoint: Setpoint, joints_rad: NDArray[np.float64] | None, now_s: float
    ) -> NDArray[np.float64]:
        """Velocity since the last target: of the joints, rad/s, float64 (7,), or of the tool in the base
        frame, m/s and rad/s, float64 (6,). Targets are whole servo periods apart, however late they come; 0
        where there was none lately, or one of the other kind.
        """
        periods = max(1, round((now_s - self._last_s) / self._servo_s))
        step = None if periods > COAST_PERIODS else self._step(setpoint, joints_rad)
        if step is None:
            return np.zeros(6 if joints_rad is None else 7)
        return np.asarray(step / (periods * self._servo_s))

    def _step(self, setpoint: Setpoint, joints_rad: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        before, joints_before = self._last, self._last_joints
        if joints_rad is not None:
            return None if joints_before is None else joints_rad - joints_before
        if before is None or joints_before is not None:
            return None
        turn = quaternion_multiply(setpoint.quaternion, quaternion_conjugate(before.quaternion))
        return np.concatenate((setpoint.position - before.position, rotvec_from_quaternion(turn)))

    def _set_target(self, rate: NDArray[np.float64]) -> None:
        """To the control loop, unless its impedance is still one for targets of the other kind."""
        joints = self._last_joints
        if self._last is None or (joints is not None) != (self._law == "joints"):
            return
        try:
            if joints is not None:
                self._tracker.set_target(joints, rate)
            else:
                self._tracker.set_target(*self._fci.target(self._last, rate))
        except Exception as error:  # nothing may escape into the servo loop
            self._refused(f"refuses a setpoint: {one_line(error)}")
