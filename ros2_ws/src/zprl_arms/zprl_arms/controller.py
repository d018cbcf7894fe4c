"""Everything that one arm's bridge decides, without ROS and without a clock.

Who may command (stop before human before policy), whether a chunk may be executed, which setpoint is sent in
a servo period, and what the sender is told. `zprl_core` does the work: `SafetyGate`, `ChunkInterpolator`,
`Homing`, `ServoLimiter`.

A stop latches: whatever its reason, the arm slows down, holds, and takes no chunk until a person clears it
(the session's command "clear"), or, for a simulated world, until that is reset.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zprl_arms.clocks import Gap
from zprl_arms.driver import ArmReading
from zprl_arms.homing import HomingMove
from zprl_arms.limits import interpolator_limits, safety_limits
from zprl_arms.posture import Posture
from zprl_arms.takeover import Takeover
from zprl_core.actions import ActionCodec
from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.errors import DataError, SafetyError
from zprl_core.safety import ChunkCommand, SafetyGate, ServoLimiter, Situation, may_move
from zprl_core.safety.supervision import CommandedPoses, contact_problem, stale_problem, tracking_problem
from zprl_core.trajectory import Chunk, ChunkInterpolator, ChunkOutcome, Setpoint, Status

Source = Literal["policy", "human"]
SOURCES: tuple[Source, ...] = ("policy", "human")
CLEARABLE = ("stopped", "faulted")
"""Session states that a person's "clear" ends."""
MOVING = ("running", "resetting")
"""Session states in which an arm that does not follow stops for good."""
NOT_HOMED = -1
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
        shadow: whether motors are off, so that it was not executed.
        executed: setpoints sent at the waypoints' times, float64 (H, dim); of an overridden chunk a person's.
            (0, dim) for a refused chunk, and for an overridden one where they are not all known.
    """

    episode: int
    chunk: int
    refused: bool
    reason: str
    executed: NDArray[np.float64]
    outcome: ChunkOutcome | None = None
    overridden: bool = False
    shadow: bool = False


class ArmController:
    """Decides for one arm.

    Args:
        arm: its configuration.
        task: whose action layout the chunks have.
        run_id: of the session; chunks of another one are refused.
        start: where the arm is, measured.
        lease_s: longest silence of the session while the arm may move, s; None: not watched.
        shadow: motors are off: the arm stays where it is measured whatever is commanded.
        posture: of its joints and links; None: not looked at.
        streams_joints: whether `joints` is asked for.
    """

    def __init__(
        self,
        arm: ArmConfig,
        task: TaskConfig,
        run_id: str,
        start: Setpoint,
        *,
        lease_s: float | None = None,
        shadow: bool = False,
        posture: Posture | None = None,
        streams_joints: bool = False,
    ) -> None:
        self._arm, self._run_id, self._lease_s, self._shadow = arm, run_id, lease_s, shadow
        self._posture, self._streams_joints = posture, streams_joints
        self._homing: HomingMove | None = None
        self._braking = False
        self._lease_ns: int | None = None
        self.homed_episode = NOT_HOMED
        self._codec = ActionCodec.from_config(task.action).single_arm()
        self._limits = safety_limits(arm)
        self._gate = SafetyGate(self._codec, self._limits)
        self._measured = start
        self._episode, self._state, self._driver_fault = 0, "", ""
        self.reset(start)

    @property
    def dim(self) -> int:
        """Numbers per waypoint."""
        return self._codec.dim

    @property
    def fault(self) -> str:
        """Why the arm holds and takes no chunk until a person clears it; empty when it does not."""
        if self._driver_fault:
            return self._driver_fault
        if self._interpolator.status is Status.TRIPPED:
            refused = f" (the last one refused was {self._last_refusal})" if self._last_refusal else ""
            late = f"no valid chunk for {self._arm.watchdog_s} s"
            return f"watchdog: {late}, holding until it is cleared{refused}"
        return self._stop_reason

    @property
    def driver_fault(self) -> str:
        """What the arm itself complains of."""
        return self._driver_fault

    @property
    def owner(self) -> str:
        """Who moves the arm: "stop", "human", "policy", "homing", or "none" while nothing is commanded."""
        if self._homing is not None:
            return "homing"
        if self.fault or self._interpolator.needs_restart or not may_move(self._state, "policy"):
            return "stop"
        return self._source if self._interpolator.status is Status.TRACKING else "none"

    @property
    def joints(self) -> NDArray[np.float64] | None:
        """The setpoint that was commanded last in joint angles, float64 (joints,) rad; None where the driver
        streams poses, but for the way home.
        """
        if self._posture is None or not (self._streams_joints or self._homing is not None):
            return None
        return self._posture.commanded_rad

    @property
    def last(self) -> Setpoint:
        """The setpoint that was commanded last."""
        return self._limiter.last

    @property
    def at_rest(self) -> bool:
        """Whether nothing is commanded that moves the arm."""
        if self._homing is not None or self._braking:
            return False
        return self._interpolator.status is not Status.TRACKING and not self._moved

    def reset(self, start: Setpoint) -> None:
        """Hold at `start`, gripper included, and forget every chunk, stop and stamp: the world was reset."""
        self._limiter = ServoLimiter(self._limits, start)
        self._interpolator = ChunkInterpolator(start, interpolator_limits(self._arm))
        self._refused: list[Report] = []
        self._takeover = Takeover(self._codec)
        self._admitted: deque[Chunk] = deque(maxlen=_REMEMBERED)
        self._source: Source = "policy"
        self._human_until_ns = self._last_ns = _UNSTAMPED
        late_s, reach_s = self._arm.delay_s, self._arm.watchdog_s
        self._commanded = CommandedPoses(_UNSTAMPED, start.pose, late_s, reach_s)
        self._stop_reason = self._last_refusal = ""
        self._homing, self._braking, self._moved = None, False, False

    def on_session(self, state: str, episode: int, t_ns: int, measured: Setpoint) -> None:
        """The session's state changed.

        Where it permits no motion the arm slows down and holds; where it permits motion again (after a
        pause) the path starts from where the arm was measured, with the grasp kept. A session that a person
        cleared clears the arm.
        """
        moved, moves = may_move(self._state, "policy"), may_move(state, "policy")
        cleared = self._state in CLEARABLE and state not in CLEARABLE
        self._state, self._episode = state, episode
        t_ns = self._latest(t_ns)
        if self._homing is not None and not may_move(state, "homing"):
            self._interrupt_homing()
        if cleared:
            self.clear(t_ns, measured)
        elif moved and not moves:
            self._interpolator.stop(t_ns, f"the session is {state}")
        elif moves and not moved and self._interpolator.status is Status.STOPPED and not self.fault:
            self._go_on_from(t_ns, measured)

    def on_lease(self, t_ns: int) -> None:
        """The session has given a sign of life."""
        self._lease_ns = t_ns

    def on_reading(self, reading: ArmReading, t_ns: int) -> None:
        """The arm was read: does it complain, is it where it was told to be, is it at home?

        After its own complaint is gone the path starts again from where it is.
        """
        t_ns, self._measured = self._latest(t_ns), reading.setpoint
        if reading.fault and not self._driver_fault:
            self._halt(t_ns, reading.fault)
        elif self._driver_fault and not reading.fault:
            self._go_on_from(t_ns, reading.setpoint)
        self._driver_fault = reading.fault
        if self._posture is not None:
            self._posture.measured_rad = reading.joint_position_rad
        if self._homing is not None:
            self._look_for_home(self._homing, reading.joint_position_rad, t_ns)
        problem = "" if self._shadow or self._state not in MOVING else self._problem(reading, t_ns)
        if problem:
            self.stop(problem, t_ns)

    def hold(self, reason: str, t_ns: int) -> None:
        """Slow down and hold, without a latch: the path starts again when the session permits motion."""
        self._halt(self._latest(t_ns), reason)

    def stop(self, reason: str, t_ns: int) -> None:
        """Slow down, hold, and take nothing until cleared. The first reason stays."""
        if not self._stop_reason:
            self._stop_reason = reason
            self._halt(self._latest(t_ns), reason)

    def on_gap(self, gap: Gap, t_ns: int) -> None:
        """Servo periods did not follow each other: an arm that may move stops until it is cleared.

        It brakes from its last setpoint, not from where its path would be by now; an arm whose bridge stood
        still stands there already.
        """
        if self._shadow or (self.at_rest and self._state not in MOVING):
            return
        self.stop(gap.reason, t_ns)
        self._homing, self._braking = None, True
        if gap.stood:
            self._limiter.restart(self._limiter.last)

    def clear(self, t_ns: int, measured: Setpoint) -> None:
        """Forget why the arm stopped, because a person asked for it; hold where it is measured, or where it
        comes to rest.
        """
        moving = not self.at_rest
        self._stop_reason = self._last_refusal = ""
        self._homing, self._braking = None, moving
        if moving:
            self._interpolator.restart(self._latest(t_ns), self._limiter.last)
        else:
            self._go_on_from(self._latest(t_ns), measured)

    def go_home(self, episode: int, t_ns: int) -> None:
        """Begin to go home for an episode, unless it is stopped."""
        if self.fault or self._posture is None:
            return
        self._go_on_from(self._latest(t_ns), self._measured)
        try:
            start = Setpoint.at(self._measured.pose, self._limiter.last.gripper_width)
            self._homing = self._posture.way_home(self._limits, episode, self._last_ns, start)
        except SafetyError as error:
            self.stop(str(error), t_ns)

    def command(self, command: ChunkCommand, source: str, now_ns: int) -> bool:
        """A chunk has come. False where it was refused; `reports` says why."""
        if source == "policy" and now_ns < self._human_until_ns:
            self._override(command)
            return False
        try:
            self._admit(command, source, now_ns)
        except SafetyError as error:
            self.refuse(command, str(error))
            return False
        return True

    def on_neighbour_chunk(self, arm: str, command: ChunkCommand, now_ns: int) -> None:
        """Another arm of the rig was told a chunk: stop where what this one was told before meets it.

        Each looks at its own chunk beside the other's, so that happens only where neither had heard in time.
        """
        if self._posture is None or (command.run_id, command.episode) != (self._run_id, self._episode):
            return
        try:
            chunk = self._gate.decode(command)
        except DataError:
            return  # the other arm refuses it
        if problem := self._posture.on_neighbour_chunk(arm, chunk, now_ns):
            self.stop(f"beside chunk {command.name} of arm '{arm}': {problem}", now_ns)

    def refuse(self, command: ChunkCommand, reason: str) -> None:
        """Answer a chunk with a refusal."""
        self._last_refusal = reason
        nothing = np.empty((0, self._codec.dim))
        self._refused.append(Report(command.episode, command.chunk, True, reason, nothing))

    def _override(self, command: ChunkCommand) -> None:
        self._last_refusal = ""
        try:
            self._takeover.add(self._gate.decode(command), f"chunk {command.name}: a person has the arm")
        except DataError as error:
            self.refuse(command, f"chunk {command.name}: {error}")

    def _overridden(self, t_ns: int) -> list[Report]:
        cut = self._shadow or bool(self.fault) or not may_move(self._state, "policy")
        return [
            Report(found.episode, found.chunk, True, found.reason, found.executed, overridden=True)
            for found in self._takeover.take(t_ns, cut=cut)
        ]

    def setpoint(self, t_ns: int, step_s: float) -> Setpoint:
        """The setpoint to be reached at `t_ns`, the end of a servo period that is `step_s` long.

        Never raises for what a chunk holds: a setpoint that is not finite becomes a stop at the last good
        one.
        """
        t_ns = self._latest(t_ns)
        self._watch_lease(t_ns)
        before = self._limiter.last
        sent = self._brake(t_ns, step_s) if self._braking else self._follow(t_ns, step_s)
        self._takeover.sent(t_ns, sent)
        self._commanded.add(t_ns, sent.pose)
        self._moved = bool(
            (sent.position != before.position).any() or (sent.quaternion != before.quaternion).any()
        )
        return sent

    def reports(self, t_ns: int) -> list[Report]:
        """Accounts of the chunks that ended or were refused since the last call; an overridden one ends with
        its own time, or where the arm may no longer move.
        """
        self._refused += self._overridden(self._latest(t_ns))
        refused, self._refused = self._refused, []
        outcomes = self._interpolator.take_outcomes(self._latest(t_ns))
        return refused + [self._report(outcome) for outcome in outcomes]

    def _follow(self, t_ns: int, step_s: float) -> Setpoint:
        before = self._limiter.last
        try:
            wanted, joints = self._wanted(t_ns)
            slowed = wanted if self._posture is None else self._posture.slowed(wanted, before, step_s)
            sent, reasons = self._limiter.limit(slowed, step_s)
            if slowed is not wanted:
                reasons = ("joint velocity", *reasons)
            if self._posture is not None:
                self._posture.follow(sent, None if reasons else joints)
        except SafetyError as error:
            self._stop_reason = str(error)
            self._homing = None
            self._interpolator.restart(t_ns, before)
            self._interpolator.stop(t_ns, self._stop_reason)
            return before
        if reasons and self._homing is None:
            self._interpolator.amend(sent, reasons)
        return sent

    def _wanted(self, t_ns: int) -> tuple[Setpoint, NDArray[np.float64] | None]:
        if self._homing is None:
            return self._interpolator.sample(t_ns), None
        return self._homing.sample(t_ns)

    def _look_for_home(self, move: HomingMove, joint_position_rad: NDArray[np.float64], t_ns: int) -> None:
        if move.arrived(t_ns, joint_position_rad):
            self.homed_episode, self._homing = move.episode, None
            at_home = Setpoint.at(self._limiter.last.pose, move.width_at_home)
            self._interpolator.restart(t_ns, at_home, keep_gripper=False)
        elif reason := move.problem(t_ns, joint_position_rad):
            self.stop(reason, t_ns)

    def _brake(self, t_ns: int, step_s: float) -> Setpoint:
        sent, at_rest = self._limiter.brake(step_s)
        if self._posture is not None:
            with contextlib.suppress(SafetyError):  # then the joints stand where they are
                self._posture.follow(sent)
        if at_rest:
            self._braking = False
            self._interpolator.restart(t_ns, sent)
        return sent

    def _halt(self, t_ns: int, reason: str) -> None:
        if self._homing is not None:
            self._interrupt_homing()
        self._interpolator.stop(t_ns, reason)

    def _interrupt_homing(self) -> None:
        self._homing, self._braking = None, True

    def _problem(self, reading: ArmReading, t_ns: int) -> str:
        """What a moving arm must stop for."""
        limits, tool = self._arm.limits, reading.pose_base_tcp
        stamp_ns = t_ns if reading.stamp_ns is None else reading.stamp_ns
        due = self._commanded.due(stamp_ns)
        return (
            stale_problem(stamp_ns, t_ns, self._arm.watchdog_s)
            or tracking_problem(due, tool, limits.tracking_m, limits.tracking_rad)
            or contact_problem(reading.wrench_base, limits.external_force_n, limits.external_torque_nm)
            or ("" if self._posture is None else self._posture.nearing_problem(tool, t_ns))
        )

    def _go_on_from(self, t_ns: int, measured: Setpoint) -> None:
        if self._posture is not None:
            self._posture.restart()
        self._interpolator.restart(t_ns, measured)
        self._limiter.restart(self._interpolator.sample(t_ns))
        self._commanded.restart(t_ns, self._limiter.last.pose)

    def _watch_lease(self, t_ns: int) -> None:
        if self._lease_s is None or self._lease_ns is None or self.owner in ("stop", "none"):
            return
        silent_s = (t_ns - self._lease_ns) * 1e-9
        if silent_s > self._lease_s:
            self.stop(f"no sign of life from the session for {self._lease_s:g} s", t_ns)

    def _latest(self, t_ns: int) -> int:
        """Setpoints are asked for ahead of time, chunks come in between: the interpolator's time never goes
        back.
        """
        self._last_ns = max(self._last_ns, t_ns)
        return self._last_ns

    def _admit(self, command: ChunkCommand, source: str, now_ns: int) -> None:
        if source not in SOURCES:
            raise SafetyError(f"chunk {command.name}: source '{source}', allowed: {', '.join(SOURCES)}")
        if self.fault:
            raise SafetyError(f"chunk {command.name}: {self.fault}")
        present = self._setpoint_at(max(command.stamp_ns, now_ns), now_ns)
        situation = Situation(
            now_ns, self._run_id, self._episode, self._state, present, frame=self._arm.frame
        )
        chunk = self._gate.admit(command, situation)
        problem = "" if self._posture is None else self._posture.chunk_problem(chunk, present, now_ns)
        if problem:
            raise SafetyError(f"chunk {command.name}: {problem}")
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
        where it is. In shadow mode: where it is measured.

        A chunk is sent some ticks before it starts, and must be judged by where it takes over.
        """
        if self._shadow:
            return self._measured
        before = next((c for c in reversed(self._admitted) if c.passed(t_ns + _ROUNDING_NS) > 0), None)
        if before is None or self._interpolator.needs_restart or before.end_ns <= now_ns:
            return self._limiter.last
        way, i = before.waypoints, before.passed(t_ns + _ROUNDING_NS) - 1
        width = None if way.gripper_width is None else float(way.gripper_width[i])
        return Setpoint(way.position[i], way.quaternion[i], width)

    def _report(self, outcome: ChunkOutcome) -> Report:
        executed = self._codec.encode([outcome.executed])
        return Report(
            outcome.episode, outcome.index, False, outcome.reason, executed, outcome, shadow=self._shadow
        )
