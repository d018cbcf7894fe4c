# SPDX-License-Identifier: Apache-2.0
"""An arm alone: its joints follow what they are told with a first-order lag and a largest speed."""

from __future__ import annotations

import math

import numpy as np

from zprl_core.config import CaseConfig
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.models import BoxModel
from zprl_sim.xarm_box.plant import ArmKinematics, Array, Measured, World

LAG_S = 0.02
MAX_WIDTH_M = 0.085
_RATE_HZ = 250.0


class BenchPlant:
    """`Plant` without a world: qpos is the joints and the gripper's width."""

    rate_hz = _RATE_HZ
    max_width_m = MAX_WIDTH_M

    def __init__(self, model: BoxModel, chain: ArmKinematics) -> None:
        self._model, self._chain = model, chain
        self.start_rad: Array = np.array(model.start_rad)
        self._joints = self.start_rad.copy()
        self._velocities = np.zeros(model.joints)
        self._width, self._width_speed = MAX_WIDTH_M, 0.0

    def step(self, joints_rad: Array, width_m: float) -> None:
        """One period towards the commanded joint angles; the width follows at once."""
        most = self._model.joint_speed_rad_s / self.rate_hz
        share = 1.0 - math.exp(-1.0 / (LAG_S * self.rate_hz))
        moved = np.clip(share * (joints_rad - self._joints), -most, most)
        self._joints = self._joints + moved
        self._velocities = moved * self.rate_hz
        self._width_speed = (width_m - self._width) * self.rate_hz
        self._width = width_m

    def measure(self) -> Measured:
        """Copies of what is now."""
        qpos = np.append(self._joints, self._width)
        qvel = np.append(self._velocities, self._width_speed)
        return Measured(self._joints.copy(), self._velocities.copy(), self._width, qpos, qvel)

    def reset(self, layout_seed: int, *, home: bool, case: CaseConfig | None = None) -> World:
        """There is nothing to lay out; `home` puts the arm at its start, which is the same for every seed."""
        if home:
            self._joints = self.start_rad.copy()
            self._velocities = np.zeros(self._model.joints)
            self._width, self._width_speed = MAX_WIDTH_M, 0.0
        flange: Pose = self._chain.forward(self.start_rad)
        return World("{}", flange, MAX_WIDTH_M)
