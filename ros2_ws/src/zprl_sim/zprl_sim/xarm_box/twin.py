# SPDX-License-Identifier: Apache-2.0
"""The Place Orange twin behind the box: its arm, its tongs and its world in MuJoCo."""

from __future__ import annotations

import math

import numpy as np

from zprl_core.config import CaseConfig
from zprl_core.transforms import Pose, quaternion_from_matrix
from zprl_sim import dimensions as dim
from zprl_sim import kinematics
from zprl_sim.layout import Layout, draw_layout
from zprl_sim.rig import START_WIDTH, Setpoint, SimRig, downward
from zprl_sim.xarm_box.plant import Array, Measured, World


class _Rig(SimRig):
    def place(self, layout: Layout) -> None:
        """Put the half on the tray, at rest; the arm stays where it is."""
        self.stage(layout)
        yaw = layout.half_yaw / 2
        self._data.qpos[self._half_qpos : self._half_qpos + 7] = (
            *layout.half_xy, dim.TRAY_FLOOR + 0.0005, math.cos(yaw), 0.0, 0.0, math.sin(yaw),
        )  # fmt: skip
        velocity = int(self._model.joint("half").dofadr[0])
        self._data.qvel[velocity : velocity + 6] = 0.0


class TwinKinematics:
    """The twin's own chain, from base to flange."""

    lower_rad: Array = kinematics.LOWER_RAD
    upper_rad: Array = kinematics.UPPER_RAD

    def forward(self, joints_rad: Array) -> Pose:
        """Pose of the flange in the base frame."""
        chain = kinematics.forward(joints_rad.tolist())
        return Pose(np.array(chain.position), quaternion_from_matrix(chain.rotation()))

    def point(self, joints_rad: Array, point_flange_m: Array) -> Array:
        """Where a point of the flange's frame lies in the base frame."""
        chain = kinematics.forward(joints_rad.tolist())
        moved: Array = np.array(chain.position) + chain.rotation() @ point_flange_m
        return moved

    def inverse(self, pose_base_flange: Pose, start_rad: Array) -> tuple[Array, float]:
        """Joint angles near `start_rad`, and the error that is left (the larger of m and rad)."""
        found = kinematics.inverse(
            pose_base_flange.position, pose_base_flange.quaternion, start_rad, iterations=8
        )
        return np.array(found.joints_rad), found.error


class TwinPlant:
    """`Plant` on a `SimRig`. A step is one servo period of it: four physics steps."""

    rate_hz = float(dim.SERVO_HZ)
    max_width_m = dim.WIDTH_MAX

    def __init__(self) -> None:
        self._rig = _Rig()
        self.start_rad: Array = self._rig.state().joints

    def step(self, joints_rad: Array, width_m: float) -> None:
        """One servo period towards the commanded joint angles and width."""
        chain = kinematics.forward(joints_rad.tolist(), dim.TOOL_LENGTH)
        quaternion = quaternion_from_matrix(chain.rotation())
        self._rig.servo(Setpoint(np.array(chain.position), quaternion, width_m))

    def measure(self) -> Measured:
        """Copies of what is now."""
        state = self._rig.state()
        return Measured(state.joints, state.joint_velocities, state.gripper_width, state.qpos, state.qvel)

    def reset(self, layout_seed: int, *, home: bool, case: CaseConfig | None = None) -> World:
        """A new layout; `home` also puts the arm at the layout's start."""
        layout = draw_layout(layout_seed, case)
        if home:
            self._rig.reset(layout)
        else:
            self._rig.place(layout)
        start = Pose(np.array(layout.home_tcp), downward(layout.home_yaw))
        return World(layout.describe(), start, START_WIDTH, layout.scene.to_text())
