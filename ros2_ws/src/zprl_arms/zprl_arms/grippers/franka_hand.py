"""The Franka Hand, at port 1338 of its arm's controller.

It has two motions. `move` goes to a width, with little force. `grasp` closes with a given force until
something stops the fingers, whatever width it is given. So closing altogether is a grasp, and a move that is
stopped on its way becomes one.
"""

from __future__ import annotations

from typing import Any

from zprl_arms.drivers.franka_fci import load_franky, one_line
from zprl_arms.grippers.worker import GripperReading
from zprl_core.config import GripperConfig
from zprl_core.errors import RigError

FASTEST_M_S = 0.1
CLOSED_M = 0.002  # this near to closed is closed
SHORT_M = 0.003  # a move that ends this much wider than wanted was stopped by something
END_S = 2.0  # in which a motion of the fingers has ended
UNHOMED_M = 0.005  # a Hand that cannot open this much less than the rig says was not homed


class FrankaHand:
    """`GripperDevice` of a Franka Hand. It finishes a motion before it takes the next one.

    Args:
        address: of the arm's controller.
        config: the rig's.
    """

    def __init__(self, address: str, config: GripperConfig) -> None:
        self.name = f"Franka Hand at {address}"
        self._address, self._config = address, config
        self._hand: Any = None
        self._motion: Any = None
        self._width_m = self._most_m = self._goal_m = 0.0
        self._speed_m_s = min(config.speed_m_s, FASTEST_M_S)
        self._grasping = self._halted = self._met = False

    def connect(self, *, enable: bool) -> None:
        """Connect; the fingers do not move.

        Raises:
            RigError: no Hand there, or it opens less than the rig says, as one does that was not homed.
        """
        franky = load_franky()
        try:
            self._hand = franky.Gripper(self._address)
        except franky.Exception as error:
            raise RigError(
                f"{self.name}: does not answer: {one_line(error)} Check its cable, and in Desk that the Hand "
                "is the end effector"
            ) from error
        self._most_m = self._state().max_width
        if self._most_m < self._config.max_width_m - UNHOMED_M:
            raise RigError(
                f"{self.name}: opens to {self._most_m:.3f} m, gripper.max_width_m: "
                f"{self._config.max_width_m:g}. Home it in Desk with nothing between the fingers, or correct "
                "the rig"
            )

    def read(self) -> GripperReading:
        """Its newest state; waits for that, a few 10 ms.

        Raises:
            RigError: it does not answer, or the last motion failed.
        """
        self._width_m = self._state().width
        self._finish()
        if self._met and not self._halted:
            self._grasp()
        return GripperReading(self._width_m)

    @property
    def busy(self) -> bool:
        """Whether it still moves."""
        return self._motion is not None

    def move(self, width_m: float) -> None:
        """Open or close to a width, or close to what is in between, and press."""
        width_m = min(max(width_m, 0.0), self._most_m)
        self._goal_m, self._grasping, self._met = width_m, False, False
        if width_m <= self._config.min_width_m + CLOSED_M:
            self._grasp()
        else:
            self._motion = self._hand.move_async(width_m, self._speed_m_s)

    def halt(self, *, halted: bool) -> None:
        """Meanwhile a move that is on its way ends by itself, and becomes no grasp. libfranka could stop it
        before: what follows then is not known, as no simulator's move ends there.
        """
        self._halted = halted

    def clear_fault(self) -> None:
        """Connect again: a Hand has no faults that outlive a motion.

        Raises:
            RigError: no Hand there.
        """
        self.close()
        self.connect(enable=True)

    def close(self) -> None:
        """Disconnect, once a motion that is on its way has ended; a grasp stays. Whoever lets go of franky's
        gripper in the middle of one waits for its end, and all of Python with it.
        """
        if self._motion is not None:
            self._motion.wait(END_S)
        self._motion = self._hand = None

    def _state(self) -> Any:
        try:
            return self._hand.state
        except Exception as error:
            raise RigError(f"{self.name}: connection lost: {one_line(error)}") from error

    def _finish(self) -> None:
        if self._motion is None or not self._motion.wait(0.0):
            return
        motion, self._motion, problem = self._motion, None, ""
        try:
            motion.get()
        except Exception as error:
            problem = one_line(error)
        if self._width_m > self._goal_m + SHORT_M and not self._grasping:
            self._met = True
        elif problem:
            raise RigError(f"{self.name}: a motion failed: {problem}")

    def _grasp(self) -> None:
        """Whatever the fingers meet is grasped: the band of widths that count as success is all there are."""
        self._grasping, self._met, band = True, False, self._most_m
        self._motion = self._hand.grasp_async(
            0.0, self._speed_m_s, self._config.force_n, epsilon_inner=band, epsilon_outer=band
        )
