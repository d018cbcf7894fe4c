# SPDX-License-Identifier: Apache-2.0
"""The arm's and the gripper's part of the MJCF, built from the same DH table as `kinematics`.

Shapes are given in base-frame coordinates at zero joints, as one reads them off a drawing, and
carried into the frames of their links here.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_sim import dimensions as dim
from zprl_sim import kinematics

Array = NDArray[np.float64]

# UFACTORY, "Kinematic and Dynamic Parameters of xArm 6", model 1, kg.
LINK_MASSES = (2.177, 2.011, 1.725, 1.211, 1.206, 0.17)
# Position loop of each joint: stiffness (N m/rad), damping (N m s/rad), largest torque (N m).
SERVOS = ((6000, 180, 80), (6000, 180, 80), (4000, 120, 50), (2000, 50, 30), (2000, 50, 30), (800, 15, 20))
SHELL, CAP, STEEL, TONG = "0.93 0.93 0.92 1", "0.20 0.21 0.23 1", "0.33 0.34 0.37 1", "0.10 0.55 0.85 1"
ARM_CONTACT = {"contype": "4", "conaffinity": "9"}
NO_CONTACT = {"contype": "0", "conaffinity": "0"}

# Per link: (from, to, radius, colour) of cylinders, base frame at zero joints, m.
_SHAPES: tuple[tuple[tuple[tuple[float, float, float], tuple[float, float, float], float, str], ...], ...] = (
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


def numbers(values: Array | tuple[float, ...]) -> str:
    """Numbers as an MJCF attribute."""
    return " ".join(f"{float(v):.12g}" for v in values)


def add_arm(world: ET.Element) -> None:
    """Appends base, six links, gripper and tongs to a worldbody."""
    base = ET.SubElement(world, "body", name="base")
    for top, radius, colour in ((0.012, 0.075, CAP), (0.135, 0.060, SHELL)):
        ET.SubElement(base, "geom", type="cylinder", fromto=f"0 0 0 0 0 {top}", size=str(radius), rgba=colour,
                      **NO_CONTACT)  # fmt: skip
    parent, before = base, np.eye(4)
    for index, frame in enumerate(link_frames()):
        local = np.linalg.inv(before) @ frame
        quat = transforms.quaternion_from_matrix(local[:3, :3])
        parent = ET.SubElement(parent, "body", name=f"link{index + 1}", pos=numbers(local[:3, 3]),
                               quat=numbers(quat), gravcomp="1")  # fmt: skip
        _add_link(parent, index, frame)
        before = frame
    flange = ET.SubElement(parent, "body", name="gripper", pos=numbers((0, 0, kinematics.DH[5].d)), gravcomp="1")
    _add_gripper(flange)


def _add_link(body: ET.Element, index: int, frame: Array) -> None:
    low, high = kinematics.LOWER_RAD[index], kinematics.UPPER_RAD[index]
    ET.SubElement(body, "joint", name=f"joint{index + 1}", axis="0 0 1", range=numbers((low, high)), limited="true",
                  armature="0.08", damping="0.5")  # fmt: skip
    inverse = np.linalg.inv(frame)
    shapes = _SHAPES[index]
    for start, end, radius, colour in shapes:
        ends = [(inverse @ (*point, 1.0))[:3] for point in (start, end)]
        contact = ARM_CONTACT if index >= 4 else NO_CONTACT
        ET.SubElement(body, "geom", type="cylinder", fromto=numbers(np.concatenate(ends)), size=str(radius),
                      rgba=colour, mass=f"{LINK_MASSES[index] / len(shapes):.6f}", **contact)  # fmt: skip


def _add_gripper(body: ET.Element) -> None:
    def part(parent: ET.Element, **attributes: str) -> None:
        ET.SubElement(parent, "geom", **{**ARM_CONTACT, **attributes})

    part(body, type="cylinder", fromto="0 0 0 0 0 0.022", size="0.036", rgba=STEEL, mass="0.25")
    part(body, type="box", pos="0 0 0.058", size="0.058 0.027 0.036", rgba=CAP, mass="0.55")
    ET.SubElement(body, "site", name="tcp", pos=numbers((0, 0, dim.TOOL_LENGTH)), size="0.002", group="4")
    ET.SubElement(body, "camera", name="wrist", pos="0 0.085 0.030", xyaxes="1 0 0 0 -0.894 -0.447", fovy="62")
    tip, root = dim.TOOL_LENGTH - dim.PAD_RADIUS, dim.TOOL_LENGTH - dim.TONG_LENGTH
    rubber = {"friction": "0.34 0.008 0.0001", "priority": "2", "condim": "4", "rgba": TONG}
    for name, side in (("left", 1.0), ("right", -1.0)):
        finger = ET.SubElement(body, "body", name=f"finger_{name}", gravcomp="1")
        ET.SubElement(finger, "joint", name=f"finger_{name}", type="slide", axis=numbers((side, 0, 0)),
                      range=numbers((0.0, dim.WIDTH_MAX / 2)), limited="true", armature="0.15", damping="8")  # fmt: skip
        middle = side * dim.PAD_RADIUS
        part(finger, type="box", pos=numbers((middle, 0, 0.104)), size="0.009 0.013 0.016", rgba=STEEL, mass="0.06")
        part(finger, type="capsule", fromto=numbers((middle, 0, root, middle, 0, tip)), size=str(dim.TONG_RADIUS),
             mass="0.03", name=f"tong_{name}", **rubber)  # fmt: skip
        part(finger, type="sphere", pos=numbers((middle, 0, tip)), size=str(dim.PAD_RADIUS), mass="0.01",
             name=f"pad_{name}", solref="0.006 1", solimp="0.95 0.99 0.001", **rubber)  # fmt: skip


def add_actuators(root: ET.Element) -> None:
    """Position servos of the six joints, and of the two tongs, which a constraint keeps symmetric."""
    actuators = ET.SubElement(root, "actuator")
    for index, (stiffness, damping, torque) in enumerate(SERVOS):
        ET.SubElement(actuators, "position", name=f"joint{index + 1}", joint=f"joint{index + 1}",
                      kp=str(stiffness), kv=str(damping), forcerange=f"{-torque} {torque}")  # fmt: skip
    for name in ("left", "right"):
        ET.SubElement(actuators, "position", name=f"finger_{name}", joint=f"finger_{name}", kp="2500", kv="45",
                      forcerange=f"{-dim.GRIP_FORCE_N} {dim.GRIP_FORCE_N}")  # fmt: skip
    equality = ET.SubElement(root, "equality")
    ET.SubElement(equality, "joint", joint1="finger_left", joint2="finger_right", solref="0.005 1")
