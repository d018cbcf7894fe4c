"""What a camera driver is. A new camera is one module in `drivers/` and one line in `drivers.DRIVERS`."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import RigError

HANGS = "hangs"  # how a camera is lost that is there and sends nothing


class Frame(NamedTuple):
    """One picture as the device delivers it, before crop and resize.

    Attributes:
        image: RGB, uint8 (height, width, 3). The driver does not touch it again.
        stamp_ns: when the picture was taken, ns of the clock that the session runs on; not when it arrived.
        number: the device's count of pictures, which has gaps where some were lost; None: it does not count.
        depth: aligned to `image`, uint16 (height, width), mm, 0 where unknown; None: not asked for.
    """

    image: NDArray[np.uint8]
    stamp_ns: int
    number: int | None = None
    depth: NDArray[np.uint16] | None = None


class CameraLost(RigError):
    """A device that was open is gone, or sends nothing any more; opening it again may help.

    Attributes:
        how: what happened, in words that follow the camera's name.
    """

    def __init__(self, reason: str, how: str = "unplugged") -> None:
        super().__init__(reason)
        self.how = how


class CameraDriver(Protocol):
    """One camera. All methods run in one thread of the camera node, so a graphics context may live in
    them.
    """

    def open(self) -> None:
        """Connect and start the stream. Also called, after `close`, when a device was lost.

        Raises:
            RigError: it is not there, or it is another device; names what was looked for, what is there and
                what to do.
        """

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came within the time.

        Raises:
            CameraLost: the device is gone; the node closes it and tries to open it again.
        """

    def close(self) -> None:
        """Stop and let go of the device. Harmless when it is not open, and after an error."""


@runtime_checkable
class Resettable(Protocol):
    """What a driver has besides, whose device can be told to restart as if it were plugged in anew."""

    def listed(self) -> bool | None:
        """Whether the device is plugged in; None: it cannot be told now."""

    def reset(self) -> None:
        """Tell it to restart, and return at once. Only while it is closed.

        Raises:
            RigError: it cannot be told.
        """
