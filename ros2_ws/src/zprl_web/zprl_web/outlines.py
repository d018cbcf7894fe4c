"""What is drawn over the cameras' pictures while a person lays the scene out. Pure."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from zprl_core import layout
from zprl_core.config import CaseConfig, RigConfig, TaskConfig
from zprl_core.config.region import RegionConfig

Corners = tuple[tuple[float, float], ...]
"""Where a picture shows the corners (-x -y), (+x -y), (+x +y), (-x +y), as shares of its width and height."""
_LAID_OUT = ("resetting", "ready")


def corners(rig: RigConfig, task: TaskConfig) -> dict[str, Corners]:
    """Those of the task's region, of each camera that knows them."""
    seen = {view.name: rig.camera(view.name).region_corners for view in task.observation.cameras}
    return {name: tuple(zip(found[::2], found[1::2], strict=True)) for name, found in seen.items() if found}


def overlay(
    region: RegionConfig | None,
    seen: Mapping[str, Corners],
    state: str,
    layout_seed: int,
    case: CaseConfig | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Closed outlines by name, for each camera, in shares of its picture; none while nothing is laid out."""
    if region is None or state not in _LAID_OUT:
        return {}
    return {camera: _outlines(region, layout_seed, found, case) for camera, found in seen.items()}


@functools.lru_cache(maxsize=16)
def _outlines(
    region: RegionConfig, seed: int, seen: Corners, case: CaseConfig | None
) -> list[dict[str, Any]]:
    shapes = layout.outlines(region, layout.draw(region, seed, case), seen)
    return [{"name": name, "points": points.round(4).tolist()} for name, points in shapes.items()]
