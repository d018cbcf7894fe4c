# SPDX-License-Identifier: Apache-2.0
"""One camera of a rig."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera and the driver that reads it."""

    name: str = setting("its images are /cameras/<name>/image in frame camera_<name>")
    driver: Literal["sim", "realsense", "v4l2", "files"] = setting("what reads it")
    width: int = setting("as delivered by the device, before crop and resize", unit="pixels", low=1)
    height: int = setting("as delivered by the device, before crop and resize", unit="pixels", low=1)
    rate_hz: float = setting("frames per second", unit="Hz", above=0.0, high=1000.0)
    device: str | None = setting(
        "realsense: serial number; v4l2: path of the device; files: a video or a folder of images; sim: null",
        default=None,
    )
    crop: tuple[int, int, int, int] | None = setting(
        "part of the picture that is used (top, left, height, width); null: the largest centred part with "
        "the shape of the task's image",
        default=None,
        unit="pixels",
        low=0,
    )
    exposure_us: int | None = setting("null: automatic", default=None, unit="us", low=1)
    gain: int | None = setting("null: automatic, or the device's default", default=None, low=0)
    white_balance_k: int | None = setting("null: automatic", default=None, unit="K", low=1000, high=20000)
    depth: bool = setting(
        "realsense: also publish depth, aligned to the colour picture, on /cameras/<name>/depth",
        default=False,
    )
    frozen_frames: int = setting(
        "this many pictures in a row that are equal to the bit mean that the device hangs; 0: not watched",
        default=10,
        low=0,
    )
    region_corners: tuple[float, ...] | None = setting(
        "where the picture, as published, shows the task region's corners: x, y as shares of its width and "
        "height, for the corners (-x -y), (+x -y), (+x +y), (-x +y); null: layouts are not drawn into it",
        default=None,
        low=-1.0,
        high=2.0,
    )
    delay_s: float = setting(
        "d: a snapshot at t takes the newest frame with stamp <= t - d",
        default=0.0,
        unit="s",
        low=0.0,
        high=1.0,
    )

    @property
    def topic(self) -> str:
        """Where its images go."""
        return f"/cameras/{self.name}/image"

    @property
    def frame(self) -> str:
        """Frame of its images."""
        return f"camera_{self.name}"

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if self.driver == "sim" and self.device is not None:
            problems.append(("device", f"{self.device!r} has no meaning for driver sim, allowed: null"))
        if self.driver != "sim" and not self.device:
            problems.append(("device", f"is required for driver {self.driver}: which one it is"))
        if self.depth and self.driver != "realsense":
            problems.append(("depth", f"true: driver {self.driver} has no depth, allowed: false"))
        if self.region_corners is not None and len(self.region_corners) != 8:
            problems.append(
                ("region_corners", f"{len(self.region_corners)} numbers, expected 8: four corners")
            )
        if self.crop is not None:
            top, left, height, width = self.crop
            if height < 1 or width < 1 or top + height > self.height or left + width > self.width:
                size = f"{self.height}x{self.width}"
                problems.append(
                    ("crop", f"{self.crop} does not lie inside the picture of {size} (height x width)")
                )
        return problems
