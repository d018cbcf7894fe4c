# SPDX-License-Identifier: Apache-2.0
"""xArm-6 kinematics from UFACTORY's published standard Denavit-Hartenberg parameters.

Source: UFACTORY, "Kinematic and Dynamic Parameters of xArm 6", standard D-H table. Joint i turns
frame i-1 about its z axis, then T_i = Rz(theta_i + offset_i) Tz(d_i) Tx(a_i) Rx(alpha_i).

Frames: base = the arm's mounting plate, z up; flange = frame 6, z out of the flange; tcp = flange
shifted along its z by a tool length. At zero joints the flange is at (207, 0, 112) mm, facing down.

The arithmetic is on Python floats: for matrices this small it is several times faster than numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]
Array = NDArray[np.float64]

JOINTS = 6
# The table's a2 and offsets are sqrt(284.5^2 + 53.5^2) mm and atan(284.5 / 53.5); it prints a2 as 289.48866.
_OFFSET = math.atan2(284.5, 53.5)  # the upper arm's elbow is 53.5 mm in front of its shoulder


class DHRow(NamedTuple):
    """One row of the standard table, lengths in m, angles in rad."""

    d: float
    a: float
    alpha: float
    offset: float


DH: tuple[DHRow, ...] = (
    DHRow(0.267, 0.0, -math.pi / 2, 0.0),
    DHRow(0.0, math.hypot(0.2845, 0.0535), 0.0, -_OFFSET),
    DHRow(0.0, 0.0775, -math.pi / 2, _OFFSET),
    DHRow(0.3425, 0.0, math.pi / 2, 0.0),
    DHRow(0.0, 0.076, -math.pi / 2, 0.0),
    DHRow(0.097, 0.0, 0.0, 0.0),
)
LOWER_RAD: Array = np.radians([-360.0, -118.0, -225.0, -360.0, -97.0, -360.0])
UPPER_RAD: Array = np.radians([360.0, 120.0, 11.0, 360.0, 180.0, 360.0])
LOWER_RAD.flags.writeable = False
UPPER_RAD.flags.writeable = False
_LOWER = LOWER_RAD.tolist()
_UPPER = UPPER_RAD.tolist()
_TOLERANCE = 2e-5  # below which every component of the error (m, rad) ends the search
_DAMPING = 1e-3  # of the least squares (m)
_MAX_STEP_RAD = 0.2  # largest change of one joint in one step
_TWISTS = tuple((round(math.cos(row.alpha)), round(math.sin(row.alpha))) for row in DH)


class Chain(NamedTuple):
    """Forward kinematics: tcp pose and the joint axes that its Jacobian needs, base frame, m."""

    position: Vector
    x_axis: Vector
    y_axis: Vector
    z_axis: Vector
    joint_axes: list[Vector]
    joint_origins: list[Vector]

    def rotation(self) -> Array:
        """R_base_tcp, float64 (3, 3)."""
        return np.array([self.x_axis, self.y_axis, self.z_axis]).T


def forward(joints_rad: Array | Sequence[float], tool_length_m: float = 0.0) -> Chain:
    """Pose of the tcp (the flange when `tool_length_m` is 0) for six joint angles.

    Args:
        joints_rad: (6,), J1 to J6 in rad, as the controller reports them.
        tool_length_m: from the flange to the tcp along the flange's z.
    """
    px = py = pz = 0.0
    xx, xy, xz = 1.0, 0.0, 0.0
    yx, yy, yz = 0.0, 1.0, 0.0
    zx, zy, zz = 0.0, 0.0, 1.0
    axes: list[Vector] = []
    origins: list[Vector] = []
    for angle, (d, a, _, offset), (ca, sa) in zip(joints_rad, DH, _TWISTS, strict=True):
        axes.append((zx, zy, zz))
        origins.append((px, py, pz))
        c, s = math.cos(angle + offset), math.sin(angle + offset)
        xx, xy, xz, ux, uy, uz = (
            c * xx + s * yx, c * xy + s * yy, c * xz + s * yz,
            c * yx - s * xx, c * yy - s * xy, c * yz - s * xz,
        )  # fmt: skip
        px, py, pz = px + d * zx + a * xx, py + d * zy + a * xy, pz + d * zz + a * xz
        yx, yy, yz, zx, zy, zz = (
            ca * ux + sa * zx, ca * uy + sa * zy, ca * uz + sa * zz,
            ca * zx - sa * ux, ca * zy - sa * uy, ca * zz - sa * uz,
        )  # fmt: skip
    tip = (px + tool_length_m * zx, py + tool_length_m * zy, pz + tool_length_m * zz)
    return Chain(tip, (xx, xy, xz), (yx, yy, yz), (zx, zy, zz), axes, origins)


def jacobian(chain: Chain) -> Array:
    """Geometric Jacobian in the base frame, float64 (6, 6): rows v (m/rad), then omega (rad/rad)."""
    x, y, z = chain.position
    columns = []
    for (ax, ay, az), (ox, oy, oz) in zip(chain.joint_axes, chain.joint_origins, strict=True):
        rx, ry, rz = x - ox, y - oy, z - oz
        columns.append((ay * rz - az * ry, az * rx - ax * rz, ax * ry - ay * rx, ax, ay, az))
    return np.array(columns).T


def _pose_error(chain: Chain, position: Vector, axes: tuple[Vector, Vector, Vector]) -> list[float]:
    """Position error (m) and half the sum of the axes' cross products (rad for small angles)."""
    error = [goal - now for goal, now in zip(position, chain.position, strict=True)]
    rx = ry = rz = 0.0
    for (nx, ny, nz), (gx, gy, gz) in zip(chain[1:4], axes, strict=True):
        rx += ny * gz - nz * gy
        ry += nz * gx - nx * gz
        rz += nx * gy - ny * gx
    return [*error, 0.5 * rx, 0.5 * ry, 0.5 * rz]


def _quat_axes(quat_wxyz: Array | Sequence[float]) -> tuple[Vector, Vector, Vector]:
    w, x, y, z = (float(v) for v in quat_wxyz)
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )


class Solution(NamedTuple):
    """Result of `inverse`."""

    joints_rad: list[float]
    error: float  # largest of the position errors (m) and rotation errors (rad)


def inverse(
    position_m: Array | Sequence[float],
    quat_wxyz: Array | Sequence[float],
    start_rad: Array | Sequence[float],
    tool_length_m: float = 0.0,
    *,
    iterations: int = 3,
) -> Solution:
    """Damped least squares from `start_rad`: the solution on the same branch as the last one.

    Args:
        position_m: (3,) goal of the tcp in the base frame.
        quat_wxyz: (4,) goal orientation, unit quaternion base <- tcp.
        start_rad: (6,) where to start, in rad; for a servo, the previous solution.
        tool_length_m: from the flange to the tcp.
        iterations: at most this many steps (a servo needs 1 or 2, a cold start up to 100).

    Returns:
        Joint angles inside the joint limits, and the error that is left. It never raises: at a
        joint limit or out of reach the error says how far off the closest found pose is.
    """
    joints = [float(v) for v in start_rad]
    goal = (float(position_m[0]), float(position_m[1]), float(position_m[2]))
    axes = _quat_axes(quat_wxyz)
    ridge = _DAMPING * _DAMPING * np.eye(JOINTS)
    for _ in range(iterations):
        chain = forward(joints, tool_length_m)
        error = _pose_error(chain, goal, axes)
        if max(map(abs, error)) < _TOLERANCE:
            return Solution(joints, max(map(abs, error)))
        jac = jacobian(chain)
        step = (jac.T @ np.linalg.solve(jac @ jac.T + ridge, error)).tolist()
        scale = min(1.0, _MAX_STEP_RAD / max(1e-12, max(map(abs, step))))
        joints = [
            min(max(q + scale * dq, low), high)
            for q, dq, low, high in zip(joints, step, _LOWER, _UPPER, strict=True)
        ]
    final = _pose_error(forward(joints, tool_length_m), goal, axes)
    return Solution(joints, max(map(abs, final)))
