# SPDX-License-Identifier: Apache-2.0
"""Layouts that a person has to lay out: drawn in a task's region, and where a camera sees them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from zprl_core import noise
from zprl_core.config.evaluation import CaseConfig
from zprl_core.config.region import PresetLayout, RegionConfig, RegionObject
from zprl_core.noise import Stream

Points = NDArray[np.float64]
_SIDES = 24  # of an ellipse's outline


class Placement(NamedTuple):
    """Where one object is to lie, in the region's frame.

    Attributes:
        name: of the object.
        x_m, y_m: its middle.
        yaw_rad: how far it is turned, from x to y.
    """

    name: str
    x_m: float
    y_m: float
    yaw_rad: float


def draw(region: RegionConfig, seed: int, case: CaseConfig | None = None) -> tuple[Placement, ...]:
    """The layout of a seed: a preset one, or uniform in each object's ranges; nothing where the region has no
    objects.

    Args:
        region: of the task.
        seed: of the layout.
        case: robustness case; a shifted one moves the first object out of its ranges.
    """
    preset = region.preset(seed)
    found = _placed(region, preset) if preset else _all_drawn(region, seed)
    if found and case is not None and case.kind == "shifted_layout":
        found[0] = _shifted(region.objects[0], found[0], seed, case)
    return tuple(found)


def _placed(region: RegionConfig, preset: PresetLayout) -> list[Placement]:
    places = {place.object: place for place in preset.places}
    return [
        Placement(p.object, p.x_m, p.y_m, math.radians(p.yaw_deg))
        for p in (places[thing.name] for thing in region.objects)
    ]


def _all_drawn(region: RegionConfig, seed: int) -> list[Placement]:
    found = []
    for index, thing in enumerate(region.objects):
        rng = noise.generator(seed, 0, index, Stream.LAYOUT)
        x, y = _drawn(region, thing, rng)
        found.append(Placement(thing.name, x, y, math.radians(rng.uniform(*thing.yaw_deg))))
    return found


def describe(placements: Sequence[Placement]) -> str:
    """A layout in words, from the region's middle."""
    return "; ".join(
        f"{p.name}: {_way(p.x_m, 'left', 'right')}, {_way(p.y_m, 'near', 'far')}"
        + (f", turned by {math.degrees(p.yaw_rad):+.0f} degrees" if p.yaw_rad else "")
        for p in placements
    )


def outlines(
    region: RegionConfig, placements: Sequence[Placement], corners: Sequence[tuple[float, float]]
) -> dict[str, Points]:
    """The objects' outlines, and that of the region as "", where a camera sees them.

    Args:
        region: which was drawn in.
        placements: of its objects, as `draw` gives them.
        corners: where the camera sees the region's corners (-x -y, +x -y, +x +y, -x +y), each as shares of
            the picture's width and height.

    Returns:
        Closed polygons float64 (n, 2) in the same shares.
    """
    if region.size_m is None:
        return {}
    border = 0.5 * np.array(region.size_m) * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    to_picture = cv2.getPerspectiveTransform(border.astype(np.float32), np.array(corners, np.float32))
    things = {"": border}
    for thing, place in zip(region.objects, placements, strict=True):
        cosine, sine = math.cos(place.yaw_rad), math.sin(place.yaw_rad)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        things[thing.name] = _outline(thing) @ turn.T + (place.x_m, place.y_m)
    return {
        name: cv2.perspectiveTransform(shape[None].astype(np.float64), to_picture)[0]
        for name, shape in things.items()
    }


def _way(metres: float, low: str, high: str) -> str:
    return f"{abs(100 * metres):.1f} cm {high if metres >= 0 else low}"


def _drawn(region: RegionConfig, thing: RegionObject, rng: np.random.Generator) -> tuple[float, float]:
    while True:
        x, y = rng.uniform(*thing.x_m), rng.uniform(*thing.y_m)
        if thing.within == "rectangle" or region.size_m is None:
            return x, y
        if math.hypot(2.0 * x / region.size_m[0], 2.0 * y / region.size_m[1]) <= 1.0:
            return x, y


def _shifted(thing: RegionObject, place: Placement, seed: int, case: CaseConfig) -> Placement:
    """Beyond one end of one range, by as much as the case says; where it says both, moved or turned."""
    rng = noise.generator(seed, 1, 0, Stream.LAYOUT)
    turned = case.beyond_deg > 0.0 and (case.beyond_m == 0.0 or rng.integers(2) == 1)
    axis, end = int(rng.integers(2)), int(rng.integers(2))
    outward = (-1.0, 1.0)[end]
    if turned:
        return place._replace(yaw_rad=math.radians(thing.yaw_deg[end] + outward * case.beyond_deg))
    moved = (thing.x_m, thing.y_m)[axis][end] + outward * case.beyond_m
    return place._replace(x_m=moved) if axis == 0 else place._replace(y_m=moved)


def _outline(thing: RegionObject) -> Points:
    half = 0.5 * np.array(thing.size_m)
    if thing.outline == "ellipse":
        angles = np.linspace(0.0, 2.0 * math.pi, _SIDES, endpoint=False)
        return half * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
