"""The bridge's messages from what the controller and the driver say."""

from __future__ import annotations

import math

import numpy as np
from zprl_interfaces.msg import (
    ActionChunk,
    ArmState,
    ChunkReport,
    EpisodeMotion,
    MotionStatistics,
    ObserveDue,
    SimState,
)

from zprl_arms.controller import ArmController, Report
from zprl_arms.driver import ArmReading, WorldState
from zprl_bringup import convert
from zprl_core.config import ArmConfig
from zprl_core.safety import ChunkCommand
from zprl_core.smoothness import QUANTITIES, Smoothness
from zprl_core.smoothness.episode import MotionRecord

_CUT_SHORT = {
    "": ChunkReport.INTERRUPTED,
    "label": ChunkReport.LABELLED,
    "person": ChunkReport.TAKEN_OVER,
}


def chunk_command(message: ActionChunk) -> ChunkCommand:
    """A chunk as it came; the numbers are looked at later."""
    return ChunkCommand(
        run_id=message.run_id,
        episode=message.episode,
        chunk=message.chunk,
        stamp_ns=convert.stamp_ns(message),
        dt_s=message.dt_s,
        dim=message.dim,
        source=message.source,
        frame=message.header.frame_id,
        actions=convert.vector(message.actions).copy(),  # scipy's rotations refuse read-only memory
    )


def arm_state(stamp_ns: int, arm: ArmConfig, reading: ArmReading, controller: ArmController) -> ArmState:
    """What the arm measured at `stamp_ns` (or when its controller says), what it was told, and who has it."""
    measured, commanded = reading.pose_base_tcp, controller.last
    return ArmState(
        header=convert.header(stamp_ns if reading.stamp_ns is None else reading.stamp_ns, arm.frame),
        arm=arm.name,
        joint_position_rad=convert.doubles(reading.joint_position_rad),
        joint_velocity_rad_s=convert.doubles(reading.joint_velocity_rad_s),
        pose_base_tcp=convert.pose_message(measured.position, measured.quaternion),
        gripper_width_m=_known(reading.gripper_width_m),
        wrench_base=convert.doubles(np.empty(0) if reading.wrench_base is None else reading.wrench_base),
        setpoint_base_tcp=convert.pose_message(commanded.position, commanded.quaternion),
        setpoint_width_m=_known(commanded.gripper_width),
        owner=controller.owner,
        homed_sequence=controller.homed_sequence,
        fault=controller.fault,
    )


def sim_state(stamp_ns: int, episode: int, world: WorldState, *, observed: bool, chunk_end: int) -> SimState:
    """The simulated world at `stamp_ns`."""
    return SimState(
        header=convert.header(stamp_ns, "world"),
        episode=episode,
        qpos=convert.doubles(world.qpos),
        qvel=convert.doubles(world.qvel),
        scene=world.scene,
        observation_due=observed,
        chunk_end=chunk_end,
    )


def observe_due(stamp_ns: int, episode: int, chunk: int, start_ns: int) -> ObserveDue:
    """The observation of `chunk` is due."""
    return ObserveDue(
        header=convert.header(stamp_ns),
        episode=episode,
        chunk=chunk,
        chunk_start=convert.time_message(start_ns),
    )


def chunk_report(stamp_ns: int, frame: str, arm: str, dim: int, report: Report) -> ChunkReport:
    """What became of a chunk."""
    message = ChunkReport(
        header=convert.header(stamp_ns, frame),
        arm=arm,
        episode=report.episode,
        chunk=report.chunk,
        source=report.source,
        status=_status(report),
        reason=report.reason,
        dim=dim,
        executed=convert.doubles(report.executed),
    )
    if report.outcome is not None:
        outcome = report.outcome
        message.skipped_steps = outcome.skipped_steps
        message.clamped_fraction = outcome.clamped_fraction
        message.reason = report.reason or outcome.clamped_text
        message.first_motion_s = outcome.first_motion_s
        message.seam_gap_s = outcome.seam_gap_s
        message.seam_velocity_jump_m_s = outcome.seam_velocity_jump_m_s
    return message


def episode_motion(stamp_ns: int, frame: str, run_id: str, record: MotionRecord) -> EpisodeMotion:
    """How smoothly an arm moved in an episode."""
    return EpisodeMotion(
        header=convert.header(stamp_ns, frame),
        run_id=run_id,
        arm=record.arm,
        episode=record.episode,
        outcome=record.outcome,
        shadow=record.shadow,
        human_share=record.human_share,
        policy_steps=record.policy.steps,
        policy_velocity_m_s=_known(record.policy.velocity_m_s),
        policy_acceleration_m_s2=_known(record.policy.acceleration_m_s2),
        commanded=_statistics(record.commanded),
        measured=_statistics(record.measured),
        alarms=list(record.alarms),
    )


def _statistics(found: Smoothness) -> MotionStatistics:
    spreads = [found.spread(quantity) for quantity in QUANTITIES]
    speed, acceleration, jerk, *angular = [
        np.full(3, math.nan) if spread is None else np.array(spread) for spread in spreads
    ]
    return MotionStatistics(
        duration_s=found.duration_s,
        samples=found.samples,
        speed_m_s=speed,
        acceleration_m_s2=acceleration,
        jerk_m_s3=jerk,
        angular_speed_rad_s=angular[0],
        angular_acceleration_rad_s2=angular[1],
        angular_jerk_rad_s3=angular[2],
        sparc=_known(found.sparc),
        reason=found.reason,
    )


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _status(report: Report) -> int:
    if report.refused:
        return int(ChunkReport.OVERRIDDEN if report.overridden else ChunkReport.REFUSED)
    if report.shadow:
        return int(ChunkReport.SHADOW)
    return int(_CUT_SHORT[report.cut_by] if report.reason else ChunkReport.EXECUTED)
