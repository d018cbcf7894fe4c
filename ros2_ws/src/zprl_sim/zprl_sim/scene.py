# SPDX-License-Identifier: Apache-2.0
"""What a robustness case changes about the cell: the object, the tray's place, what lies around. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import yaml

from zprl_core.errors import RigError
from zprl_sim import dimensions as dim

RADII = (0.027, 0.036)  # m: what the tongs still press, and what the ring still takes
AROUND = ((0.23, 0.54), (-0.26, 0.23))  # x and y of the table that the third view shows, m
GAP = 0.012  # m, left between things
COLOURS = ((0.15, 0.35, 0.75), (0.80, 0.15, 0.15), (0.20, 0.60, 0.25), (0.90, 0.80, 0.15), (0.55, 0.25, 0.65))
_TRIES = 1000


@dataclass(frozen=True)
class Distractor:
    """Something that stands on the table.

    Attributes:
        shape: "box" or "cylinder".
        xy: its middle, m. half_width, height: m. yaw: rad.
        colour: red, green, blue, 0 to 1.
    """

    shape: str
    xy: tuple[float, float]
    half_width: float
    height: float
    yaw: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """The cell but for what moves.

    Attributes:
        radius: of the half, m.
        colour: of the half's skin; None: orange.
        tray_offset: of the tray from its usual place, m.
        distractors: what stands on the table beside tray and juicer.
    """

    radius: float = dim.HALF_RADIUS
    colour: tuple[float, float, float] | None = None
    tray_offset: tuple[float, float] = (0.0, 0.0)
    distractors: tuple[Distractor, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an object that the cell is not made for.

        Raises:
            RigError: the radius.
        """
        low, high = RADII
        if not low <= self.radius <= high:
            raise RigError(
                f"scene: radius {self.radius:g} m, allowed: {low:g} to {high:g} m (tongs and ring)"
            )

    @property
    def tray_centre(self) -> tuple[float, float]:
        """Of the tray, m."""
        return dim.TRAY_CENTRE[0] + self.tray_offset[0], dim.TRAY_CENTRE[1] + self.tray_offset[1]

    def to_text(self) -> str:
        """One line of YAML; empty for the usual scene."""
        if self == USUAL:
            return ""
        return yaml.safe_dump(_plain(asdict(self)), default_flow_style=True, width=100_000).strip()

    @classmethod
    def from_text(cls, text: str) -> Scene:
        """The inverse of `to_text`."""
        return _read(text)


USUAL = Scene()


@lru_cache(maxsize=16)
def _read(text: str) -> Scene:
    if not text:
        return USUAL
    data = yaml.safe_load(text)
    things = tuple(
        Distractor(**{**thing, "xy": tuple(thing["xy"]), "colour": tuple(thing["colour"])})
        for thing in data.pop("distractors")
    )
    colour = data.pop("colour")
    return Scene(
        radius=data["radius"],
        colour=None if colour is None else tuple(colour),
        tray_offset=tuple(data["tray_offset"]),
        distractors=things,
    )


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def draw_distractors(count: int, draw: np.random.Generator) -> tuple[Distractor, ...]:
    """So many things on the table, beside tray and juicer and each other.

    Raises:
        RigError: there is no room for so many.
    """
    found: list[Distractor] = []
    for _ in range(_TRIES):
        if len(found) == count:
            return tuple(found)
        thing = Distractor(
            shape=("box", "cylinder")[int(draw.integers(2))],
            xy=(_between(draw, *AROUND[0]), _between(draw, *AROUND[1])),
            half_width=_between(draw, 0.012, 0.022),
            height=_between(draw, 0.015, 0.040),
            yaw=_between(draw, 0.0, math.pi),
            colour=COLOURS[int(draw.integers(len(COLOURS)))],
        )
        if _free(thing, found):
            found.append(thing)
    raise RigError(f"scene: no room for {count} distractors beside tray and juicer; ask for fewer")


def _between(draw: np.random.Generator, low: float, high: float) -> float:
    return round(float(draw.uniform(low, high)), 4)


def _free(thing: Distractor, others: list[Distractor]) -> bool:
    reach = math.sqrt(2.0) * thing.half_width + GAP
    beside_tray = any(
        abs(value - centre) > size / 2 + reach
        for value, centre, size in zip(thing.xy, dim.TRAY_CENTRE, dim.TRAY_SIZE, strict=True)
    )
    beside_juicer = math.dist(thing.xy, dim.JUICER_CENTRE) > dim.JUICER_RADIUS + reach
    return (
        beside_tray
        and beside_juicer
        and all(math.dist(thing.xy, other.xy) > reach + math.sqrt(2.0) * other.half_width for other in others)
    )
