"""Differences of a stream of setpoints, and what must hold of them."""

from __future__ import annotations

import math

import numpy as np

from zprl_core.safety import SafetyLimits
from zprl_core.safety.region import contains
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import quaternion_conjugate, quaternion_multiply, rotvec_from_quaternion

TOLERANCE = 2e-6  # share of a limit: what rounding adds to the third difference of positions


def differences(steps: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Norms of velocity, acceleration and jerk of steps ``(n, 3)`` that begin at rest."""
    h = np.concatenate((seconds[:1], seconds[:1], seconds))
    velocity = np.vstack((np.zeros((2, 3)), steps / seconds[:, None]))
    acceleration = np.diff(velocity, axis=0) / (0.5 * (h[1:] + h[:-1]))[:, None]
    jerk = np.diff(acceleration, axis=0) / ((h[2:] + h[1:-1] + h[:-2]) / 3.0)[:, None]
    return tuple(np.linalg.norm(d, axis=1) for d in (velocity, acceleration, jerk))  # type: ignore[return-value]


def moves(sent: list[Setpoint]) -> tuple[np.ndarray, np.ndarray]:
    """Steps of the position (m) and of the rotation (rad, tool frame), each ``(n - 1, 3)``."""
    quaternions = np.array([s.quaternion for s in sent])
    turns = quaternion_multiply(quaternion_conjugate(quaternions[:-1]), quaternions[1:])
    return np.diff([s.position for s in sent], axis=0), rotvec_from_quaternion(turns)


def assert_within(limits: SafetyLimits, sent: list[Setpoint], seconds: list[float]) -> None:
    """The stream, of which ``sent[0]`` was held at rest, keeps every limit."""
    h = np.array(seconds)
    linear = (limits.linear_m_s, limits.linear_m_s2, limits.linear_m_s3)
    angular = (limits.angular_rad_s, limits.angular_rad_s2, limits.angular_rad_s3)
    for steps, most in zip(moves(sent), (linear, angular), strict=True):
        for order, (seen, limit) in enumerate(zip(differences(steps, h), most, strict=True), start=1):
            noise = 1e-14 / h.min() ** order
            assert seen.max() <= (math.inf if limit is None else limit) * (1.0 + TOLERANCE) + noise
    for setpoint in sent:
        assert (setpoint.position >= np.array(limits.workspace_low_m) - 1e-12).all()
        assert (setpoint.position <= np.array(limits.workspace_high_m) + 1e-12).all()
        assert not any(contains(box, setpoint.position.tolist()) for box in limits.keep_out)
        width = setpoint.gripper_width
        assert width is None or limits.gripper_low_m <= width <= limits.gripper_high_m
    widths = [s.gripper_width for s in sent if s.gripper_width is not None]
    if len(widths) == len(sent):
        assert (np.abs(np.diff(widths)) <= limits.gripper_m_s * h + 1e-12).all()
