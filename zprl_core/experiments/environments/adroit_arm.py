# SPDX-License-Identifier: Apache-2.0
"""The arm of Adroit's door task in closed form: where its palm is, and which joints bring it to a point.

The forearm slides along its own axis and turns about its x, y and z axes, in that order: joints ARTz, ARRx,
ARRy, ARRz. At zero it points along the world's y, towards the door, 0.2 m above the table, palm down.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
BASE = np.array([0.0, -0.7, 0.2])
"""The forearm's origin in the world, m."""
WRIST = np.array([0.0, 0.0, 0.396])
"""In the forearm's frame, m."""
PALM = np.array([0.0, 0.0, 0.034])
"""In the wrist's frame, m."""
GRASP = np.array([0.007, -0.05, 0.07])
"""The site that Adroit calls the palm's position, 5 cm before the palm, in the palm's frame, m."""
ARM_RANGES = [(-0.75, 1.25), (-1.875, 1.875), (-1.875, 1.875), (-2.5, 5.0)]
WRIST_RANGES = [(-0.524, 0.175), (-0.79, 0.61)]
FINGER_RANGES = [(-0.44, 0.44), (0.0, 1.6), (0.0, 1.6), (0.0, 1.6)]
LITTLE_RANGES = [(0.0, 0.7), *FINGER_RANGES]
THUMB_RANGES = [(-1.0, 1.0), (0.0, 1.3), (-0.26, 0.26), (-0.52, 0.52), (-1.571, 0.0)]
LOW, HIGH = np.array([*ARM_RANGES, *WRIST_RANGES, *FINGER_RANGES * 3, *LITTLE_RANGES, *THUMB_RANGES]).T
"""Lowest and highest joint targets (28,) that the door's actuators take, m and rad."""


def about(axis: int, angle: float) -> Vector:
    """The rotation (3, 3) by `angle`, rad, about the axis 0, 1 or 2."""
    one, two = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[one, one] = rotation[two, two] = math.cos(angle)
    rotation[two, one] = math.sin(angle)
    rotation[one, two] = -rotation[two, one]
    return rotation


WORLD = about(0, -1.57) @ about(2, 3.14)
"""Of the forearm at zero: the digits of Adroit's model."""


def palm_in_forearm(wrist: Vector) -> Vector:
    """The grasp site (3,), m, for the wrist's two angles (2,): WRJ1, WRJ0."""
    palm: Vector = WRIST + about(1, wrist[0]) @ (PALM + about(0, wrist[1]) @ GRASP)
    return palm


def palm(joints: Vector) -> Vector:
    """The grasp site in the world (3,), m, for the arm's and the wrist's joints (6,)."""
    slide, x, y, roll = joints[:4]
    turned = about(0, x) @ about(1, y) @ about(2, roll) @ palm_in_forearm(joints[4:6])
    point: Vector = BASE + WORLD @ (np.array([0.0, 0.0, slide]) + turned)
    return point


def reach(point: Vector, roll: float, wrist: Vector) -> Vector:
    """The arm's slide and its turns about x and y (3,) that bring the grasp site to `point`.

    Args:
        point: (3,), m, in the world. One out of reach is approached.
        roll: of the forearm about its axis, rad. wrist: its two angles (2,).
    """
    wanted, rolled = WORLD.T @ (point - BASE), about(2, roll) @ palm_in_forearm(wrist)
    y = _asin(wanted[0] / math.hypot(rolled[0], rolled[2])) - math.atan2(rolled[0], rolled[2])
    _, along, up = about(1, y) @ rolled
    x = math.pi / 2 - _asin(wanted[1] / math.hypot(along, up)) - math.atan2(up, along)
    return np.array([wanted[2] - along * math.sin(x) - up * math.cos(x), x, y])


def _asin(sine: float) -> float:
    return math.asin(min(1.0, max(-1.0, sine)))
