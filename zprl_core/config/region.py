# SPDX-License-Identifier: Apache-2.0
"""Where a task's objects lie at an episode's start."""

from __future__ import annotations

import hashlib
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
class PresetPlace:
    """Where one object lies in a preset layout, in the region's frame."""

    object: str = setting("name of the region's object")
    x_m: float = setting("its middle", unit="m", low=-2.0, high=2.0)
    y_m: float = setting("its middle", unit="m", low=-2.0, high=2.0)
    yaw_deg: float = setting("how far it is turned", default=0.0, unit="degrees", low=-180.0, high=180.0)


@dataclass(frozen=True, kw_only=True)
class PresetLayout:
    """A layout that somebody chose, with every object of the region."""

    name: str = setting("of the layout, for people")
    places: tuple[PresetPlace, ...] = setting("of the region's objects, each once")

    @property
    def seed(self) -> int:
        """What stands in the place of a drawn layout's seed: a hash of name and places, in [0, 2^63)."""
        digest = hashlib.blake2b(repr(self).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1


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
    presets: tuple[PresetLayout, ...] = setting(
        "layouts of an evaluation, in this order, instead of drawn ones; `zprl evaluate --layouts` fills it",
        default=(),
    )

    def preset(self, seed: int) -> PresetLayout | None:
        """The preset layout that has this seed; None where it is drawn."""
        return next((preset for preset in self.presets if preset.seed == seed), None)

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        if self.size_m is None:
            needed = self.objects or self.presets
            return [("size_m", "is needed where there are objects")] if needed else []
        problems = self._problems_of_presets()
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

    def _problems_of_presets(self) -> list[tuple[str, str]]:
        problems, names = [], [preset.name for preset in self.presets]
        things = {thing.name: thing for thing in self.objects}
        for index, preset in enumerate(self.presets):
            key = f"presets[{index}]"
            if names.count(preset.name) > 1:
                problems.append((f"{key}.name", f"'{preset.name}' stands twice"))
            if sorted(place.object for place in preset.places) != sorted(things):
                wanted = ", ".join(things) or "none"
                problems.append((f"{key}.places", f"must have every object of the region once: {wanted}"))
                continue
            for number, place in enumerate(preset.places):
                thing = things[place.object]
                for axis in ("x_m", "y_m", "yaw_deg"):
                    value, (low, high) = getattr(place, axis), getattr(thing, axis)
                    if not low <= value <= high:
                        text = f"{value:g} is outside where '{thing.name}' lies: {low:g} to {high:g}"
                        problems.append((f"{key}.places[{number}].{axis}", text))
        return problems
