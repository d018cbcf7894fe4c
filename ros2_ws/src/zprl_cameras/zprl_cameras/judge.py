"""Does a picture show what is in front of the camera now? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import CameraConfig, CameraView

BLACK_BELOW = 8  # of 255: sensors have a black level and some noise,
BRIGHT_SHARE = 1e-3  # and a few hot pixels

Fault = Literal["", "wrong_size", "frozen", "black"]


@dataclass(frozen=True)
class Expected:
    """What a camera's stream should be.

    Attributes:
        camera: its name, for messages.
        height, width: of its pictures, pixels.
        max_silence_s: longer without a good frame means that the stream has stopped.
        rate_hz: nominal; 0: frames come when something happens, and gaps mean nothing.
        frozen_frames: this many equal pictures in a row mean that it hangs; 0: not watched.
        black: whether a black picture is a fault.
    """

    camera: str
    height: int
    width: int
    max_silence_s: float
    rate_hz: float = 0.0
    frozen_frames: int = 0
    black: bool = False


def expected(camera: CameraConfig, view: CameraView, max_silence_s: float) -> Expected:
    """What a rig's camera should deliver.

    A simulated one draws at the task's size, only when the world is observed, and draws the same picture to
    the bit while nothing moves.
    """
    if camera.driver == "sim":
        return Expected(camera.name, view.height, view.width, max_silence_s)
    return Expected(
        camera=camera.name,
        height=camera.height,
        width=camera.width,
        max_silence_s=max_silence_s,
        rate_hz=camera.rate_hz,
        frozen_frames=camera.frozen_frames,
        black=True,
    )


class Judge:
    """Looks at every picture of one stream, in order."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._previous: NDArray[np.uint8] | None = None
        self._equal = 1

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Fault, str]:
        """What is wrong with a picture, uint8 (h, w, 3), and what to do; both empty where it is good."""
        wanted = (self._expected.height, self._expected.width, 3)
        if image.shape != wanted:
            sizes = f"a frame of {_text(image.shape)}, expected {_text(wanted)}"
            return "wrong_size", f"{sizes}; set height and width in the rig to what it delivers"
        frozen = self._frozen(image)
        if self._expected.black and is_black(image):
            advice = "take the lens cap off, switch the light on, or raise exposure_us or gain"
            return "black", f"the picture is black (all below {BLACK_BELOW} of 255); {advice}"
        if frozen:
            count = self._expected.frozen_frames
            advice = "it hangs: unplug it and plug it in again (frozen_frames in the rig sets the limit)"
            return "frozen", f"the last {count} pictures or more are equal to the bit; {advice}"
        return "", ""

    def _frozen(self, image: NDArray[np.uint8]) -> bool:
        limit = self._expected.frozen_frames
        if not limit:
            return False
        same = self._previous is not None and np.array_equal(image, self._previous)
        self._previous, self._equal = image, self._equal + 1 if same else 1
        return self._equal >= limit


def is_black(image: NDArray[np.uint8]) -> bool:
    """Whether a picture, uint8 of any shape, shows nothing: all of it, but for hot pixels, is nearly 0."""
    return bool(np.count_nonzero(image >= BLACK_BELOW) <= BRIGHT_SHARE * image.size)


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
