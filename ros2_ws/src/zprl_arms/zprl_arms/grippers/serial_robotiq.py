"""A Robotiq 2F-85 at an RS-485 adapter.

Two frames of fixed length are all of Modbus that it takes, so there is no Modbus library here: `robotiq`
needs fewer lines for them than a library's set-up, errors and versions would, and pyserial is needed all the
same.
"""

from __future__ import annotations

import importlib
import termios
import time
from collections.abc import Callable
from typing import Any

from zprl_arms.grippers import robotiq
from zprl_arms.grippers.worker import GripperReading
from zprl_core.config import GripperConfig
from zprl_core.errors import RigError

ANSWER_S = 0.1  # the manual gives it 5 ms; adapters collect bytes for up to 16 ms
TRIES = 3  # a frame may be lost to noise on the cable
ACTIVATION_S = 5.0  # closes and opens once


class SerialRobotiq:
    """`GripperDevice` of a 2F-85.

    Args:
        port: serial device of the adapter.
        config: the rig's.
    """

    def __init__(self, port: str, config: GripperConfig) -> None:
        self.name = f"Robotiq 2F-85 at {port}"
        self._port, self._config = port, config
        self._serial: Any = None

    @property
    def busy(self) -> bool:
        """It takes a new width at any time."""
        return False

    def connect(self, *, enable: bool) -> None:
        """Connect. With `enable` a gripper that was not activated since it got power is: its fingers close
        and open once. One that was stays as it is, grasp included.

        Raises:
            RigError: no port, no answer, or no activation.
        """
        self._open()
        status = self._status()
        if enable and not status.ready:
            self._activate()

    def read(self) -> GripperReading:
        """Its width and what it complains of.

        Raises:
            RigError: it does not answer.
        """
        status = self._status()
        fault = f"{self.name}: {status.complaint}" if status.complaint else ""
        return GripperReading(robotiq.width_of(status.position), fault)

    def move(self, width_m: float) -> None:
        """Go to a width, from wherever it was going.

        Raises:
            RigError: it does not answer.
        """
        self._write(
            robotiq.Command(
                activate=True,
                go=True,
                position=robotiq.position_of(width_m),
                speed=robotiq.speed_of(self._config.speed_m_s),
                force=robotiq.force_of(self._config.force_n),
            )
        )

    def halt(self, *, halted: bool) -> None:
        """It is told widths in steps, as the arm is told poses: nothing goes on by itself."""

    def clear_fault(self) -> None:
        """Activate it again where it is not ready: its fingers close and open once.

        Raises:
            RigError: no port, no answer, or no activation.
        """
        self.close()
        self._open()
        status = self._status()
        if status.complaint or not status.ready:
            self._activate()

    def close(self) -> None:
        """Close the port; the gripper keeps its grasp."""
        if self._serial is not None:
            self._serial.close()
        self._serial = None

    def _open(self) -> None:
        try:
            serial = importlib.import_module("serial")
        except ImportError as error:
            raise RigError(
                f"{self.name}: pyserial cannot be imported ({error}); it is in the extra 'real': "
                "pip install -e '.[real]'"
            ) from error
        try:
            self._serial = serial.Serial(self._port, robotiq.BAUD, timeout=ANSWER_S, exclusive=True)
        except (serial.SerialException, OSError) as error:
            raise RigError(
                f"{self.name}: cannot open the port: {error}. Check the adapter's USB plug "
                "(/dev/serial/by-id), that the user may use it (group dialout), and that nobody else has it"
            ) from error

    def _activate(self) -> None:
        self._write(robotiq.Command(activate=False))
        self._write(robotiq.Command(activate=True))
        end = time.monotonic() + ACTIVATION_S
        while not (status := self._status()).ready:
            if time.monotonic() > end:
                what = status.complaint or f"gSTA is {status.activation}"
                raise RigError(
                    f"{self.name}: not activated within {ACTIVATION_S:g} s: {what}. Free its fingers"
                )
            time.sleep(0.02)

    def _write(self, command: robotiq.Command) -> None:
        self._ask(robotiq.write_request(command), robotiq.WRITE_ANSWER_BYTES, robotiq.check_write_answer)

    def _status(self) -> robotiq.Status:
        status: robotiq.Status = self._ask(
            robotiq.status_request(), robotiq.STATUS_ANSWER_BYTES, robotiq.status_answer
        )
        return status

    def _ask(self, request: bytes, length: int, parse: Callable[[bytes], Any]) -> Any:
        problem: Exception | None = None
        for _ in range(TRIES):
            try:
                self._serial.reset_input_buffer()
                self._serial.write(request)
                return parse(self._serial.read(length))
            except (OSError, termios.error, RigError) as error:  # pyserial's own are OSErrors
                problem = error
        raise RigError(
            f"{self.name}: does not answer: {problem}. Check its 24 V, the wires A and B, and that it is "
            f"slave {robotiq.SLAVE} at {robotiq.BAUD} baud"
        ) from problem
