"""The chunk that brings an arm to where a hand wants it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from zprl_core.actions import ArmWaypoints
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, slerp


@dataclass(frozen=True)
class Pace:
    """How fast an arm follows a hand at most.

    Attributes:
        linear_m_s, angular_rad_s, gripper_m_s: speeds.
        brake_s: how long it takes to slow down from them.
    """

    linear_m_s: float
    angular_rad_s: float
    gripper_m_s: float
    brake_s: float = 0.0


def way_to(
    told: Setpoint,
    target: Pose,
    width_m: float | None,
    *,
    pace: Pace,
    waypoints: int,
    dt_s: float,
    free_s: float = math.inf,
) -> ArmWaypoints:
    """The straight way from where an arm is told to be, position and rotation together, and then a hold.

    Where it takes longer than `free_s` it ends before the target: should no other chunk follow, the arm has
    not gone far.

    Args:
        told: where the chunk begins.
        target: pose of the tool centre point in the base frame.
        width_m: of the gripper there; None keeps what is told.
        pace: kept by every step.
        waypoints, dt_s: of the chunk.
        free_s: after so long it slows down, s.
    """
    gap_m, gap_rad = told.pose.distance(target)
    seconds = max(gap_m / pace.linear_m_s, gap_rad / pace.angular_rad_s, 1e-9)
    passed_s = dt_s * np.arange(1, waypoints + 1)
    slowing_s = np.clip(passed_s - free_s, 0.0, pace.brake_s)
    passed_s = np.minimum(passed_s, free_s) + slowing_s
    if pace.brake_s > 0.0:
        passed_s -= slowing_s**2 / (2.0 * pace.brake_s)
    share = np.minimum(passed_s / seconds, 1.0)
    position = told.position + share[:, None] * (target.position - told.position)
    widths = None
    if told.gripper_width is not None:
        wanted = told.gripper_width if width_m is None else width_m
        step = wanted - told.gripper_width
        widths = told.gripper_width + np.sign(step) * np.minimum(pace.gripper_m_s * passed_s, abs(step))
    return ArmWaypoints(position, slerp(told.quaternion, target.quaternion, share), widths)
