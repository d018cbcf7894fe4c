"""A person who knows how Place Orange is done, and whose right hand is the tool."""

from __future__ import annotations

import numpy as np
import yaml

from zprl_core.config import load_rig
from zprl_core.transforms import quaternion_conjugate, quaternion_multiply, rotvec_from_quaternion
from zprl_sim.expert import Intent, plan
from zprl_sim.layout import Layout
from zprl_sim.rig import downward

SLOWER = 1.6  # than the scripted expert
TICK_S = 1.0 / 30.0
START_S, REST_S = 0.4, 0.6


def way(shown: str) -> list[tuple[float, ...]]:
    """The hand's way for a layout as the page shows it: (seconds, x, y, z, angle, trigger), from its start."""
    gripper = load_rig("sim_xarm6").arms[0].gripper
    assert gripper is not None
    layout = Layout(**{key: _plain(value) for key, value in yaml.safe_load(shown).items()})
    home = quaternion_conjugate(downward(layout.home_yaw))
    points: list[tuple[float, ...]] = []
    for tick, setpoint in enumerate(plan(layout, Intent()), start=1):
        x, y, z = setpoint.position - np.array(layout.home_tcp)
        turned = rotvec_from_quaternion(quaternion_multiply(setpoint.quaternion, home))
        trigger = 1.0 - setpoint.gripper_width / gripper.max_width_m
        at_s = START_S + SLOWER * tick * TICK_S
        points.append((at_s, *map(float, (-y, z, -x, turned[2])), float(trigger)))
    first, last = points[0], points[-1]
    return [(START_S, 0.0, 0.0, 0.0, 0.0, first[-1]), *points, (last[0] + REST_S, *last[1:])]


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
