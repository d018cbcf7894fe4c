# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics of one arm with its tool, on pinocchio."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
from numpy.typing import ArrayLike

from zprl_core.config.arm import ToolConfig
from zprl_core.errors import ConfigError, DataError
from zprl_core.kinematics.models import MODELS, ArmModel
from zprl_core.transforms import Array, Pose

_TOLERANCE = 1e-7  # m and rad: what a converged solution misses at most
_LONGEST_STEP_RAD = 0.3
_DAMPING = 1e-12


class ArmKinematics:
    """Where the tool is for joint angles, and which joint angles put it where it shall be.

    Not safe for use by two threads at once: pinocchio writes into its own data.

    Args:
        model: one of `MODELS`.
        tool: what is screwed to the flange; None: the tool centre point is the flange.

    Raises:
        ConfigError: an unknown model.
    """

    def __init__(self, model: str, tool: ToolConfig | None = None) -> None:
        if model not in MODELS:
            raise ConfigError(f"kinematics: model {model!r}, known: {', '.join(sorted(MODELS))}")
        self.model: ArmModel = MODELS[model]
        self.tool = tool
        self.lower_rad, self.upper_rad = np.array(self.model.lower_rad), np.array(self.model.upper_rad)
        self.speed_rad_s = np.array(self.model.speed_rad_s)
        self._near_ends = np.array(self.model.near_ends).T  # (4, joints), or empty
        self._flange_tcp = _tool_pose(tool)
        self._pin, self._tcp = _build(self.model, self._flange_tcp)
        self._data = self._pin.createData()

    @property
    def joints(self) -> int:
        """How many there are."""
        return len(self.model.rows)

    @property
    def flange_in_last_link(self) -> tuple[Array, Array]:
        """Origins of the flange and of the tool centre point in the last link's frame, each (3,), m."""
        flange = _shift(0.0, self.model.flange_m)
        return flange.translation, (flange * self._flange_tcp).translation

    def forward(self, joints_rad: ArrayLike) -> Pose:
        """Pose of the tool centre point in the base frame, for (joints,) angles."""
        placement = self._place(self._angles(joints_rad))
        x, y, z, w = pin.Quaternion(placement.rotation).coeffs()
        return Pose(placement.translation, np.array((w, x, y, z)))

    def link_poses(self, joints_rad: ArrayLike) -> tuple[Array, Array]:
        """Rotations (joints + 1, 3, 3) and origins (joints + 1, 3) of link 0 (the base) to the last link."""
        pin.forwardKinematics(self._pin, self._data, self._angles(joints_rad))
        placements = [self._data.oMi[i] for i in range(self.joints + 1)]
        return np.array([p.rotation for p in placements]), np.array([p.translation for p in placements])

    def jacobian(self, joints_rad: ArrayLike) -> Array:
        """Of the tool centre point in the base frame, float64 (6, joints): m/rad above rad/rad."""
        self._place(self._angles(joints_rad))
        return np.array(pin.getFrameJacobian(self._pin, self._data, self._tcp, pin.LOCAL_WORLD_ALIGNED))

    def min_singular_value(self, joints_rad: ArrayLike) -> float:
        """The smallest of the Jacobian's: near 0, some motion of the tool takes endless joint speed."""
        return float(np.linalg.svd(self.jacobian(joints_rad), compute_uv=False)[-1])

    def speeds_rad_s(self, joints_rad: Array, turns_rad: Array) -> Array:
        """How fast each joint may turn the way of ``turns_rad`` at ``joints_rad``, both (joints,)."""
        if not self._near_ends.size:
            return self.speed_rad_s
        slope, offset, lower, upper = self._near_ends
        room = np.where(turns_rad > 0.0, upper - joints_rad, joints_rad - lower)
        allowed = np.sqrt(slope * np.maximum(room, 0.0)) - offset
        return np.asarray(np.clip(allowed, 0.0, self.speed_rad_s))

    def inverse(self, target: Pose, seed_rad: ArrayLike, iterations: int = 30) -> Array | None:
        """The joint angles (joints,) that put the tool at ``target`` (base frame), near the seed.

        Newton steps, damped where they would be long (Levenberg and Marquardt), inside the joint limits: the
        solution is on the seed's branch. Of a redundant arm it is the one to which the shortest steps lead.

        Returns:
            None where it does not get within 1e-7 m and rad: out of reach, or past a joint limit.
        """
        goal = pin.SE3(pin.Quaternion(*target.quaternion.tolist()), target.position)
        joints = np.clip(self._angles(seed_rad), self.lower_rad, self.upper_rad)
        for _ in range(iterations):
            error = pin.log6(self._place(joints).actInv(goal)).vector
            missed = float(np.abs(error).max())
            if missed < _TOLERANCE:
                return joints
            jacobian = pin.getFrameJacobian(self._pin, self._data, self._tcp, pin.LOCAL)
            joints = np.clip(joints + _newton_step(jacobian, error), self.lower_rad, self.upper_rad)
        return None

    def _place(self, joints: Array) -> pin.SE3:
        """The tool's placement; leaves the Jacobians behind in the data."""
        pin.computeJointJacobians(self._pin, self._data, joints)
        return pin.updateFramePlacement(self._pin, self._data, self._tcp)

    def _angles(self, joints_rad: ArrayLike) -> Array:
        angles = np.array(joints_rad, dtype=np.float64)
        if angles.shape != (self.joints,) or not np.isfinite(angles).all():
            raise DataError(
                f"{self.model.name}: joint angles {angles}, expected {self.joints} finite numbers"
            )
        return angles


def _newton_step(jacobian: Array, error: Array) -> Array:
    """Shortest damped step (joints,) that removes ``error`` (6,), no joint farther than 0.3 rad."""
    damping = _DAMPING + 0.5 * float(error @ error) * 1e-2
    if jacobian.shape[1] > 6:
        square = jacobian @ jacobian.T
        square.flat[::7] += damping
        step = jacobian.T @ np.linalg.solve(square, error)
    else:
        square = jacobian.T @ jacobian
        square.flat[:: len(square) + 1] += damping
        step = np.linalg.solve(square, jacobian.T @ error)
    return np.asarray(step * min(1.0, _LONGEST_STEP_RAD / max(float(np.abs(step).max()), 1e-12)))


def _tool_pose(tool: ToolConfig | None) -> pin.SE3:
    if tool is None:
        return pin.SE3.Identity()
    return pin.SE3(pin.exp3(np.array(tool.rotvec_rad)), np.array(tool.position_m))


def _build(model: ArmModel, flange_tcp: pin.SE3) -> tuple[pin.Model, int]:
    """Pinocchio's model, and the index of its frame tcp."""
    built, last = pin.Model(), 0
    for i, row in enumerate(model.rows):
        placement = _turn("x", row.alpha) * _shift(row.a, 0.0) * _turn("z", row.offset) * _shift(0.0, row.d)
        last = built.addJoint(last, pin.JointModelRZ(), placement, f"joint{i + 1}")
    placement = _shift(0.0, model.flange_m) * flange_tcp
    tcp = built.addFrame(pin.Frame("tcp", last, 0, placement, pin.FrameType.OP_FRAME))
    return built, tcp


def _turn(axis: str, angle: float) -> pin.SE3:
    return pin.SE3(pin.utils.rotate(axis, angle), np.zeros(3))


def _shift(x: float, z: float) -> pin.SE3:
    return pin.SE3(np.eye(3), np.array([x, 0.0, z]))
