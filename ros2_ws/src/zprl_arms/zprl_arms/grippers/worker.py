"""A gripper served from a thread of its own, so that the arm never waits for it: the newest width wins."""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

PERIOD_S = 0.02  # between two looks
RESOLUTION_M = 0.0005  # a width as near as this to the last one is the last one


class GripperReading(NamedTuple):
    """What a gripper measures.

    Attributes:
        width_m: between the fingers.
        fault: empty, or what it complains of.
    """

    width_m: float
    fault: str = ""


class GripperDevice(Protocol):
    """One gripper. Its calls may take as long as its bus does; only one thread calls them at a time.

    Attributes:
        name: what it is and where, for messages.
    """

    name: str

    def connect(self, *, enable: bool) -> None:
        """Connect; with `enable` make it ready to move.

        Raises:
            RigError: it does not answer or is not ready; names the port and what to check.
        """

    def read(self) -> GripperReading:
        """What it measures.

        Raises:
            RigError: it does not answer.
        """

    @property
    def busy(self) -> bool:
        """Whether it has to finish the last width before it takes another."""

    def move(self, width_m: float) -> None:
        """Begin to open or close to a width; what is in between is grasped with the configured force.

        Raises:
            RigError: it does not answer or refuses.
        """

    def halt(self, *, halted: bool) -> None:
        """Whether the arm is to hold: then a motion that ends is followed by no other. A grasp stays."""

    def clear_fault(self) -> None:
        """Make it ready again after a fault or a lost connection.

        Raises:
            RigError: it cannot be made ready; says what to check.
        """

    def close(self) -> None:
        """Disconnect; the fingers stay as they are."""


class GripperWorker:
    """Serves a gripper.

    Args:
        device: the gripper.

    Attributes:
        halted: whether it begins no motion, whatever is wanted.
    """

    def __init__(self, device: GripperDevice) -> None:
        self._device, self.halted = device, False
        self.name = device.name
        self._reading = GripperReading(0.0)
        self._fault = ""
        self._wanted: float | None = None
        self._sent: float | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self, *, enable: bool) -> None:
        """Connect, and serve from now on.

        Raises:
            RigError: it does not answer or is not ready; names the port and what to check.
        """
        self._device.connect(enable=enable)
        self._reading = self._device.read()
        self._start()

    def read(self) -> tuple[float, str]:
        """The newest measured width in m, and the first fault since it was last cleared. Never waits."""
        return self._reading.width_m, self._fault

    def command(self, width_m: float) -> None:
        """Want a width. Never waits; of several, the newest is moved to."""
        self._wanted = width_m

    def clear_fault(self) -> None:
        """Make it ready again; it keeps its width until a new one is wanted.

        Raises:
            RigError: it cannot be made ready; says what to check.
        """
        if not self._fault:
            return
        self._stop()
        self._device.clear_fault()
        self._fault, self._wanted, self._sent = "", None, None
        self._start()

    def close(self) -> None:
        """Serve no more, and disconnect."""
        self._stop()
        self._device.close()

    def _start(self) -> None:
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._ending.wait(PERIOD_S):
            try:
                self._serve()
            except Exception as error:  # whatever it is, a gripper that nobody serves has a fault
                self._fault = self._fault or str(error)
            if self._fault:
                return

    def _serve(self) -> None:
        halted, wanted = self.halted, self._wanted
        self._device.halt(halted=halted)
        self._reading = self._device.read()
        self._fault = self._fault or self._reading.fault
        if wanted is None or halted or self._fault or self._device.busy:
            return
        if self._sent is None or abs(wanted - self._sent) > RESOLUTION_M:
            self._sent = wanted
            self._device.move(wanted)
