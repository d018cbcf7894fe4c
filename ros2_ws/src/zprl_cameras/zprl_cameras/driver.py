"""What a camera driver is. A new camera is one module in `drivers/` and one line in `drivers.DRIVERS`."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Frame(NamedTuple):
    """One picture.

    Attributes:
        image: RGB, uint8 (height, width, 3) of the task's size. The driver does not touch it again.
        stamp_ns: when the picture was taken, ns of the clock that the session runs on; not when it arrived.
    """

    image: NDArray[np.uint8]
    stamp_ns: int


class CameraDriver(Protocol):
    """One camera. All methods run in one thread of the camera node, so a graphics context may live in
    them.
    """

    def open(self) -> None:
        """Connect and start the stream.

        Raises:
            RigError: it is not there, or it is another device; names what was looked for and what to do.
        """

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came within the time."""

    def close(self) -> None:
        """Stop and let go of the device. Called once, also after an error."""
