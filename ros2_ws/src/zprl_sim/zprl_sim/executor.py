# SPDX-License-Identifier: Apache-2.0
"""Executes waypoints on the simulated rig: straight lines and slerp, at the servo rate.

Waypoint i of a chunk belongs to tick i: during that tick the setpoint moves from the waypoint before
it (at first: the setpoint that was last sent) to waypoint i, and arrives at the tick's end. So nothing
about a later chunk is needed to execute this one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_sim import dimensions as dim
from zprl_sim.rig import TOOL_DOWN, Setpoint, SimRig

SERVOS_PER_TICK = dim.SERVO_HZ // dim.TICK_HZ
CODEC = ActionCodec("rotvec", arms=1, gripper=True, reference_quat_wxyz=TOOL_DOWN)


def interpolate(start: Setpoint, end: Setpoint, steps: int) -> Iterator[Setpoint]:
    """`steps` setpoints from (without) `start` to (with) `end`: linear position and width, slerp."""
    shares = np.arange(1, steps + 1) / steps
    quaternions = transforms.slerp(start.quaternion, end.quaternion, shares)
    for share, quaternion in zip(shares.tolist(), quaternions, strict=True):
        position = start.position + share * (end.position - start.position)
        width = start.gripper_width + share * (end.gripper_width - start.gripper_width)
        yield Setpoint(position, quaternion, width)


def waypoint(waypoints: ArmWaypoints, index: int) -> Setpoint:
    """One waypoint of one arm as a setpoint."""
    width = waypoints.gripper_width
    gap = 0.0 if width is None else float(width[index])
    return Setpoint(waypoints.position[index], waypoints.quaternion[index], gap)


def execute_tick(rig: SimRig, goal: Setpoint) -> None:
    """Runs one tick (1/30 s) that ends at `goal`."""
    for setpoint in list(interpolate(rig.setpoint, goal, SERVOS_PER_TICK)):
        rig.servo(setpoint)


def execute(rig: SimRig, actions: ArrayLike) -> None:
    """Runs a chunk of actions, (H, 7): position m, rotation vector rad relative to tool-down, width m.

    Raises:
        DataError: a wrong shape or a non-finite number; nothing moved.
    """
    (waypoints,) = CODEC.decode(actions)
    for index in range(len(waypoints)):
        execute_tick(rig, waypoint(waypoints, index))


def encode(setpoint: Setpoint) -> NDArray[np.float64]:
    """A setpoint as one action, float64 (7,)."""
    arm = ArmWaypoints(setpoint.position[None], setpoint.quaternion[None], np.array([setpoint.gripper_width]))
    return CODEC.encode([arm])[0]
