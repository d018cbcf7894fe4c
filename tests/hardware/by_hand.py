"""What a person's device would send."""

from __future__ import annotations

import time

import numpy as np
from zprl_interfaces.msg import ActionChunk, ArmState

from tests.ros.harness import TASK
from zprl_bringup import convert
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_task

STEPS, AHEAD_NS = 16, 50_000_000


def by_hand(state: ArmState, run_id: str, episode: int, *, rise_m: float) -> ActionChunk:
    """A chunk straight up from where the arm was told to be."""
    task = load_task(TASK)
    position, quaternion = convert.pose_arrays(state.setpoint_base_tcp)
    way = np.tile(position, (STEPS, 1))
    way[:, 2] += np.linspace(0.0, rise_m, STEPS)
    waypoints = ArmWaypoints(way, np.tile(quaternion, (STEPS, 1)), np.full(STEPS, state.gripper_width_m))
    actions = ActionCodec.from_config(task.action).encode([waypoints])
    return ActionChunk(
        header=convert.header(time.time_ns() + AHEAD_NS, state.header.frame_id),
        run_id=run_id,
        episode=episode,
        chunk=0,
        source="human",
        dt_s=task.tick_s,
        dim=actions.shape[1],
        actions=convert.doubles(actions),
    )
