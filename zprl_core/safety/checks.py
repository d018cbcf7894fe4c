"""What is asked of a chunk before it may move an arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from zprl_core import transforms
from zprl_core.safety.limits import SafetyLimits
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import Array

Purpose = Literal["policy", "homing"]
LEASE: dict[str, frozenset[Purpose]] = {"running": frozenset({"policy"}), "resetting": frozenset({"homing"})}
"""In which session states an arm may move, and for what; in every other state it holds."""


def may_move(session_state: str, purpose: Purpose) -> bool:
    """Whether the session's state permits motion for this purpose."""
    return purpose in LEASE.get(session_state, frozenset())


@dataclass(frozen=True, eq=False)
class ChunkCommand:
    """A chunk as it came, unchecked.

    Attributes:
        run_id, episode, chunk: what it says it belongs to.
        stamp_ns: time of its first waypoint, ns.
        dt_s: time between waypoints, s.
        dim: numbers per waypoint.
        actions: ``(H, dim)`` or flat ``(H * dim,)``.
        purpose: what the motion is for.
    """

    run_id: str
    episode: int
    chunk: int
    stamp_ns: int
    dt_s: float
    dim: int
    actions: ArrayLike
    purpose: Purpose = "policy"

    @property
    def name(self) -> str:
        """For messages to people: "episode/chunk"."""
        return f"{self.episode}/{self.chunk}"


@dataclass(frozen=True, eq=False)
class Situation:
    """What the bridge knows when a chunk comes.

    Attributes:
        now_ns: the present time on the stamps' clock, ns.
        run_id, episode, session_state: from the session's latest state.
        setpoint: what is commanded now.
    """

    now_ns: int
    run_id: str
    episode: int
    session_state: str
    setpoint: Setpoint


Check = Callable[[Chunk, Situation, SafetyLimits], str]
"""Looks at a decoded chunk and returns why it is refused, or an empty string."""


def check_lease(command: ChunkCommand, situation: Situation) -> str:
    """The chunk belongs to this run and episode, and the session's state permits motion."""
    if command.run_id != situation.run_id:
        return f"it is for run {command.run_id!r}, this is run {situation.run_id!r}"
    if command.episode != situation.episode:
        return f"it is for episode {command.episode}, this is episode {situation.episode}"
    if not may_move(situation.session_state, command.purpose):
        return f"no motion for {command.purpose} while the session is {situation.session_state}"
    return ""


def check_time(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The stamp is neither too old nor too far ahead, and something of the chunk is still to come."""
    late_s = (situation.now_ns - chunk.stamp_ns) * 1e-9
    if late_s > limits.max_late_s:
        return f"its stamp is {late_s:.3f} s old, allowed {limits.max_late_s:.3f} s"
    if -late_s > limits.max_ahead_s:
        return f"its stamp is {-late_s:.3f} s ahead, allowed {limits.max_ahead_s:.3f} s"
    if chunk.end_ns <= situation.now_ns:
        return f"all of its {len(chunk.waypoints)} waypoints lie in the past"
    return ""


def check_workspace(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """No waypoint lies farther outside the workspace box than the tolerance."""
    position = chunk.waypoints.position
    low, high = np.array(limits.workspace_low_m), np.array(limits.workspace_high_m)
    outside = np.maximum(np.maximum(low - position, position - high), 0.0).max(axis=1)
    worst = int(outside.argmax())
    if outside[worst] <= limits.workspace_tolerance_m:
        return ""
    return (
        f"waypoint {worst} at {_text(position[worst])} m lies {outside[worst]:.3f} m outside the workspace "
        f"{_text(low)} to {_text(high)}, allowed {limits.workspace_tolerance_m:.3f} m"
    )


def check_jump(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The first waypoint still to come is near the present setpoint."""
    first = min(chunk.passed(situation.now_ns), len(chunk.waypoints) - 1)
    gap_m = float(np.linalg.norm(chunk.waypoints.position[first] - situation.setpoint.position))
    turned = transforms.angle_between(chunk.waypoints.quaternion[first], situation.setpoint.quaternion)
    where = f"of the present setpoint (first waypoint to come: {first})"
    if gap_m > limits.jump_m:
        return f"it starts {gap_m:.3f} m away, allowed: within {limits.jump_m:.3f} m {where}"
    if turned > limits.jump_rad:
        return f"it starts {float(turned):.2f} rad away, allowed: within {limits.jump_rad:.2f} rad {where}"
    return ""


DEFAULT_CHECKS: tuple[Check, ...] = (check_time, check_workspace, check_jump)


def _text(vector: Array) -> str:
    return "(" + ", ".join(f"{v:.3f}" for v in vector) + ")"
