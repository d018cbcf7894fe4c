# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model of the cell: table, tray, half orange, juicer, cameras, and the arm.

Contacts only: nothing is welded, teleported or helped. Collision bits: 1 flat supports, 2 the half,
4 arm and tongs, 8 walls. The half stands on six small feet (sphere against box is exact and cheap),
touches walls and tongs with its rim, and everything with its dome.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import cache, lru_cache

import mujoco
import numpy as np
from numpy.typing import NDArray

from zprl_sim import dimensions as dim
from zprl_sim.arm_model import NO_CONTACT, add_actuators, add_arm
from zprl_sim.mjcf import add, add_camera
from zprl_sim.scene import USUAL, Distractor, Scene

FLAT = {"contype": "1", "conaffinity": "6"}
WALL = {"contype": "8", "conaffinity": "6"}
TABLE, TRAY, TRAY_EDGE = "0.70 0.68 0.64 1", "0.13 0.17 0.24 1", "0.20 0.25 0.34 1"
BODY, FILTER, RING = "0.90 0.90 0.88 1", "0.22 0.24 0.26 1", "0.55 0.75 0.35 1"
SKIN, FLESH = "1.0 0.50 0.03 1", "1.0 0.78 0.35 1"
HALF_FEET = 6
# Shadows and multi-sampling cost ten times the rest of a frame in software; a few slices are enough.
_HEADER = """
<mujoco model="place_orange">
  <compiler angle="radian" autolimits="true"/>
  <option timestep="{timestep:.17g}" integrator="implicitfast" cone="elliptic" impratio="8"
          iterations="40" tolerance="1e-10"/>
  <visual>
    <quality shadowsize="0" offsamples="0" numslices="16" numstacks="8" numquads="1"/>
    <headlight ambient="0.45 0.45 0.45" diffuse="0.45 0.45 0.45" specular="0.1 0.1 0.1"/>
    <map znear="0.02" zfar="20"/>
    <global offwidth="{width}" offheight="{height}"/>
  </visual>
  <asset><texture type="skybox" builtin="flat" rgb1="0.36 0.40 0.44" width="4" height="24"/></asset>
  <worldbody>
    <light dir="-0.25 0.2 -1" diffuse="0.55 0.55 0.55" directional="true" castshadow="false"/>
  </worldbody>
</mujoco>
"""
FRAME_LIMIT = (960, 1280)  # largest height and width that can be rendered


def mjcf(scene: Scene = USUAL) -> str:
    """The whole model of a scene as MJCF text. Every scene has the same qpos."""
    height, width = FRAME_LIMIT
    root = ET.fromstring(_HEADER.format(timestep=1.0 / dim.PHYSICS_HZ, height=height, width=width))
    world = root.find("worldbody")
    assert world is not None
    add_arm(world)  # first: so qpos is six joints (rad), two tongs (m), then the half's pose (m, quaternion)
    _add_half(world, scene)
    _add_table(world, scene)
    _add_juicer(world)
    for index, thing in enumerate(scene.distractors):
        _add_distractor(world, index, thing)
    _add_cameras(world)
    add_actuators(root)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")


def model(scene: Scene = USUAL) -> mujoco.MjModel:
    """The compiled model of a scene, shared within a process and never written to."""
    return _usual() if scene == USUAL else _unusual(scene)


@cache
def _usual() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(mjcf())


@lru_cache(maxsize=8)
def _unusual(scene: Scene) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(mjcf(scene))


def _add_distractor(world: ET.Element, index: int, thing: Distractor) -> None:
    body = add(world, "body", name=f"distractor{index}", pos=(*thing.xy, 0), euler=(0, 0, thing.yaw))
    half = thing.height / 2
    size = (
        (thing.half_width, half) if thing.shape == "cylinder" else (thing.half_width, thing.half_width, half)
    )
    add(body, "geom", type=thing.shape, pos=(0, 0, half), size=size, rgba=(*thing.colour, 1), **WALL)


def _add_table(world: ET.Element, scene: Scene) -> None:
    add(
        world,
        "geom",
        name="table",
        type="box",
        pos=(0.3, 0, -0.02),
        size=(0.5, 0.6, 0.02),
        rgba=TABLE,
        **FLAT,
    )
    tray = add(world, "body", name="tray", pos=(*scene.tray_centre, 0))
    x, y, floor, rim = dim.TRAY_SIZE[0] / 2, dim.TRAY_SIZE[1] / 2, dim.TRAY_FLOOR / 2, dim.TRAY_RIM / 2
    wall = 0.002  # half the thickness of its edge
    add(tray, "geom", name="tray", type="box", pos=(0, 0, floor), size=(x, y, floor), rgba=TRAY, **FLAT)
    for side in (-1.0, 1.0):
        for pos, size in (
            ((side * (x - wall), 0, rim), (wall, y, rim)),
            ((0, side * (y - wall), rim), (x, wall, rim)),
        ):
            add(tray, "geom", type="box", pos=pos, size=size, rgba=TRAY_EDGE, **WALL)


def _add_juicer(world: ET.Element) -> None:
    body = add(world, "body", name="juicer", pos=(*dim.JUICER_CENTRE, 0))
    top, plate, radius = dim.FILTER_TOP, 0.006, dim.JUICER_RADIUS
    pot, disc = (0, 0, 0, 0, 0, top - plate), (0, 0, top - plate, 0, 0, top - 0.0002)
    add(body, "geom", name="juicer", type="cylinder", fromto=pot, size=radius, rgba=BODY, **WALL)
    add(body, "geom", type="cylinder", fromto=disc, size=radius - 0.003, rgba=FILTER, **NO_CONTACT)
    side = dim.RING_RADIUS + dim.RING_WALL
    support = {"type": "box", "pos": (0, 0, top - plate / 2), "size": (side, side, plate / 2), **FLAT}
    add(body, "geom", name="filter", rgba=FILTER, group="3", **support)  # group 3 is not drawn: the disc is
    spout = {"pos": (radius + 0.012, 0, 0.050), "size": (0.016, 0.009, 0.005)}
    add(body, "geom", type="box", rgba=FILTER, **spout, **NO_CONTACT)
    _add_ring(body)


def _add_ring(body: ET.Element) -> None:
    """Two arcs of wall, open where the tongs go (towards +-y)."""
    pieces, radius = 5, dim.RING_RADIUS + dim.RING_WALL / 2
    arc = math.pi - 2 * dim.RING_GAP
    size = (dim.RING_WALL / 2, radius * math.tan(arc / pieces / 2), dim.RING_HEIGHT / 2)
    for side in (0.0, math.pi):
        for piece in range(pieces):
            angle = side + arc * ((piece + 0.5) / pieces - 0.5)
            pos = (radius * math.cos(angle), radius * math.sin(angle), dim.FILTER_TOP + dim.RING_HEIGHT / 2)
            add(body, "geom", type="box", pos=pos, size=size, euler=(0, 0, angle), rgba=RING, **WALL)


def _add_half(world: ET.Element, scene: Scene) -> None:
    half = add(world, "body", name="half", pos=(*dim.TRAY_CENTRE, 0.05))
    add(half, "freejoint", name="half")
    mass, radius, rim, height = dim.HALF_MASS, scene.radius, dim.HALF_RIM, dim.HALF_HEIGHT
    skin, flesh = (SKIN, FLESH) if scene.colour is None else ((*scene.colour, 1), (*scene.colour, 1))
    across = mass * (radius**2 / 4 + height**2 / 12)
    inertia = (across, across, mass * radius**2 / 2)
    add(half, "inertial", pos=(0, 0, 0.4 * height), mass=mass, diaginertia=inertia)
    touch = {"contype": "2", "priority": "1", "friction": dim.HALF_FRICTION}
    wall, dome = (0, 0, 0.0008, 0, 0, rim), (radius, radius, height - rim)
    rolling = {"rgba": skin, "condim": "6", **touch}
    add(half, "geom", name="half_rim", type="cylinder", fromto=wall, size=radius, conaffinity="12", **rolling)
    above = (0, 0, rim + 0.0002)
    add(half, "geom", name="half_dome", type="ellipsoid", pos=above, size=dome, conaffinity="13", **rolling)
    cut = (0, 0, 0, 0, 0, 0.0012)
    add(half, "geom", type="cylinder", fromto=cut, size=radius - 0.002, rgba=flesh, **NO_CONTACT)
    foot = 0.003
    for index in range(HALF_FEET):
        angle = 2 * math.pi * index / HALF_FEET
        pos = ((radius - 0.004) * math.cos(angle), (radius - 0.004) * math.sin(angle), foot)
        add(half, "geom", name=f"half_foot{index}", size=foot, pos=pos, group="3", conaffinity="9", **touch)


def _add_cameras(world: ET.Element) -> None:
    """The third view is opposite the arm; from left to right it holds just the tray and the juicer."""
    add_camera(world, "third_view", (0.95, -0.018, 0.68), (0.410, -0.018, 0.045), fovy=26)
    add_camera(world, "side", (0.95, -0.80, 0.62), (0.22, 0.0, 0.20), fovy=45)


def addresses(names: tuple[str, ...]) -> NDArray[np.int64]:
    """Indices into qpos of the named one-degree joints, int64 (n,)."""
    return np.array([model().joint(name).qposadr[0] for name in names], dtype=np.int64)
