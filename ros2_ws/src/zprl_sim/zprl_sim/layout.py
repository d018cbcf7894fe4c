# SPDX-License-Identifier: Apache-2.0
"""Where things are at the start of an episode: a pure function of the layout's seed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import yaml

from zprl_core.config import CaseConfig
from zprl_core.config.region import RegionConfig
from zprl_core.errors import RigError
from zprl_core.noise import Stream, generator
from zprl_sim import dimensions as dim
from zprl_sim.scene import USUAL, Scene, draw_distractors

HOME_TCP = (0.360, 0.020, 0.190)  # m, tool straight down, yaw 0
HOME_JITTER = 0.008  # m, each axis
HOME_YAW_JITTER = 0.05  # rad
LAYOUT_ROOM = (dim.TRAY_SIZE[0] / 2 - dim.LAYOUT_MARGIN, dim.TRAY_SIZE[1] / 2 - dim.LAYOUT_MARGIN)
"""How far the half can lie from the tray's centre in training, along x and y, m."""
_TRIES = 1000
PUSH_AFTER = (0.03, 0.06)  # m that the tcp has gone from home when a push begins: long before a grasp


@dataclass(frozen=True)
class Push:
    """A hand moves the half, once the arm has set out.

    Attributes:
        to_xy: where to, m.
        after: it begins when the tcp is told to be this far from home, m.
    """

    to_xy: tuple[float, float]
    after: float


@dataclass(frozen=True)
class Layout:
    """Start of an episode, in the arm's base frame.

    Attributes:
        half_xy: centre of the half orange on the tray, m.
        half_yaw: its rotation about z, rad (it is round: only the contacts notice).
        home_tcp: where the tcp starts, m; the tool points down.
        home_yaw: the tool's yaw at the start, rad.
        scene: the rest of the cell.
        push: what a hand does to the half during the episode; None: nothing.
    """

    half_xy: tuple[float, float]
    half_yaw: float = 0.0
    home_tcp: tuple[float, float, float] = HOME_TCP
    home_yaw: float = 0.0
    scene: Scene = USUAL
    push: Push | None = None

    def describe(self) -> str:
        """The layout as one line of YAML, for people and for logs."""
        data = asdict(self)
        del data["scene"], data["push"]
        rounded = {key: np.round(value, 5).tolist() for key, value in data.items()}
        if self.push is not None:
            rounded["pushed_to"] = np.round(self.push.to_xy, 5).tolist()
        if self.scene != USUAL:
            rounded["scene"] = self.scene.to_text()
        return yaml.safe_dump(rounded, default_flow_style=True, width=1000).strip()


def preset_place(region: RegionConfig, seed: int) -> tuple[float, float] | None:
    """Where a preset layout has the half in the base frame, m; None where it is drawn.

    The region is the tray as who stands opposite the arm sees it: x to the right is the base's y, y away from
    them is towards the arm.
    """
    preset = region.preset(seed)
    if preset is None:
        return None
    place = preset.places[0]
    return dim.TRAY_CENTRE[0] - place.y_m, dim.TRAY_CENTRE[1] + place.x_m


def draw_layout(
    seed: int, case: CaseConfig | None = None, half_xy: tuple[float, float] | None = None
) -> Layout:
    """The layout of a seed (0 <= seed < 2**64): the half anywhere on the tray, minus the margin.

    Args:
        seed: of the layout.
        half_xy: where the half lies instead of a drawn place, m.
        case: robustness case: the same layout, and what the case changes, drawn from the same seed.

    Raises:
        ValueError: a negative seed.
        RigError: the case asks for something that the cell is not made for.
    """
    draw = generator(seed, 0, 0, Stream.LAYOUT)
    drawn = [
        float(centre + (size / 2 - dim.LAYOUT_MARGIN) * draw.uniform(-1.0, 1.0))
        for centre, size in zip(dim.TRAY_CENTRE, dim.TRAY_SIZE, strict=True)
    ]
    yaw = float(draw.uniform(-3.141592653589793, 3.141592653589793))
    x, y, z = (float(home + HOME_JITTER * draw.uniform(-1.0, 1.0)) for home in HOME_TCP)
    layout = Layout(
        half_xy or (drawn[0], drawn[1]), yaw, (x, y, z), float(HOME_YAW_JITTER * draw.uniform(-1.0, 1.0))
    )
    return layout if case is None else _staged(layout, case, generator(seed, 1, 0, Stream.LAYOUT))


def _staged(layout: Layout, case: CaseConfig, draw: np.random.Generator) -> Layout:
    """What a robustness case makes of a layout."""
    if case.kind == "shifted_layout":
        return _shifted(layout, case.beyond_m, draw)
    simulated = case.simulation
    if simulated is None:
        raise RigError(
            f"robustness case '{case.name}': the simulated scene cannot stage it; give it `simulation`"
        )
    scene = Scene(
        radius=dim.HALF_RADIUS if simulated.radius_m is None else simulated.radius_m,
        colour=simulated.colour,
        distractors=draw_distractors(simulated.distractors, draw),
    )
    push = None if simulated.push_m is None else _pushed(layout, simulated.push_m, draw)
    return replace(layout, scene=scene, push=push)


def _shifted(layout: Layout, beyond: float, draw: np.random.Generator) -> Layout:
    """The half lies beyond where it does in training, along x or y, and the tray is moved along with it."""
    axis, side = int(draw.integers(2)), (-1.0, 1.0)[int(draw.integers(2))]
    half_xy, offset = list(layout.half_xy), [0.0, 0.0]
    half_xy[axis] = dim.TRAY_CENTRE[axis] + side * (LAYOUT_ROOM[axis] + beyond)
    offset[axis] = side * beyond
    scene = Scene(tray_offset=(offset[0], offset[1]))
    return replace(layout, half_xy=(half_xy[0], half_xy[1]), scene=scene)


def _pushed(layout: Layout, distance: tuple[float, float], draw: np.random.Generator) -> Push:
    """To another place on the tray, where a layout can be.

    Raises:
        RigError: none is that far away.
    """
    for _ in range(_TRIES):
        way, angle = draw.uniform(*distance), draw.uniform(0.0, 2.0 * math.pi)
        to = layout.half_xy[0] + way * math.cos(angle), layout.half_xy[1] + way * math.sin(angle)
        if all(abs(v - c) <= room for v, c, room in zip(to, dim.TRAY_CENTRE, LAYOUT_ROOM, strict=True)):
            return Push((float(to[0]), float(to[1])), float(draw.uniform(*PUSH_AFTER)))
    raise RigError(f"push_m {list(distance)}: leads off the tray from {layout.half_xy}; push it less far")
