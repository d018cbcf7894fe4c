# SPDX-License-Identifier: Apache-2.0
"""The arm's and the gripper's part of the MJCF, built from the same DH table as `kinematics`.

The arm's shapes are given in base-frame coordinates at zero joints, as one reads them off a drawing,
and carried into the frames of their links here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_sim import dimensions as dim
from zprl_sim import kinematics
from zprl_sim.mjcf import add

Array = NDArray[np.float64]
Point = tuple[float, float, float]

# UFACTORY, "Kinematic and Dynamic Parameters of xArm 6", model 1, kg.
LINK_MASSES = (2.177, 2.011, 1.725, 1.211, 1.206, 0.17)
# Position loop of each joint: stiffness (N m/rad), damping (N m s/rad), largest torque (N m). Ours.
SERVOS = ((6000, 180, 80), (6000, 180, 80), (4000, 120, 50), (2000, 50, 30), (2000, 50, 30), (800, 15, 20))
SHELL, CAP, STEEL, RUBBER = "0.93 0.93 0.92 1", "0.20 0.21 0.23 1", "0.33 0.34 0.37 1", "0.10 0.55 0.85 1"
ARM_CONTACT = {"contype": "4", "conaffinity": "9"}
NO_CONTACT = {"contype": "0", "conaffinity": "0"}
COLLIDING_FROM_LINK = 4  # J5's link and what it carries; the links before it stay away from the table

# Per link: (from, to, radius, colour) of cylinders, base frame at zero joints, m.
_SHAPES: tuple[tuple[tuple[Point, Point, float, str], ...], ...] = (
    (
        ((0, 0, 0.135), (0, 0, 0.267), 0.056, SHELL),
        ((0, -0.068, 0.267), (0, 0.060, 0.267), 0.056, SHELL),
        ((0, 0.060, 0.267), (0, 0.066, 0.267), 0.050, CAP),
    ),
    (
        ((0, -0.125, 0.267), (0, -0.068, 0.267), 0.056, SHELL),
        ((0, -0.132, 0.267), (0, -0.125, 0.267), 0.050, CAP),
        ((0, -0.098, 0.267), (0.0535, -0.098, 0.5515), 0.043, SHELL),
        ((0.0535, -0.125, 0.5515), (0.0535, -0.060, 0.5515), 0.050, SHELL),
        ((0.0535, -0.131, 0.5515), (0.0535, -0.125, 0.5515), 0.044, CAP),
    ),
    (
        ((0.0535, -0.060, 0.5515), (0.0535, 0.052, 0.5515), 0.050, SHELL),
        ((0.0535, 0.052, 0.5515), (0.0535, 0.058, 0.5515), 0.044, CAP),
        ((0.0535, 0, 0.5515), (0.131, 0, 0.5515), 0.043, SHELL),
        ((0.131, 0, 0.575), (0.131, 0, 0.420), 0.045, SHELL),
    ),
    (
        ((0.131, 0, 0.420), (0.131, 0, 0.412), 0.041, CAP),
        ((0.131, 0, 0.412), (0.131, 0, 0.265), 0.041, SHELL),
        ((0.131, -0.045, 0.209), (0.131, 0.045, 0.209), 0.043, SHELL),
        ((0.131, 0, 0.270), (0.131, 0, 0.209), 0.041, SHELL),
        ((0.131, -0.051, 0.209), (0.131, -0.045, 0.209), 0.037, CAP),
    ),
    (
        ((0.131, 0, 0.209), (0.207, 0, 0.209), 0.040, SHELL),
        ((0.207, 0, 0.250), (0.207, 0, 0.145), 0.041, SHELL),
    ),
    (((0.207, 0, 0.142), (0.207, 0, 0.112), 0.038, CAP),),
)


def link_frames() -> list[Array]:
    """T_base_link at zero joints for the bodies link1 to link6, float64 (4, 4) each.

    Body i is frame i-1 of the DH chain turned by row i's offset, so that its joint's axis is z.
    """
    frames, pose = [], np.eye(4)
    for row in kinematics.DH:
        pose = pose @ _turn(2, row.offset)
        frames.append(pose)
        pose = pose @ _shift(row.a, 0.0, row.d) @ _turn(0, row.alpha)
    return frames


def _shift(x: float, y: float, z: float) -> Array:
    pose = np.eye(4)
    pose[:3, 3] = (x, y, z)
    return pose


def _turn(axis: int, angle: float) -> Array:
    pose = np.eye(4)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    pose[i, i] = pose[j, j] = np.cos(angle)
    pose[j, i], pose[i, j] = np.sin(angle), -np.sin(angle)
    return pose


def add_arm(world: ET.Element) -> None:
    """Appends base, six links, gripper and tongs to a worldbody."""
    base = add(world, "body", name="base")
    for top, radius, colour in ((0.012, 0.075, CAP), (0.135, 0.060, SHELL)):
        ends = (0, 0, 0, 0, 0, top)
        add(base, "geom", type="cylinder", fromto=ends, size=radius, rgba=colour, **NO_CONTACT)
    parent, before = base, np.eye(4)
    for index, frame in enumerate(link_frames()):
        local = np.linalg.inv(before) @ frame
        quat = transforms.quaternion_from_matrix(local[:3, :3])
        parent = add(parent, "body", name=f"link{index + 1}", pos=local[:3, 3], quat=quat, gravcomp="1")
        _fill_link(parent, index, frame)
        before = frame
    flange = (0.0, 0.0, kinematics.DH[5].d)
    _fill_gripper(add(parent, "body", name="gripper", pos=flange, gravcomp="1"))


def _fill_link(body: ET.Element, index: int, frame: Array) -> None:
    span = (kinematics.LOWER_RAD[index], kinematics.UPPER_RAD[index])
    add(body, "joint", name=f"joint{index + 1}", axis="0 0 1", range=span, armature=0.08, damping=0.5)
    inverse, shapes = np.linalg.inv(frame), _SHAPES[index]
    contact = ARM_CONTACT if index >= COLLIDING_FROM_LINK else NO_CONTACT
    mass = LINK_MASSES[index] / len(shapes)
    for start, end, radius, colour in shapes:
        ends = [(inverse @ (*point, 1.0))[:3] for point in (start, end)]
        add(body, "geom", type="cylinder", fromto=ends, size=radius, rgba=colour, mass=mass, **contact)


def _fill_gripper(body: ET.Element) -> None:
    add(
        body,
        "geom",
        type="cylinder",
        fromto="0 0 0 0 0 0.022",
        size=0.036,
        rgba=STEEL,
        mass=0.25,
        **ARM_CONTACT,
    )
    block = (0.058, 0.027, 0.036)
    add(body, "geom", type="box", pos=(0, 0, 0.058), size=block, rgba=CAP, mass=0.55, **ARM_CONTACT)
    add(body, "site", name="tcp", pos=(0, 0, dim.TOOL_LENGTH), size=0.002, group="4")
    # beside the gripper, looking at the tips: x to the right, y up in the image
    add(body, "camera", name="wrist", pos=(0, 0.085, 0.03), xyaxes="1 0 0 0 -0.894 -0.447", fovy=62)
    for name, side in (("left", 1.0), ("right", -1.0)):
        _fill_finger(add(body, "body", name=f"finger_{name}", gravcomp="1"), name, side)


def _fill_finger(body: ET.Element, name: str, side: float) -> None:
    """One tong: a block that slides along the gripper's x, a rod, and a round rubber tip that grips."""
    span, inner = (0.0, dim.WIDTH_MAX / 2), side * dim.PAD_RADIUS
    tip, root = dim.TOOL_LENGTH - dim.PAD_RADIUS, dim.TOOL_LENGTH - dim.TONG_LENGTH
    add(
        body,
        "joint",
        name=f"finger_{name}",
        type="slide",
        axis=(side, 0, 0),
        range=span,
        armature=0.15,
        damping=8,
    )
    block = (0.009, 0.013, 0.016)
    add(body, "geom", type="box", pos=(inner, 0, 0.104), size=block, rgba=STEEL, mass=0.06, **ARM_CONTACT)
    rubber = {"rgba": RUBBER, "friction": dim.RUBBER_FRICTION, "priority": "2", "condim": "4", **ARM_CONTACT}
    rod = (inner, 0, root, inner, 0, tip)
    add(
        body,
        "geom",
        name=f"tong_{name}",
        type="capsule",
        fromto=rod,
        size=dim.TONG_RADIUS,
        mass=0.03,
        **rubber,
    )
    pad = {"type": "sphere", "pos": (inner, 0, tip), "size": dim.PAD_RADIUS, "mass": 0.01, **rubber}
    add(body, "geom", name=f"pad_{name}", solref="0.006 1", solimp="0.95 0.99 0.001", **pad)


def add_actuators(root: ET.Element) -> None:
    """Position servos of the six joints, and of the two tongs, which a constraint keeps symmetric."""
    actuators = add(root, "actuator")
    for index, (stiffness, damping, torque) in enumerate(SERVOS):
        name = f"joint{index + 1}"
        add(
            actuators,
            "position",
            name=name,
            joint=name,
            kp=stiffness,
            kv=damping,
            forcerange=(-torque, torque),
        )
    grip = (-dim.GRIP_FORCE_N, dim.GRIP_FORCE_N)
    for name in ("finger_left", "finger_right"):
        add(actuators, "position", name=name, joint=name, kp=2500, kv=45, forcerange=grip)
    add(add(root, "equality"), "joint", joint1="finger_left", joint2="finger_right", solref="0.005 1")
