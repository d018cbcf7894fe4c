"""Which chunks one arm takes, and what their senders are told. Pure: times are arguments."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_arms.limits import chunk_form, safety_limits
from zprl_arms.posture import Posture
from zprl_arms.takeover import Takeover
from zprl_core.actions import ActionCodec
from zprl_core.config import ArmConfig, TaskConfig
from zprl_core.errors import DataError, SafetyError
from zprl_core.safety import ChunkCommand, Lease, SafetyGate, Situation
from zprl_core.trajectory import Chunk, ChunkOutcome, CutBy, Setpoint

SOURCES = ("policy", "human")
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
        source: who commanded it.
        shadow: whether motors are off, so that it was not executed.
        cut_by: see `ChunkOutcome`.
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
    source: str = "policy"
    cut_by: CutBy = ""


class Moment(NamedTuple):
    """What the controller knows when a chunk comes.

    Attributes:
        now_ns: the present time.
        episode, session_state: from the session.
        at_rest_at: where the arm is, and stays unless a chunk that was admitted before moves it.
        moved_by_chunks: whether such a chunk may.
    """

    now_ns: int
    episode: int
    session_state: str
    at_rest_at: Setpoint
    moved_by_chunks: bool


class Admission:
    """Looks at chunks before they may move an arm.

    Args:
        arm: its configuration.
        task: whose action layout and times the chunks have.
        run_id: of the session; chunks of another one are refused.
        posture: of the arm's joints and links; None: not looked at.
        lease: what the arm may move for in which state of the session.
    """

    def __init__(
        self, arm: ArmConfig, task: TaskConfig, run_id: str, posture: Posture | None, lease: Lease
    ) -> None:
        self._arm, self._run_id, self._posture = arm, run_id, posture
        self.lease = lease
        self.codec = ActionCodec.from_config(task.action).single_arm()
        self._gate = SafetyGate(self.codec, safety_limits(arm), form=chunk_form(task, arm))
        self.reset()

    def reset(self) -> None:
        """Forget every chunk, refusal and person."""
        self._refused: list[Report] = []
        self._takeover = Takeover(self.codec)
        self._admitted: deque[Chunk] = deque(maxlen=_REMEMBERED)
        self._human_until_ns = _UNSTAMPED
        self.source = "policy"
        self.last_refusal = ""

    @property
    def newest(self) -> Chunk:
        """The last one that was `admitted`."""
        return self._admitted[-1]

    def by_a_person(self, command: ChunkCommand, now_ns: int) -> bool:
        """Whether a chunk is overridden: a person has the arm."""
        return command.source == "policy" and now_ns < self._human_until_ns

    def check(self, command: ChunkCommand, moment: Moment) -> Chunk:
        """The chunk, which may be executed.

        Raises:
            SafetyError: it may not; says why.
        """
        if command.source not in SOURCES:
            allowed = ", ".join(SOURCES)
            raise SafetyError(f"chunk {command.name}: source '{command.source}', allowed: {allowed}")
        present = self._setpoint_at(max(command.stamp_ns, moment.now_ns), moment)
        situation = Situation(
            moment.now_ns,
            self._run_id,
            moment.episode,
            moment.session_state,
            present,
            frame=self._arm.frame,
            lease=self.lease,
        )
        chunk = self._gate.admit(command, situation)
        posture = self._posture
        problem = "" if posture is None else posture.chunk_problem(chunk, present, moment.now_ns)
        if problem:
            raise SafetyError(f"chunk {command.name}: {problem}")
        return chunk

    def admitted(self, chunk: Chunk) -> None:
        """A chunk was taken for execution."""
        self._admitted.append(chunk)
        self.last_refusal = ""
        self.source = chunk.source
        if chunk.source == "human":
            self._human_until_ns = chunk.end_ns + round(self._arm.watchdog_s * 1e9)

    def beside(self, arm: str, command: ChunkCommand, episode: int, now_ns: int) -> str:
        """Another arm of the rig was told a chunk: why what this one was told before cannot be carried out
        beside it; empty where it can, or where the other arm refuses it.
        """
        if self._posture is None or (command.run_id, command.episode) != (self._run_id, episode):
            return ""
        try:
            chunk = self._gate.decode(replace(command, source="human"))  # whoever it is from
        except DataError:
            return ""
        problem = self._posture.on_neighbour_chunk(arm, chunk, now_ns)
        return f"beside chunk {command.name} of arm '{arm}': {problem}" if problem else ""

    def refuse(self, command: ChunkCommand, reason: str) -> None:
        """Answer a chunk with a refusal."""
        self.last_refusal = reason
        self._answer(command, reason, refused=True)

    def leave_out(self, command: ChunkCommand, reason: str, cut_by: CutBy = "") -> None:
        """Answer a chunk that was interrupted before it began."""
        self._answer(command, reason, refused=False, cut_by=cut_by)

    def _answer(self, command: ChunkCommand, reason: str, *, refused: bool, cut_by: CutBy = "") -> None:
        which, nothing = (command.episode, command.chunk), np.empty((0, self.codec.dim))
        self._refused.append(Report(*which, refused, reason, nothing, source=command.source, cut_by=cut_by))

    def override(self, command: ChunkCommand) -> None:
        """A person has the arm: the chunk's sender is told what was done in its time."""
        self.last_refusal = ""
        try:
            self._takeover.add(self._gate.decode(command), f"chunk {command.name}: a person has the arm")
        except DataError as error:
            self.refuse(command, f"chunk {command.name}: {error}")

    def sent(self, t_ns: int, setpoint: Setpoint) -> None:
        """The setpoint for a time."""
        self._takeover.sent(t_ns, setpoint)

    def take_refused(self, t_ns: int, *, cut: bool) -> list[Report]:
        """Accounts of the chunks that were refused since the last call, and of the overridden ones whose time
        is over; where `cut`, the person has lost the arm too: of all of these.
        """
        overridden = [
            Report(found.episode, found.chunk, True, found.reason, found.executed, overridden=True)
            for found in self._takeover.take(t_ns, cut=cut)
        ]
        refused, self._refused = self._refused + overridden, []
        return refused

    def _setpoint_at(self, t_ns: int, moment: Moment) -> Setpoint:
        """Where the arm will be told to be at a time to come, by the chunk before; where there is none,
        where it is.

        A chunk is sent some ticks before it starts, and must be judged by where it takes over.
        """
        before = next((c for c in reversed(self._admitted) if c.passed(t_ns + _ROUNDING_NS) > 0), None)
        if before is None or not moment.moved_by_chunks or before.end_ns <= moment.now_ns:
            return moment.at_rest_at
        way, i = before.waypoints, before.passed(t_ns + _ROUNDING_NS) - 1
        width = None if way.gripper_width is None else float(way.gripper_width[i])
        return Setpoint(way.position[i], way.quaternion[i], width)
