# SPDX-License-Identifier: Apache-2.0
"""Kinematics of every model, from the project's own tables."""

from __future__ import annotations

import numpy as np

from zprl_core import transforms
from zprl_core.kinematics.arm import ArmKinematics as Kinematics
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.plant import Array

_ITERATIONS, _CONVERGED = 30, 1e-6
_DAMPING, _LONGEST_RAD = 1e-6, 0.3


class ModelChain:
    """`plant.ArmKinematics` of one model.

    Unlike the project's own inverse, this one gives the nearest angles there are: five joints cannot reach
    every pose, and the wire's short floats round every one.
    """

    def __init__(self, model: str) -> None:
        self._kinematics = Kinematics(model)
        self.lower_rad: Array = self._kinematics.lower_rad
        self.upper_rad: Array = self._kinematics.upper_rad

    def forward(self, joints_rad: Array) -> Pose:
        """Pose of the flange in the base frame."""
        return self._kinematics.forward(joints_rad)

    def point(self, joints_rad: Array, point_flange_m: Array) -> Array:
        """Where a point of the flange's frame lies in the base frame."""
        return self._kinematics.forward(joints_rad).transform(point_flange_m)

    def inverse(self, pose_base_flange: Pose, start_rad: Array) -> tuple[Array, float]:
        """Joint angles near `start_rad`, and the error that is left (the larger of m and rad)."""
        joints = start_rad.copy()
        error = self._error(joints, pose_base_flange)
        for _ in range(_ITERATIONS):
            if np.abs(error).max() < _CONVERGED:
                break
            jacobian = self._kinematics.jacobian(joints)
            square = jacobian @ jacobian.T + _DAMPING * np.eye(6)
            step = jacobian.T @ np.linalg.solve(square, error)
            step *= min(1.0, _LONGEST_RAD / max(float(np.abs(step).max()), 1e-12))
            joints = np.clip(joints + step, self.lower_rad, self.upper_rad)
            error, before = self._error(joints, pose_base_flange), error
            if np.abs(error).max() > 0.999 * np.abs(before).max():
                break
        return joints, float(np.abs(error).max())

    def _error(self, joints: Array, goal: Pose) -> Array:
        """From where the flange is to the goal, float64 (6,): m and rad in the base frame."""
        now = self._kinematics.forward(joints)
        back = transforms.quaternion_conjugate(now.quaternion)
        turn = transforms.quaternion_multiply(goal.quaternion, back)
        return np.concatenate((goal.position - now.position, transforms.rotvec_from_quaternion(turn)))
