# SPDX-License-Identifier: Apache-2.0
"""Pictures of another dataset, at the size of the task's camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.data.formats.choices import Fit
from zprl_core.errors import DataError


def fit(frames: NDArray[Any], size: tuple[int, int], how: Fit, what: str) -> NDArray[np.uint8]:
    """Frames uint8 (T, h, w, 3) RGB at `size` (height, width).

    Args:
        frames: of the other dataset.
        size: of the task's camera, pixels.
        how: "exact": refuse another size. "resize": scale each side on its own, which may distort. "crop":
            cut the largest middle part of the task's proportions, then scale it.
        what: names the frames, for messages.

    Raises:
        DataError: no uint8 pictures of three channels, the channel first, or another size with "exact".
    """
    if frames.ndim == 4 and frames.shape[1] == 3 and frames.shape[-1] != 3:
        raise DataError(f"{what}: shape {frames.shape} has its channels first, must be (T, height, width, 3)")
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise DataError(f"{what}: is {frames.dtype} {frames.shape}, must be uint8 (T, height, width, 3) RGB")
    height, width = frames.shape[1:3]
    if (height, width) == size:
        return frames
    if how == "exact":
        raise DataError(
            f"{what}: is {height}x{width} pixels (height x width), the task's camera {size[0]}x{size[1]}; "
            "scale it with --fit resize or --fit crop, or change the task"
        )
    if how == "crop":
        frames = _middle(frames, size)
    return np.stack([cv2.resize(each, size[::-1], interpolation=cv2.INTER_AREA) for each in frames])


def _middle(frames: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The largest middle part with the proportions of `size`."""
    height, width = frames.shape[1:3]
    scale = min(height / size[0], width / size[1])
    rows, columns = max(round(scale * size[0]), 1), max(round(scale * size[1]), 1)
    top, left = (height - rows) // 2, (width - columns) // 2
    return frames[:, top : top + rows, left : left + columns]
