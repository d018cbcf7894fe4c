"""A rig's limits as the safety gate, the servo limiter and the interpolator take them."""

from __future__ import annotations

from dataclasses import replace

from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.safety import ChunkForm, SafetyLimits
from zprl_core.safety.limits import KeepOut
from zprl_core.trajectory import InterpolatorLimits

_PLANNED = 0.5
_LEVER_M = 0.3  # by which a joint moves the tool


def safety_limits(arm: ArmConfig) -> SafetyLimits:
    """The gate's limits as the rig file gives them."""
    gripper, workspace, given = arm.gripper, arm.workspace, arm.limits
    limits = SafetyLimits(
        workspace_low_m=workspace.min_m,
        workspace_high_m=workspace.max_m,
        workspace_tolerance_m=workspace.tolerance_m,
        keep_out=tuple(KeepOut(box.name, box.min_m, box.max_m) for box in workspace.keep_out),
        outside=workspace.outside,
        too_fast=given.too_fast,
        linear_m_s=given.linear_velocity_m_s,
        linear_m_s2=given.linear_acceleration_m_s2,
        linear_m_s3=given.linear_jerk_m_s3,
        angular_rad_s=given.angular_velocity_rad_s,
        angular_rad_s2=given.angular_acceleration_rad_s2,
        angular_rad_s3=given.angular_jerk_rad_s3,
        jump_m=given.jump_m,
        jump_rad=given.jump_rad,
    )
    if gripper is None:
        return limits
    return replace(
        limits,
        gripper_low_m=gripper.min_width_m,
        gripper_high_m=gripper.max_width_m,
        gripper_m_s=gripper.speed_m_s,
    )


def sudden_rad_s2(arm: ArmConfig) -> float:
    """What the tool's accelerations can ask of a joint, rad/s^2, where the arm is not near a singularity."""
    return arm.limits.angular_acceleration_rad_s2 + arm.limits.linear_acceleration_m_s2 / _LEVER_M


def chunk_form(task: TaskConfig, arm: ArmConfig) -> ChunkForm:
    """What a chunk of a task must look like for an arm."""
    return ChunkForm(task.action.chunk, task.waypoint_s, 1.0 / arm.servo_rate_hz)


def interpolator_limits(arm: ArmConfig, task: TaskConfig | None = None) -> InterpolatorLimits:
    """The interpolator's limits as the rig file gives them, and the time that the task's policy has to go on
    after a person: a chunk may have been overridden just now, and the next one comes after it.

    It stops and blends with half of the acceleration that the arm may have: a blend comes on top of the
    motion of the chunk that it joins. A gripper catches up at the speed that it may have.
    """
    limits = InterpolatorLimits(
        brake_m_s2=_PLANNED * arm.limits.linear_acceleration_m_s2,
        brake_rad_s2=_PLANNED * arm.limits.angular_acceleration_rad_s2,
        watchdog_s=arm.watchdog_s,
        handback_s=arm.watchdog_s + (task.action.chunk_ticks * task.tick_s if task else 0.0),
    )
    return limits if arm.gripper is None else replace(limits, catch_up_gripper_m_s=arm.gripper.speed_m_s)
