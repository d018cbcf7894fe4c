"""Pictures for the cameras of a simulated cell that nothing draws: they show no robot, and change."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core.config import CameraConfig, RigConfig

_PICTURES, _PATCHES = 8, (12, 16)


def provide(rig: RigConfig) -> list[Path]:
    """Make the folders that cameras of driver `files` play, where the rig is simulated and they are missing.

    Returns:
        the folders that were made.
    """
    missing = [c for c in rig.cameras if rig.simulated and c.driver == "files" and not _there(c)]
    return [_fill(camera, seed) for seed, camera in enumerate(missing)]


def _there(camera: CameraConfig) -> bool:
    return not camera.device or Path(camera.device).exists()


def _fill(camera: CameraConfig, seed: int) -> Path:
    folder, rng = Path(camera.device or ""), np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for index in range(_PICTURES):
        cv2.imwrite(str(folder / f"{index:03d}.png"), _picture(camera, rng))
    return folder


def _picture(camera: CameraConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blurred patches of colour, (height, width, 3)."""
    patches = rng.integers(0, 256, (*_PATCHES, 3), dtype=np.uint8)
    size = (camera.width, camera.height)
    return np.asarray(cv2.resize(patches, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
