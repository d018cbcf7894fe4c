# SPDX-License-Identifier: Apache-2.0
"""Where a fixed camera sees a point of the arm's base frame. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from zprl_core.errors import ConfigError

Matrix = NDArray[np.float64]
"""(3, 4): K [R | t], from (x, y, z, 1) in the first arm's base frame, m, to (u w, v w, w) in pixels of the
dataset's pictures; w is above 0 in front of the camera."""


def project(matrix: Matrix, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pixels (N, 2), x to the right and y down, of points (N, 3); NaN for those behind the camera."""
    seen = np.c_[points, np.ones(len(points))] @ matrix.T
    depth = np.where(seen[:, 2:] > 1e-9, seen[:, 2:], np.nan)
    return np.asarray(seen[:, :2] / depth, dtype=np.float64)


def read_projections(words: Iterable[str]) -> dict[str, Matrix]:
    """Matrices by camera, from CAMERA=FILE; a file is YAML or JSON: twelve numbers, or three rows of four.

    Raises:
        ConfigError: another form, a file that cannot be read, or other numbers.
    """
    found = {}
    for word in words:
        camera, separator, path = word.partition("=")
        if not (camera and separator and path):
            raise ConfigError(f"--projection {word}: must be CAMERA=FILE")
        try:
            numbers = np.array(yaml.safe_load(Path(path).read_text()), dtype=np.float64)
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise ConfigError(f"--projection {word}: {path} cannot be read: {error}") from error
        if numbers.size != 12 or not np.isfinite(numbers).all():
            raise ConfigError(
                f"--projection {word}: {path} holds {numbers.size} numbers, must hold 12, finite"
            )
        found[camera] = numbers.reshape(3, 4)
    return found
