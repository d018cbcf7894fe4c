"""Everything that one arm's bridge decides, without ROS and without a clock.

Who may command (stop before human before policy), whether a chunk may be executed, which setpoint is sent in
a servo period, and what the sender is told. The parts do the work: `Admission` of chunks, the
`ChunkInterpolator`, `HomingMove`, the `SetpointStream`, and a `Watch` over the arm.

A stop latches: whatever its reason, the arm slows down, holds, and takes no chunk until a person clears it
(the session's command "clear"), or, for a simulated world, until that is reset.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zprl_arms.admission import SOURCES, Admission, Moment, Report
from zprl_arms.clocks import Gap
from zprl_arms.driver import ArmReading
from zprl_arms.homing import HomingMove
from zprl_arms.limits import interpolator_limits, safety_limits
from zprl_arms.posture import Posture
from zprl_arms.stream import SetpointStream
from zprl_arms.watch import Watch
from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.errors import SafetyError
from zprl_core.safety import ChunkCommand, lease_for, may_move
from zprl_core.trajectory import Chunk, ChunkInterpolator, ChunkOutcome, CutBy, Setpoint, Status

NOT_HOMED = 0
_UNSTAMPED = -1


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
        demonstrated: no policy moves the arm, only a person.

    Attributes:
        homed_sequence: the session's sequence number that the arm has gone home for, `NOT_HOMED` before.
        stands: whether the arm came to rest because nothing was sent any more. Then nothing must be, until
            somebody clears it: whether the last setpoint got through is not known, and a second one for the
            same place could move it.
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
        demonstrated: bool = False,
    ) -> None:
        self._arm, self._shadow = arm, shadow
        self._posture, self._streams_joints = posture, streams_joints
        self._homing: HomingMove | None = None
        self.homed_sequence = NOT_HOMED
        self._limits, self._path_limits = safety_limits(arm), interpolator_limits(arm, task)
        lease = lease_for(reset_by_hand=task.reset == "teleoperated", demonstrated=demonstrated)
        self._admission = Admission(arm, task, run_id, posture, lease)
        self._watch = Watch(arm, posture, lease_s, _UNSTAMPED, start.pose)
        self._measured = start
        self._episode, self._state, self._driver_fault = 0, "", ""
        self.reset(start)

    @property
    def dim(self) -> int:
        """Numbers per waypoint."""
        return self._admission.codec.dim

    @property
    def fault(self) -> str:
        """Why the arm holds and takes no chunk until a person clears it; empty when it does not."""
        if self._driver_fault:
            return self._driver_fault
        if self._interpolator.status is Status.TRIPPED and not self._by_hand:
            last = self._admission.last_refusal
            refused = f" (the last one refused was {last})" if last else ""
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
        if self.fault or self._interpolator.needs_restart or not self._takes_chunks(self._state):
            return "stop"
        return self._admission.source if self._interpolator.status is Status.TRACKING else "none"

    @property
    def joints(self) -> NDArray[np.float64] | None:
        """The setpoint that was commanded last in joint angles, float64 (joints,) rad; None where the driver
        streams poses, but for the way home.
        """
        return self._stream.joints_rad if self._streams_joints or self._homing is not None else None

    @property
    def taken(self) -> Chunk:
        """The chunk that was taken for execution last; only after `command` has said that one was."""
        return self._admission.newest

    @property
    def last(self) -> Setpoint:
        """The setpoint that was commanded last."""
        return self._stream.last

    @property
    def at_rest(self) -> bool:
        """Whether nothing is commanded that moves the arm."""
        if self._homing is not None or self._braking:
            return False
        return self._interpolator.status is not Status.TRACKING and not self._moved

    def reset(self, start: Setpoint) -> None:
        """Hold at `start`, gripper included, and forget every chunk, stop and stamp: the world was reset."""
        self._stream = SetpointStream(self._limits, start, self._posture)
        self._interpolator = ChunkInterpolator(start, self._path_limits)
        self._admission.reset()
        self._last_ns = _UNSTAMPED
        self._watch.restart(_UNSTAMPED, start.pose)
        self._stop_reason = ""
        self._homing, self._braking, self._from_homing, self._moved = None, False, False, False
        self.stands = False

    def on_session(
        self, state: str, episode: int, t_ns: int, measured: Setpoint, *, cleared: bool = False
    ) -> None:
        """The session's state changed.

        Where it permits no motion the arm slows down and holds; where it permits motion again (after a
        pause) the path starts from where the arm was measured, with the grasp kept. `cleared`: a person asked
        for it since the last state, in whatever state the session is.
        """
        moved, moves = self._takes_chunks(self._state), self._takes_chunks(state)
        if state == "resetting" != self._state:
            self.homed_sequence = NOT_HOMED
        self._state, self._episode = state, episode
        t_ns = self._latest(t_ns)
        if self._homing is not None and not may_move(state, "homing"):
            self._interrupt_homing()
        if cleared:
            self.clear(t_ns, measured)
        elif moved and not moves:
            self._interpolator.stop(t_ns, f"the session is {state}", "label" if state == "labelled" else "")
        elif moves and not moved and self._interpolator.status is Status.STOPPED and not self.fault:
            self._go_on_from(t_ns, measured)

    def on_lease(self, t_ns: int) -> None:
        """The session has given a sign of life."""
        self._watch.on_lease(t_ns)

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
        watched = self._may_move(self._state) and not self._shadow
        if watched and (problem := self._watch.problem(reading, t_ns)):
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

        It brakes from its last setpoint, not from where its path would be by now. An arm whose bridge stood
        still `stands`.
        """
        if self._shadow or (self.at_rest and not self._may_move(self._state)):
            return
        self.stop(gap.reason, t_ns)
        self._homing, self._braking = None, True
        if gap.stood:
            self.stands = True
            self._stream.stand()

    def clear(self, t_ns: int, measured: Setpoint) -> None:
        """Forget why the arm stopped, because a person asked for it; hold where it is measured, or where it
        comes to rest.
        """
        moving = not self.at_rest
        self._stop_reason = self._admission.last_refusal = ""
        if self._homing is not None:
            self._interrupt_homing()
        self._braking, self.stands = moving, False
        if moving:
            self._interpolator.restart(self._latest(t_ns), self._stream.last)
        else:
            self._go_on_from(self._latest(t_ns), measured)

    def go_home(self, sequence: int, t_ns: int) -> None:
        """Begin to go home for the session's state with a sequence number, unless it is stopped."""
        if self.fault or self._posture is None:
            return
        self._go_on_from(self._latest(t_ns), self._measured)
        try:
            start = Setpoint.at(self._measured.pose, self._stream.last.gripper_width)
            self._homing = self._posture.way_home(self._limits, sequence, self._last_ns, start)
        except SafetyError as error:
            self.stop(str(error), t_ns)

    def command(self, command: ChunkCommand, now_ns: int) -> bool:
        """A chunk has come. False where it was refused; `reports` says why."""
        if self._admission.by_a_person(command, now_ns):
            self._admission.override(command)
            return False
        try:
            self._admit(command, now_ns)
        except SafetyError as error:
            self.refuse(command, str(error))
            return False
        return True

    def on_neighbour_chunk(self, arm: str, command: ChunkCommand, now_ns: int) -> None:
        """Another arm of the rig was told a chunk: stop where what this one was told before meets it.

        Each looks at its own chunk beside the other's, so that happens only where neither had heard in time.
        """
        if problem := self._admission.beside(arm, command, self._episode, now_ns):
            self.stop(problem, now_ns)

    def refuse(self, command: ChunkCommand, reason: str) -> None:
        """Answer a chunk with a refusal."""
        self._admission.refuse(command, reason)

    def leave_out(self, command: ChunkCommand, reason: str, cut_by: CutBy = "") -> None:
        """Answer a chunk that was interrupted before it began."""
        self._admission.leave_out(command, reason, cut_by)

    def setpoint(self, t_ns: int, step_s: float) -> Setpoint:
        """The setpoint to be reached at `t_ns`, the end of a servo period that is `step_s` long.

        Never raises for what a chunk holds: where a setpoint cannot be sent, the arm stops, slowing down from
        the last one.
        """
        t_ns = self._latest(t_ns)
        self._watch_lease(t_ns)
        before = self._stream.last
        sent = self._brake(t_ns, step_s) if self._braking else self._follow(t_ns, step_s)
        self._admission.sent(t_ns, sent)
        self._watch.commanded(t_ns, sent.pose)
        self._moved = bool(
            (sent.position != before.position).any() or (sent.quaternion != before.quaternion).any()
        )
        if self._by_hand and self._interpolator.status is Status.TRIPPED and not self._moved:
            self._interpolator.restart(t_ns, sent)
        return sent

    def reports(self, t_ns: int) -> list[Report]:
        """Accounts of the chunks that ended or were refused since the last call; an overridden one ends with
        its own time, or where the arm may no longer move.
        """
        cut = self._shadow or bool(self.fault) or not self._takes_chunks(self._state)
        refused = self._admission.take_refused(self._latest(t_ns), cut=cut)
        outcomes = self._interpolator.take_outcomes(self._latest(t_ns))
        return refused + [self._report(outcome) for outcome in outcomes]

    def _follow(self, t_ns: int, step_s: float) -> Setpoint:
        try:
            wanted, joints = self._wanted(t_ns)
            sent, reasons = self._stream.follow(wanted, joints, step_s)
        except Exception as error:  # a fault of the software ends in a controlled stop too
            refused = isinstance(error, SafetyError)
            self.stop(str(error) if refused else f"the bridge has failed: {error!r}", t_ns)
            self._homing, self._braking = None, True
            return self._brake(t_ns, step_s)
        if reasons and self._homing is None:
            self._interpolator.amend(sent, reasons)
        return sent

    def _wanted(self, t_ns: int) -> tuple[Setpoint, NDArray[np.float64] | None]:
        if self._homing is None:
            return self._interpolator.sample(t_ns), None
        return self._homing.sample(t_ns)

    def _look_for_home(self, move: HomingMove, joint_position_rad: NDArray[np.float64], t_ns: int) -> None:
        if move.arrived(t_ns, joint_position_rad):
            self.homed_sequence, self._homing = move.sequence, None
            at_home = Setpoint.at(self._stream.last.pose, move.width_at_home)
            self._interpolator.restart(t_ns, at_home, keep_gripper=False)
        elif reason := move.problem(t_ns, joint_position_rad):
            self.stop(reason, t_ns)

    def _brake(self, t_ns: int, step_s: float) -> Setpoint:
        sent, at_rest = self._stream.brake(step_s, by_joints=self._from_homing and self._streams_joints)
        if at_rest:
            self._braking = self._from_homing = False
            self._interpolator.restart(t_ns, sent)
        return sent

    def _halt(self, t_ns: int, reason: str) -> None:
        if self._homing is not None:
            self._interrupt_homing()
        self._interpolator.stop(t_ns, reason)

    def _interrupt_homing(self) -> None:
        self._homing, self._braking, self._from_homing = None, True, True

    def _go_on_from(self, t_ns: int, measured: Setpoint) -> None:
        self._interpolator.restart(t_ns, measured)
        self._stream.restart(self._interpolator.sample(t_ns))
        self._watch.restart(t_ns, self._stream.last.pose)

    def _watch_lease(self, t_ns: int) -> None:
        problem = self._watch.silence(t_ns)
        if problem and self.owner not in ("stop", "none"):
            self.stop(problem, t_ns)

    def _latest(self, t_ns: int) -> int:
        """Setpoints are asked for ahead of time, chunks come in between: the interpolator's time never goes
        back.
        """
        self._last_ns = max(self._last_ns, t_ns)
        return self._last_ns

    def _admit(self, command: ChunkCommand, now_ns: int) -> None:
        if self.fault:
            raise SafetyError(f"chunk {command.name}: {self.fault}")
        here = self._measured if self._shadow else self._stream.last
        moved = not (self._shadow or self._interpolator.needs_restart)
        moment = Moment(now_ns, self._episode, self._state, here, moved)
        chunk = self._admission.check(command, moment)
        self._interpolator.add_chunk(chunk, self._latest(now_ns))
        self._admission.admitted(chunk)

    def _report(self, outcome: ChunkOutcome) -> Report:
        executed = self._admission.codec.encode([outcome.executed])
        return Report(
            outcome.episode,
            outcome.index,
            False,
            outcome.reason,
            executed,
            outcome,
            shadow=self._shadow,
            source=outcome.source,
            cut_by=outcome.cut_by,
        )

    def _takes_chunks(self, state: str) -> bool:
        """Whether anybody's chunks may move the arm in a state of the session."""
        return any(may_move(state, source, self._admission.lease) for source in SOURCES)

    @property
    def _by_hand(self) -> bool:
        """Whether only a person may move the arm, who takes hold of it and lets go as they like."""
        return self._takes_chunks(self._state) and not may_move(self._state, "policy", self._admission.lease)

    def _may_move(self, state: str) -> bool:
        return self._takes_chunks(state) or may_move(state, "homing")
