# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model of the cell: table, tray, half orange, juicer, cameras, and the arm.

Contacts only: nothing is welded, teleported or helped. Collision bits: 1 flat supports, 2 the half,
4 arm and tongs, 8 walls. The half stands on six small feet (sphere against box is exact and cheap),
touches walls and tongs with its rim, and everything with its dome.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import cache

import mujoco
import numpy as np

from zprl_sim import dimensions as dim
from zprl_sim.arm_model import NO_CONTACT, add_actuators, add_arm, numbers

FLAT = {"contype": "1", "conaffinity": "6"}
WALL = {"contype": "8", "conaffinity": "6"}
TABLE, TRAY, TRAY_EDGE = "0.70 0.68 0.64 1", "0.13 0.17 0.24 1", "0.20 0.25 0.34 1"
BODY, FILTER, RING = "0.90 0.90 0.88 1", "0.22 0.24 0.26 1", "0.55 0.75 0.35 1"
SKIN, FLESH = "1.0 0.50 0.03 1", "1.0 0.78 0.35 1"
HALF_FRICTION = "0.35 0.003 0.0006"  # sliding, torsional, rolling (on dome or side)
HALF_FEET = 6
_HEADER = """
<mujoco model="place_orange">
  <compiler angle="radian" autolimits="true" boundmass="0.001" boundinertia="0.00001"/>
  <option timestep="{timestep:.17g}" integrator="implicitfast" cone="elliptic" impratio="8" iterations="40"
          ls_iterations="50" tolerance="1e-10"><flag nativeccd="enable"/></option>
  <size memory="4M"/>
  <visual>
    <quality shadowsize="0" offsamples="0" numslices="16" numstacks="8" numquads="1"/>
    <headlight ambient="0.45 0.45 0.45" diffuse="0.45 0.45 0.45" specular="0.1 0.1 0.1"/>
    <map znear="0.02" zfar="20"/>
    <global offwidth="1280" offheight="960"/>
  </visual>
  <asset><texture type="skybox" builtin="flat" rgb1="0.36 0.40 0.44" width="4" height="24"/></asset>
  <worldbody>
    <light pos="0.8 -0.4 2.0" dir="-0.25 0.2 -1" diffuse="0.55 0.55 0.55" castshadow="false" directional="true"/>
  </worldbody>
</mujoco>
"""


def mjcf() -> str:
    """The whole model as MJCF text."""
    root = ET.fromstring(_HEADER.format(timestep=1.0 / dim.PHYSICS_HZ))
    world = root.find("worldbody")
    assert world is not None
    _add_table(world)
    _add_juicer(world)
    _add_half(world)
    add_arm(world)
    add_actuators(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


@cache
def model() -> mujoco.MjModel:
    """The compiled model, shared within a process and never written to."""
    return mujoco.MjModel.from_xml_string(mjcf())


def _box(parent: ET.Element, centre: tuple[float, ...], half: tuple[float, ...], rgba: str, **more: str) -> None:
    ET.SubElement(parent, "geom", type="box", pos=numbers(centre), size=numbers(half), rgba=rgba, **more)


def _add_table(world: ET.Element) -> None:
    _box(world, (0.30, 0.0, -0.02), (0.50, 0.60, 0.02), TABLE, name="table", friction="0.4 0.003 0.0001", **FLAT)
    (x, y), (sx, sy) = dim.TRAY_CENTRE, dim.TRAY_SIZE
    _box(world, (x, y, dim.TRAY_FLOOR / 2), (sx / 2, sy / 2, dim.TRAY_FLOOR / 2), TRAY, name="tray", **FLAT)
    wall, rim = 0.002, dim.TRAY_RIM / 2
    for side in (-1.0, 1.0):
        _box(world, (x + side * (sx / 2 - wall), y, rim), (wall, sy / 2, rim), TRAY_EDGE, **WALL)
        _box(world, (x, y + side * (sy / 2 - wall), rim), (sx / 2, wall, rim), TRAY_EDGE, **WALL)
    ET.SubElement(world, "camera", name="third_view", pos="1.02 0.02 0.60", xyaxes="0 1 0 -0.64 0 0.77", fovy="30")
    ET.SubElement(world, "camera", name="side", pos="0.80 -0.85 0.75", xyaxes="0.87 0.49 0 -0.30 0.53 0.79", fovy="45")


def _add_juicer(world: ET.Element) -> None:
    x, y = dim.JUICER_CENTRE
    body = ET.SubElement(world, "body", name="juicer", pos=numbers((x, y, 0.0)))
    top, plate = dim.FILTER_TOP, 0.006
    ET.SubElement(body, "geom", type="cylinder", fromto=numbers((0, 0, 0, 0, 0, top - plate)), rgba=BODY,
                  size=str(dim.JUICER_RADIUS), name="juicer", **WALL)  # fmt: skip
    ET.SubElement(body, "geom", type="cylinder", fromto=numbers((0, 0, top - plate, 0, 0, top - 0.0002)), rgba=FILTER,
                  size=str(dim.JUICER_RADIUS - 0.003), **NO_CONTACT)  # fmt: skip
    side = dim.RING_RADIUS + dim.RING_WALL
    _box(body, (0, 0, top - plate / 2), (side, side, plate / 2), FILTER, name="filter", group="3", **FLAT)
    _box(body, (dim.JUICER_RADIUS + 0.010, 0, 0.045), (0.014, 0.008, 0.005), BODY, **NO_CONTACT)
    _add_ring(body, top)


def _add_ring(body: ET.Element, top: float) -> None:
    """Two arcs of wall, open where the tongs go (towards +-y)."""
    pieces, radius = 5, dim.RING_RADIUS + dim.RING_WALL / 2
    arc = math.pi - 2 * dim.RING_GAP
    length = radius * math.tan(arc / pieces / 2)
    for side in (0.0, math.pi):
        for piece in range(pieces):
            angle = side + arc * ((piece + 0.5) / pieces - 0.5)
            centre = (radius * math.cos(angle), radius * math.sin(angle), top + dim.RING_HEIGHT / 2)
            _box(body, centre, (dim.RING_WALL / 2, length, dim.RING_HEIGHT / 2), RING,
                 euler=numbers((0, 0, angle)), **WALL)  # fmt: skip


def _add_half(world: ET.Element) -> None:
    half = ET.SubElement(world, "body", name="half", pos=numbers((*dim.TRAY_CENTRE, 0.05)))
    ET.SubElement(half, "freejoint", name="half")
    mass, radius, rim = dim.HALF_MASS, dim.HALF_RADIUS, dim.HALF_RIM
    across = 0.25 * mass * radius**2 + mass * dim.HALF_HEIGHT**2 / 12
    ET.SubElement(half, "inertial", pos=numbers((0, 0, 0.4 * dim.HALF_HEIGHT)), mass=str(mass),
                  diaginertia=numbers((across, across, 0.5 * mass * radius**2)))  # fmt: skip
    touch = {"contype": "2", "priority": "1", "friction": HALF_FRICTION}
    ET.SubElement(half, "geom", type="cylinder", fromto=numbers((0, 0, 0.0008, 0, 0, rim)), size=str(radius), rgba=SKIN,
                  name="half_rim", conaffinity="12", condim="6", **touch)  # fmt: skip
    ET.SubElement(half, "geom", type="ellipsoid", pos=numbers((0, 0, rim + 0.0002)), name="half_dome", rgba=SKIN,
                  size=numbers((radius, radius, dim.HALF_HEIGHT - rim)), conaffinity="13", condim="6", **touch)  # fmt: skip
    ET.SubElement(half, "geom", type="cylinder", fromto=numbers((0, 0, 0, 0, 0, 0.0012)), size=str(radius - 0.002),
                  rgba=FLESH, **NO_CONTACT)  # fmt: skip
    foot = 0.003
    for index in range(HALF_FEET):
        angle = 2 * math.pi * index / HALF_FEET
        place = ((radius - 0.004) * math.cos(angle), (radius - 0.004) * math.sin(angle), foot)
        ET.SubElement(half, "geom", type="sphere", pos=numbers(place), size=str(foot), group="3", conaffinity="9",
                      name=f"half_foot{index}", **touch)  # fmt: skip


def addresses(names: tuple[str, ...]) -> np.ndarray:
    """Indices into qpos of the named one-degree joints, int (n,)."""
    return np.array([model().joint(name).qposadr[0] for name in names])
