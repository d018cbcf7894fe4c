# SPDX-License-Identifier: Apache-2.0
"""Where a task's objects lie at an episode's start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RegionObject:
    """An object that a person lays out, in the region's frame: origin in its middle, x to the right."""

    name: str = setting("what it is, for people")
    x_m: Range = setting("its middle is drawn between these", unit="m", low=-2.0, high=2.0)
    y_m: Range = setting("its middle is drawn between these", unit="m", low=-2.0, high=2.0)
    yaw_deg: Range = setting(
        "turned by an angle between these", default=(0.0, 0.0), unit="degrees", low=-180.0, high=180.0
    )
    size_m: Range = setting("of its outline in the overlay, unturned", unit="m", low=0.001, high=2.0)
    outline: Literal["rectangle", "ellipse"] = setting("of the overlay", default="rectangle")
    within: Literal["rectangle", "ellipse"] = setting(
        "draws outside the ellipse inscribed in the region are drawn again", default="rectangle"
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        ranges = (("x_m", self.x_m), ("y_m", self.y_m), ("yaw_deg", self.yaw_deg))
        return [
            (key, f"{list(values)}: the first number is above the second")
            for key, values in ranges
            if values[0] > values[1]
        ]


@dataclass(frozen=True, kw_only=True)
class RegionConfig:
    """The rectangle in which layouts are drawn; the corners of it are what a rig's cameras know."""

    shape: str = setting("in the paper's words", default="", source="paper V-D")
    size_m: Range | None = setting(
        "along x and y; null: nothing is drawn",
        default=None,
        source="paper V-D",
        unit="m",
        low=0.01,
        high=5.0,
    )
    objects: tuple[RegionObject, ...] = setting("what is laid out for each episode", default=())

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.size_m is None:
            return [("size_m", "is needed where there are objects")] if self.objects else []
        problems = []
        half = (0.5 * self.size_m[0], 0.5 * self.size_m[1])
        for index, thing in enumerate(self.objects):
            for key, values, most in (("x_m", thing.x_m, half[0]), ("y_m", thing.y_m, half[1])):
                if max(abs(values[0]), abs(values[1])) > most + 1e-9:
                    text = f"{list(values)} leaves the region, allowed: {-most:g} to {most:g} m"
                    problems.append((f"objects[{index}].{key}", text))
            nearest = [min(max(0.0, low), high) for low, high in (thing.x_m, thing.y_m)]
            outside = math.hypot(nearest[0] / half[0], nearest[1] / half[1]) >= 1.0
            if thing.within == "ellipse" and outside:
                problems.append((f"objects[{index}].within", "no drawn place lies in the region's ellipse"))
        return problems
