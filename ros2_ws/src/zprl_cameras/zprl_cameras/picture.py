"""From a device's picture to the task's: the part that is used, its size, and the order of its colours. Pure.

A size is (height, width), a part is (top, left, height, width), both in pixels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]
Part = tuple[int, int, int, int]


def rgb(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """OpenCV's order of colours to ours, uint8 (h, w, 3)."""
    converted: NDArray[np.uint8] = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return converted


def largest_centred(size: Size, shape: Size) -> Part:
    """The largest centred part of a picture that has the aspect of `shape`, rounded to whole pixels."""
    height, width = size
    if height * shape[1] <= width * shape[0]:  # the picture is the wider one: its whole height is used
        part = (height, _scaled(height, shape[1], shape[0]))
    else:
        part = (_scaled(width, shape[0], shape[1]), width)
    return ((height - part[0]) // 2, (width - part[1]) // 2, *part)


def _scaled(length: int, numerator: int, denominator: int) -> int:
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


class Fit:
    """Cuts a part out of each picture and brings it to the task's size.

    Args:
        size: of the pictures.
        view: of the results.
        crop: the part that is used; None: the largest centred one with the aspect of `view`.
    """

    def __init__(self, size: Size, view: Size, crop: Part | None = None) -> None:
        self.view = view
        self.part = crop or largest_centred(size, view)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture, uint8 (h, w, 3), to uint8 (*view, 3): area means where it shrinks, else linear.

        Where nothing changes, the result is the picture itself.
        """
        part = self._cut(image)
        smaller = (min(part.shape[0], self.view[0]), min(part.shape[1], self.view[1]))
        shrunk = _resized(part, smaller, cv2.INTER_AREA)
        return _resized(shrunk, self.view, cv2.INTER_LINEAR)

    def depth(self, depth: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """The same for depth, uint16 (h, w) to (*view): the nearest pixel, since a mean over an edge lies."""
        return _resized(self._cut(depth), self.view, cv2.INTER_NEAREST_EXACT)

    def _cut(self, picture: NDArray[Any]) -> NDArray[Any]:
        top, left, height, width = self.part
        return picture[top : top + height, left : left + width]


def _resized(picture: NDArray[Any], size: Size, how: int) -> NDArray[Any]:
    if picture.shape[:2] == size:
        return picture
    resized: NDArray[Any] = cv2.resize(picture, (size[1], size[0]), interpolation=how)
    return resized
