"""Everything that one arm's bridge decides, without ROS and without a clock.

Who may command (stop before human before policy), whether a chunk may be executed, which setpoint is sent in
a servo period, and what the sender is told. `zprl_core` does the work: `SafetyGate`, `ChunkInterpolator`,
`ServoLimiter`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec
from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.errors import SafetyError
from zprl_core.safety import ChunkCommand, SafetyGate, SafetyLimits, ServoLimiter, Situation, may_move
from zprl_core.trajectory import Chunk, ChunkInterpolator, ChunkOutcome, InterpolatorLimits, Setpoint, Status

Source = Literal["policy", "human"]
SOURCES: tuple[Source, ...] = ("policy", "human")
_UNSTAMPED = -1
_ROUNDING_NS = 1_000
_REMEMBERED = 4


@dataclass(frozen=True, eq=False)
class Report:
    """What became of a chunk.

    Attributes:
        outcome: the interpolator's account; for a refused chunk one without motion.
        refused: whether it never came to the interpolator.
        overridden: whether that is because a person has the arm.
        executed: setpoints sent at the waypoints' times, float64 (H, dim); (0, dim) for a refused chunk.
    """

    episode: int
    chunk: int
    refused: bool
    reason: str
    executed: NDArray[np.float64]
    outcome: ChunkOutcome | None = None
    overridden: bool = False


def safety_limits(arm: ArmConfig) -> SafetyLimits:
    """The gate's limits as the rig file gives them."""
    gripper = arm.gripper
    limits = SafetyLimits(
        workspace_low_m=arm.workspace.min_m,
        workspace_high_m=arm.workspace.max_m,
        linear_m_s=arm.limits.linear_velocity_m_s,
        angular_rad_s=arm.limits.angular_velocity_rad_s,
        jump_m=arm.limits.jump_m,
        jump_rad=arm.limits.jump_rad,
    )
    if gripper is None:
        return limits
    return replace(
        limits,
        gripper_low_m=gripper.min_width_m,
        gripper_high_m=gripper.max_width_m,
        gripper_m_s=gripper.speed_m_s,
    )


def interpolator_limits(arm: ArmConfig) -> InterpolatorLimits:
    """The interpolator's limits as the rig file gives them."""
    return InterpolatorLimits(
        brake_m_s2=arm.limits.linear_acceleration_m_s2,
        brake_rad_s2=arm.limits.angular_acceleration_rad_s2,
        watchdog_s=arm.watchdog_s,
    )


class ArmController:
    """Decides for one arm.

    Args:
        arm: its configuration.
        task: whose action layout the chunks have.
        run_id: of the session; chunks of another one are refused.
        start: where the arm is, measured.
    """

    def __init__(self, arm: ArmConfig, task: TaskConfig, run_id: str, start: Setpoint) -> None:
        self._arm, self._run_id = arm, run_id
        self._codec = ActionCodec.from_config(task.action).single_arm()
        self._limits = safety_limits(arm)
        self._gate = SafetyGate(self._codec, self._limits)
        self._episode, self._state, self._driver_fault = 0, "", ""
        self.reset(start)

    @property
    def dim(self) -> int:
        """Numbers per waypoint."""
        return self._codec.dim

    @property
    def fault(self) -> str:
        """Why the arm holds and takes no chunk until it is restarted; empty when it does not."""
        if self._driver_fault:
            return self._driver_fault
        if self._interpolator.status is Status.TRIPPED:
            refused = f" (the last one refused was {self._last_refusal})" if self._last_refusal else ""
            late = f"no valid chunk for {self._arm.watchdog_s} s"
            return f"watchdog: {late}, holding until the next reset{refused}"
        return self._stop_reason

    @property
    def owner(self) -> str:
        """Who moves the arm: "stop", "human", "policy", or "none" while nothing is commanded."""
        if self.fault or self._interpolator.needs_restart or not may_move(self._state, "policy"):
            return "stop"
        return self._source if self._interpolator.status is Status.TRACKING else "none"

    def reset(self, start: Setpoint) -> None:
        """Hold at `start`, gripper included, and forget every chunk, stop and stamp: the world was reset."""
        self._limiter = ServoLimiter(self._limits, start)
        self._interpolator = ChunkInterpolator(start, interpolator_limits(self._arm))
        self._refused: list[Report] = []
        self._admitted: deque[Chunk] = deque(maxlen=_REMEMBERED)
        self._source: Source = "policy"
        self._human_until_ns = self._last_ns = _UNSTAMPED
        self._stop_reason = self._last_refusal = ""

    def on_session(self, state: str, episode: int, t_ns: int, measured: Setpoint) -> None:
        """The session's state changed.

        Where it permits no motion the arm slows down and holds; where it permits motion again (after a
        pause) the path starts from where the arm was measured, with the grasp kept.
        """
        moved, moves = may_move(self._state, "policy"), may_move(state, "policy")
        self._state, self._episode = state, episode
        t_ns = self._latest(t_ns)
        if moved and not moves:
            self._interpolator.stop(t_ns, f"the session is {state}")
        elif moves and not moved and self._interpolator.status is Status.STOPPED and not self.fault:
            self._interpolator.restart(t_ns, measured)
            self._limiter.restart(self._interpolator.sample(t_ns))

    def on_driver(self, fault: str, t_ns: int) -> None:
        """The arm's own complaint, or its end."""
        if fault and not self._driver_fault:
            self._interpolator.stop(self._latest(t_ns), fault)
        self._driver_fault = fault

    def command(self, command: ChunkCommand, source: str, now_ns: int) -> bool:
        """A chunk has come. False where it was refused; `reports` says why."""
        if source == "policy" and now_ns < self._human_until_ns:
            self.refuse(command, f"chunk {command.name}: a person has the arm", overridden=True)
            return False
        try:
            self._admit(command, source, now_ns)
        except SafetyError as error:
            self.refuse(command, str(error))
            return False
        return True

    def refuse(self, command: ChunkCommand, reason: str, *, overridden: bool = False) -> None:
        """Answer a chunk with a refusal."""
        self._last_refusal = "" if overridden else reason
        nothing = np.empty((0, self._codec.dim))
        self._refused.append(
            Report(command.episode, command.chunk, True, reason, nothing, overridden=overridden)
        )

    def setpoint(self, t_ns: int, step_s: float) -> Setpoint:
        """The setpoint to be reached at `t_ns`, the end of a servo period that is `step_s` long.

        Never raises for what a chunk holds: a setpoint that is not finite becomes a stop at the last good
        one.
        """
        t_ns = self._latest(t_ns)
        wanted = self._interpolator.sample(t_ns)
        try:
            sent, clamped = self._limiter.limit(wanted, step_s)
        except SafetyError as error:
            self._stop_reason = str(error)
            self._interpolator.restart(t_ns, self._limiter.last)
            self._interpolator.stop(t_ns, self._stop_reason)
            return self._limiter.last
        if clamped:
            self._interpolator.amend(sent)
        return sent

    def reports(self, t_ns: int) -> list[Report]:
        """Accounts of the chunks that ended or were refused since the last call."""
        refused, self._refused = self._refused, []
        outcomes = self._interpolator.take_outcomes(self._latest(t_ns))
        return refused + [self._report(outcome) for outcome in outcomes]

    def _latest(self, t_ns: int) -> int:
        """Setpoints are asked for ahead of time, chunks come in between: the interpolator's time never goes
        back.
        """
        self._last_ns = max(self._last_ns, t_ns)
        return self._last_ns

    def _admit(self, command: ChunkCommand, source: str, now_ns: int) -> None:
        if source not in SOURCES:
            raise SafetyError(f"chunk {command.name}: source '{source}', allowed: {', '.join(SOURCES)}")
        if self._driver_fault:
            raise SafetyError(f"chunk {command.name}: {self._driver_fault}")
        present = self._setpoint_at(max(command.stamp_ns, now_ns), now_ns)
        situation = Situation(now_ns, self._run_id, self._episode, self._state, present)
        chunk = self._gate.admit(command, situation)
        self._interpolator.add_chunk(chunk, self._latest(now_ns))
        self._admitted.append(chunk)
        self._last_refusal = ""
        if source == "human":
            self._human_until_ns = chunk.end_ns + round(self._arm.watchdog_s * 1e9)
            self._source = "human"
        else:
            self._source = "policy"

    def _setpoint_at(self, t_ns: int, now_ns: int) -> Setpoint:
        """Where the arm will be told to be at a time to come, by the chunk before; where there is none,
        where it is.

        A chunk is sent some ticks before it starts, and must be judged by where it takes over.
        """
        before = next((c for c in reversed(self._admitted) if c.passed(t_ns + _ROUNDING_NS) > 0), None)
        if before is None or self._interpolator.needs_restart or before.end_ns <= now_ns:
            return self._limiter.last
        way, i = before.waypoints, before.passed(t_ns + _ROUNDING_NS) - 1
        width = None if way.gripper_width is None else float(way.gripper_width[i])
        return Setpoint(way.position[i], way.quaternion[i], width)

    def _report(self, outcome: ChunkOutcome) -> Report:
        executed = self._codec.encode([outcome.executed])
        return Report(outcome.episode, outcome.index, False, outcome.reason, executed, outcome)
