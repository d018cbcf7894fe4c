"""The limits of an arm as its rig file states them."""

from __future__ import annotations

from zprl_core.config.rig import ArmConfig
from zprl_core.safety.limits import SafetyLimits
from zprl_core.trajectory import InterpolatorLimits


def safety_limits(arm: ArmConfig) -> SafetyLimits:
    """Limits for the arm's `SafetyGate` and `ServoLimiter`."""
    gripper = arm.gripper
    return SafetyLimits(
        workspace_low_m=arm.workspace.min_m,
        workspace_high_m=arm.workspace.max_m,
        linear_m_s=arm.limits.linear_velocity_m_s,
        angular_rad_s=arm.limits.angular_velocity_rad_s,
        gripper_low_m=gripper.min_width_m if gripper else 0.0,
        gripper_high_m=gripper.max_width_m if gripper else 0.0,
        gripper_m_s=gripper.speed_m_s if gripper else SafetyLimits.gripper_m_s,
    )


def interpolator_limits(arm: ArmConfig) -> InterpolatorLimits:
    """Limits for the arm's `ChunkInterpolator`: it brakes and blends at the arm's acceleration limits."""
    linear, angular = arm.limits.linear_acceleration_m_s2, arm.limits.angular_acceleration_rad_s2
    return InterpolatorLimits(
        blend_m_s2=linear,
        blend_rad_s2=angular,
        brake_m_s2=linear,
        brake_rad_s2=angular,
        watchdog_s=arm.watchdog_s,
    )
