"""From action chunks to a smooth stream of setpoints for one arm. Start at `ChunkInterpolator`."""

from zprl_core.trajectory.active import Chunk, ChunkOutcome, CutBy
from zprl_core.trajectory.interpolator import ChunkInterpolator
from zprl_core.trajectory.limits import InterpolatorLimits, Status
from zprl_core.trajectory.motion import MotionState, Setpoint
from zprl_core.trajectory.spline import PoseSpline

__all__ = [
    "Chunk",
    "ChunkInterpolator",
    "ChunkOutcome",
    "CutBy",
    "InterpolatorLimits",
    "MotionState",
    "PoseSpline",
    "Setpoint",
    "Status",
]
