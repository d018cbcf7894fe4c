"""The Flip Egg cell lets a flip pass: the paper's 6 m/s^2, through gate, joints and servo limits."""

from __future__ import annotations

import numpy as np
import pytest

from zprl_arms.controller import ArmController
from zprl_arms.posture import Posture
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.kinematics import ArmKinematics
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint

PEAK_M_S2, PERIOD_S, RAMP_S = 6.0, 0.8, 0.8
TASK = load_task("flip_egg")
H, DT_S, S = TASK.action.chunk, TASK.tick_s, 1_000_000_000
REACH_M = PEAK_M_S2 * (DT_S / (2.0 * np.sin(np.pi * DT_S / PERIOD_S))) ** 2
"""Amplitude of a sine whose samples change their velocity by as much as that."""


def flipped(home: Setpoint, t_s: np.ndarray, offset_m: float) -> ArmWaypoints:
    """Up and down, from rest; off by a little, as the plans of a policy are."""
    swing = np.minimum(t_s / RAMP_S, 1.0) ** 2 * np.sin(2.0 * np.pi * t_s / PERIOD_S)
    position = home.position + np.array([offset_m, 0.0, 0.0]) + np.outer(swing, [0.0, 0.0, REACH_M])
    return ArmWaypoints(position, np.tile(home.quaternion, (len(t_s), 1)))


@pytest.mark.parametrize("name", ["franka_flip_egg", "franka_flip_egg_sim"])
def test_six_metres_per_second_squared_pass_unclamped(name: str) -> None:
    rig = load_rig(name)
    (arm,), codec = rig.arms, ActionCodec.from_config(TASK.action)
    joints = np.array(arm.homing.joints_rad)
    home = Setpoint.at(ArmKinematics(arm.model, arm.tool).forward(joints))
    controller = ArmController(arm, TASK, "run", home, posture=Posture(rig, arm, joints))
    controller.on_session("running", 0, S, home)
    servo_s, wished, sent = 1.0 / arm.servo_rate_hz, [], [home]
    for k, offset_m in enumerate((0.0, 0.003)):
        start_ns, t_s = S + round(k * H * DT_S * S), (k * H + np.arange(1, H + 1)) * DT_S
        waypoints = flipped(home, t_s, offset_m)
        wished.append(np.diff(waypoints.position, n=2, axis=0) / DT_S**2)
        actions = codec.encode([waypoints])
        command = ChunkCommand("run", 0, k, start_ns, DT_S, actions.shape[1], actions)
        assert controller.command(command, start_ns), controller.reports(start_ns)
        for i in range(round(H * DT_S / servo_s)):
            sent.append(controller.setpoint(start_ns + round((i + 1) * servo_s * S), servo_s))
    reports = controller.reports(S + round(2 * H * DT_S * S))
    assert [report.reason for report in reports] == ["", ""] and controller.fault == ""
    assert [report.outcome.clamped_fraction for report in reports if report.outcome] == [0.0, 0.0]
    assert np.abs(np.concatenate(wished)).max() >= 0.99 * PEAK_M_S2
    height = np.array([setpoint.position[2] for setpoint in sent])
    assert np.ptp(height) == pytest.approx(2.0 * REACH_M, rel=0.05)
