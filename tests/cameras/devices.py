"""Camera configs for tests, and pictures to tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from zprl_core.config import CameraConfig


def config(driver: str, device: str, **more: Any) -> CameraConfig:
    """A camera of 24x32 (height x width) pixels at 100 Hz, unless said otherwise."""
    given = {"name": "wrist", "width": 32, "height": 24, "rate_hz": 100.0, "device": device, **more}
    return CameraConfig(driver=driver, **given)


def numbered(n: int, height: int = 24, width: int = 32) -> np.ndarray:
    """RGB: red says which one it is, in steps of 10; green and blue say where up and left are."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 10 * n
    image[: height // 2, :, 1] = 200
    image[:, : width // 2, 2] = 100
    return image


def number_of(image: np.ndarray) -> int:
    """Which of the numbered pictures this is; a lossy codec may have been at it."""
    return round(float(image[..., 0].mean()) / 10)


def write_folder(folder: Path, pictures: list[np.ndarray]) -> Path:
    """Pictures, RGB, as 000.png, 001.png, ..."""
    folder.mkdir()
    for n, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{n:03}.png"), picture[..., ::-1])
    return folder
