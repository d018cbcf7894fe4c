"""Has a camera been bumped? Its picture against one that was stored when the rig was calibrated. Pure.

Only gradients are compared, so that a lamp that is brighter, dimmer or further away is no alarm: a constant
light has no gradient, and a factor cancels in the normalisation.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError

SMOOTHING_PX = 1.0
FLAT = 1e-6
Field = NDArray[np.complex128]


class Difference(NamedTuple):
    """What lies between two pictures of one camera.

    Attributes:
        down_px, right_px: how far the scene moved in the picture, to a fraction of a pixel.
        similarity: of the gradients after that movement is undone, -1 to 1: 1 is the same scene, about 0
            another one (turned, covered, or elsewhere). 0 where one picture shows nothing.
    """

    down_px: float
    right_px: float
    similarity: float

    @property
    def shift_px(self) -> float:
        """Length of the movement, pixels."""
        return float(np.hypot(self.down_px, self.right_px))


def compare(reference: NDArray[np.uint8], picture: NDArray[np.uint8]) -> Difference:
    """What lies between a camera's stored picture and its picture now.

    Args:
        reference, picture: RGB, uint8 (h, w, 3), of the same size.

    Raises:
        DataError: they have different sizes.
    """
    if reference.shape != picture.shape or reference.ndim != 3:
        raise DataError(
            f"reference picture: {reference.shape}, the camera's picture: {picture.shape}, expected the same "
            "(h, w, 3); store the reference again with this rig and task"
        )
    one, other = _gradients(reference), _gradients(picture)
    if min(np.abs(one).max(), np.abs(other).max()) < FLAT:
        return Difference(0.0, 0.0, 0.0)
    down, right = _shift(one, other)
    return Difference(down, right, _similarity(one, other, round(down), round(right)))


def _gradients(image: NDArray[np.uint8]) -> Field:
    """Horizontal + i * vertical gradient of the brightness, float (h, w)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTHING_PX)
    vertical, horizontal = np.gradient(smooth)
    field: Field = horizontal + 1j * vertical
    return field


def _shift(one: Field, other: Field) -> tuple[float, float]:
    """Where the correlation of the two fields is largest: the movement (down, right) from `one` to `other`.

    The window lets the border, which came in or went out, count for little.
    """
    window = np.outer(np.hanning(one.shape[0]), np.hanning(one.shape[1]))
    spectrum = np.fft.fft2(other * window) * np.conj(np.fft.fft2(one * window))
    surface = np.fft.ifft2(spectrum / (np.sqrt(np.abs(spectrum)) + FLAT)).real
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    down, right = (
        _refined(np.take(surface, peak[1 - axis], axis=1 - axis), int(peak[axis])) for axis in (0, 1)
    )
    return down, right


def _refined(line: NDArray[np.float64], peak: int) -> float:
    """The top of the parabola through a peak and its two neighbours, as a signed shift on a ring."""
    size = len(line)
    before, top, after = (float(line[(peak + step) % size]) for step in (-1, 0, 1))
    bend = before - 2.0 * top + after
    shift = peak + (0.5 * (before - after) / bend if bend < 0.0 else 0.0)
    return shift - size if shift > size / 2 else shift


def _similarity(one: Field, other: Field, down: int, right: int) -> float:
    """Normalised correlation of the fields where they overlap once `other` is moved back."""
    height, width = one.shape
    rows = slice(max(0, -down), min(height, height - down))
    columns = slice(max(0, -right), min(width, width - right))
    still = one[rows, columns]
    moved = other[rows.start + down : rows.stop + down, columns.start + right : columns.stop + right]
    norm = np.sqrt(np.vdot(still, still).real * np.vdot(moved, moved).real)
    return float(np.vdot(still, moved).real / norm) if norm > FLAT else 0.0
