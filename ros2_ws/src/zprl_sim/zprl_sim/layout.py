# SPDX-License-Identifier: Apache-2.0
"""Where things are at the start of an episode: a pure function of the layout's seed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import yaml

from zprl_core.noise import Stream, generator
from zprl_sim import dimensions as dim

HOME_TCP = (0.360, 0.020, 0.190)  # m, tool straight down, yaw 0
HOME_JITTER = 0.008  # m, each axis
HOME_YAW_JITTER = 0.05  # rad


@dataclass(frozen=True)
class Layout:
    """Start of an episode, in the arm's base frame.

    Attributes:
        half_xy: centre of the half orange on the tray, m.
        half_yaw: its rotation about z, rad (it is round: only the contacts notice).
        home_tcp: where the tcp starts, m; the tool points down.
        home_yaw: the tool's yaw at the start, rad.
    """

    half_xy: tuple[float, float]
    half_yaw: float = 0.0
    home_tcp: tuple[float, float, float] = HOME_TCP
    home_yaw: float = 0.0

    def describe(self) -> str:
        """The layout as one line of YAML, for people and for logs."""
        rounded = {key: np.round(value, 5).tolist() for key, value in asdict(self).items()}
        return yaml.safe_dump(rounded, default_flow_style=True, width=1000).strip()


def draw_layout(seed: int) -> Layout:
    """The layout of a seed (0 <= seed < 2**64): the half anywhere on the tray, minus the margin.

    Raises:
        ValueError: a negative seed.
    """
    draw = generator(seed, 0, 0, Stream.LAYOUT)
    half_xy = [
        float(centre + (size / 2 - dim.LAYOUT_MARGIN) * draw.uniform(-1.0, 1.0))
        for centre, size in zip(dim.TRAY_CENTRE, dim.TRAY_SIZE, strict=True)
    ]
    yaw = float(draw.uniform(-3.141592653589793, 3.141592653589793))
    x, y, z = (float(home + HOME_JITTER * draw.uniform(-1.0, 1.0)) for home in HOME_TCP)
    return Layout((half_xy[0], half_xy[1]), yaw, (x, y, z), float(HOME_YAW_JITTER * draw.uniform(-1.0, 1.0)))
