"""What is asked of a chunk before it may move an arm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from zprl_core import transforms
from zprl_core.safety.limits import SafetyLimits
from zprl_core.safety.region import crosses
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import Array

Purpose = Literal["policy", "human", "homing"]
Lease = Mapping[str, frozenset[Purpose]]
LEASE: Lease = {"running": frozenset({"policy", "human"}), "resetting": frozenset({"homing"})}
"""In which session states an arm may move, and for what; in every other state it holds."""
RESET_BY_HAND: Lease = {**LEASE, "ready": frozenset({"human"})}
"""The same for a task whose scene a person resets with the arms."""


def lease_for(*, reset_by_hand: bool, demonstrated: bool) -> Lease:
    """What an arm may move for.

    Args:
        reset_by_hand: a person resets the scene with the arms.
        demonstrated: episodes are a person's, no policy drives.
    """
    lease = RESET_BY_HAND if reset_by_hand else LEASE
    return {**lease, "running": frozenset({"human"})} if demonstrated else lease


_GRIPPER_TOLERANCE_M = 0.05  # farther outside its range than this, a width is not meant
_ABSURD = 1e6
_ROUNDING = 1e-6  # m where a length is asked for, else a share of the limit


def fixed(value: float, digits: int = 3) -> str:
    """A number for people: with so many digits, or in short where it is absurd."""
    return f"{value:.{digits}f}" if abs(value) < _ABSURD else f"{value:.4g}"


def may_move(session_state: str, purpose: str, lease: Lease = LEASE) -> bool:
    """Whether the session's state permits motion for this purpose."""
    return purpose in lease.get(session_state, frozenset())


@dataclass(frozen=True, eq=False)
class ChunkCommand:
    """A chunk as it came, unchecked.

    Attributes:
        run_id, episode, chunk: what it says it belongs to.
        stamp_ns: time of its first waypoint, ns.
        dt_s: time between waypoints, s.
        dim: numbers per waypoint.
        actions: ``(H, dim)`` or flat ``(H * dim,)``.
        source: who commands it: policy or human.
        frame: base frame of the arm that it is for; None: it came without a message that must say so.
    """

    run_id: str
    episode: int
    chunk: int
    stamp_ns: int
    dt_s: float
    dim: int
    actions: ArrayLike
    source: str = "policy"
    frame: str | None = None

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
        setpoint: what is commanded when the chunk takes over.
        frame: base frame of this arm; empty: any chunk's will do.
        lease: what an arm may move for in which state of the session.
    """

    now_ns: int
    run_id: str
    episode: int
    session_state: str
    setpoint: Setpoint
    frame: str = ""
    lease: Lease = field(default_factory=lambda: LEASE)


Check = Callable[[Chunk, Situation, SafetyLimits], str]
"""Looks at a decoded chunk and returns why it is refused, or an empty string."""


def check_lease(command: ChunkCommand, situation: Situation) -> str:
    """The chunk belongs to this run, episode and arm, and the session's state permits motion."""
    if command.run_id != situation.run_id:
        return f"it is for run {command.run_id!r}, this is run {situation.run_id!r}"
    if command.episode != situation.episode:
        return f"it is for episode {command.episode}, this is episode {situation.episode}"
    if command.frame is not None and situation.frame and command.frame != situation.frame:
        return f"it is for another arm: its frame is {command.frame!r}, this one's {situation.frame!r}"
    if not may_move(situation.session_state, command.source, situation.lease):
        return f"no motion for {command.source} while the session is {situation.session_state}"
    return ""


def check_time(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The stamp is neither too old nor too far ahead, and something of the chunk is still to come."""
    late_s = (situation.now_ns - chunk.stamp_ns) * 1e-9
    if late_s > limits.max_late_s:
        return f"its stamp is {fixed(late_s)} s old, allowed {limits.max_late_s:.3f} s"
    if -late_s > limits.max_ahead_s:
        return f"its stamp is {fixed(-late_s)} s ahead, allowed {limits.max_ahead_s:.3f} s"
    if chunk.end_ns <= situation.now_ns:
        return f"all of its {len(chunk.waypoints)} waypoints lie in the past"
    return ""


def check_workspace(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """No waypoint lies farther outside the workspace than the tolerance, or at all where that is refused."""
    position = chunk.waypoints.position
    low, high = np.array(limits.workspace_low_m), np.array(limits.workspace_high_m)
    outside = np.maximum(np.maximum(low - position, position - high), 0.0).max(axis=1)
    worst = int(outside.argmax())
    allowed = limits.workspace_tolerance_m if limits.outside == "clamp" else _ROUNDING
    if outside[worst] <= allowed:
        return ""
    return (
        f"waypoint {worst} at {_text(position[worst])} m lies {fixed(outside[worst])} m outside the "
        f"workspace {_text(low)} to {_text(high)}, allowed {allowed:.3f} m"
    )


def check_keep_out(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The straight lines from the present setpoint through the waypoints to come enter no keep-out box."""
    first = _first_to_come(chunk, situation)
    points = [situation.setpoint.position.tolist(), *chunk.waypoints.position[first:].tolist()]
    for i, (start, end) in enumerate(itertools.pairwise(points), start=first):
        for box in limits.keep_out:
            if crosses(box, start, end):
                return (
                    f"the way to waypoint {i} at {_text(end)} m enters {box.name!r}, the keep-out box "
                    f"{_text(box.low_m)} to {_text(box.high_m)} m"
                )
    return ""


def check_jump(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The first waypoint still to come is near the present setpoint."""
    first = _first_to_come(chunk, situation)
    gap_m = float(np.linalg.norm(chunk.waypoints.position[first] - situation.setpoint.position))
    turned = transforms.angle_between(chunk.waypoints.quaternion[first], situation.setpoint.quaternion)
    where = f"of the present setpoint (first waypoint to come: {first})"
    if gap_m > limits.jump_m:
        return f"it starts {fixed(gap_m)} m away, allowed: within {limits.jump_m:.3f} m {where}"
    if turned > limits.jump_rad:
        return f"it starts {float(turned):.2f} rad away, allowed: within {limits.jump_rad:.2f} rad {where}"
    return ""


def check_speed(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """Where too fast is refused: speed and acceleration, from the present setpoint through the waypoints.

    The step to the first waypoint to come counts with a whole tick.
    """
    if limits.too_fast != "refuse":
        return ""
    first, way, now = _first_to_come(chunk, situation), chunk.waypoints, situation.setpoint
    steps = np.diff(np.vstack((now.position, way.position[first:])), axis=0)
    quaternions = np.vstack((now.quaternion, way.quaternion[first:]))
    turns = transforms.rotvec_from_quaternion(
        transforms.quaternion_multiply(transforms.quaternion_conjugate(quaternions[:-1]), quaternions[1:])
    )
    return _too_fast(steps, chunk.dt_s, first, "m", limits.linear_m_s, limits.linear_m_s2) or _too_fast(
        turns, chunk.dt_s, first, "rad", limits.angular_rad_s, limits.angular_rad_s2
    )


def check_gripper(chunk: Chunk, situation: Situation, limits: SafetyLimits) -> str:
    """The gripper's width: its range where outside is refused, its speed where too fast is. Far outside its
    range is no width.
    """
    widths = chunk.waypoints.gripper_width
    if widths is None:
        return ""
    low, high = limits.gripper_low_m, limits.gripper_high_m
    outside = np.maximum(low - widths, widths - high)
    worst = int(outside.argmax())
    allowed = _GRIPPER_TOLERANCE_M if limits.outside == "clamp" else _ROUNDING
    if outside[worst] > allowed:
        beyond = f", and {allowed:g} m beyond" if limits.outside == "clamp" else ""
        seen = fixed(float(widths[worst]), 4)
        return f"waypoint {worst}: gripper width {seen} m, allowed {low:.4f} to {high:.4f} m{beyond}"
    first, before = _first_to_come(chunk, situation), situation.setpoint.gripper_width
    steps = np.diff(widths[first:] if before is None else np.append(before, widths[first:]))
    if limits.too_fast == "clamp" or len(steps) == 0:
        return ""
    skipped = first + (1 if before is None else 0)
    return _too_fast(steps[:, None], chunk.dt_s, skipped, "m", limits.gripper_m_s, None, "the gripper's ")


DEFAULT_CHECKS: tuple[Check, ...] = (
    check_time,
    check_workspace,
    check_jump,
    check_keep_out,
    check_speed,
    check_gripper,
)


def _first_to_come(chunk: Chunk, situation: Situation) -> int:
    return min(chunk.passed(situation.now_ns), len(chunk.waypoints) - 1)


def _too_fast(
    steps: Array, dt_s: float, first: int, unit: str, speed: float, most: float | None, whose: str = ""
) -> str:
    """What is wrong with steps ``(n, k)`` of ``dt_s`` each, of which row 0 leads to waypoint ``first``."""
    velocity = steps / dt_s
    speeds = np.linalg.norm(velocity, axis=1)
    worst = int(speeds.argmax())
    if speeds[worst] > speed * (1.0 + _ROUNDING):
        seen = f"{whose}{fixed(speeds[worst])} {unit}/s"
        return f"the way to waypoint {first + worst} takes {seen}, allowed {speed:g} {unit}/s"
    pushes = np.linalg.norm(np.diff(velocity, axis=0), axis=1) / dt_s
    if most is None or len(pushes) == 0 or pushes.max() <= most * (1.0 + _ROUNDING):
        return ""
    worst = int(pushes.argmax())
    seen = f"{fixed(pushes[worst], 2)} {unit}/s^2"
    return f"at waypoint {first + worst} the velocity changes by {seen}, allowed {most:g} {unit}/s^2"


def _text(vector: ArrayLike) -> str:
    return "(" + ", ".join(fixed(v) for v in np.asarray(vector).tolist()) + ")"
