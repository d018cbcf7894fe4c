"""Chunks in, setpoints out, for one arm, at whatever rate the bridge asks.

Waypoint i of a chunk is the setpoint *for the tick* that starts at ``stamp + i * dt``: the commanded pose
leaves the previous waypoint when that tick starts and reaches waypoint i when it ends. So a chunk fills
exactly its own time, from ``stamp`` to ``stamp + H * dt``, consecutive chunks meet without a gap, and
nothing has to be guessed about a chunk that is still being planned.

Stamps are integer nanoseconds and never decrease from one call to the next. No clock is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from zprl_core import rotation as rot
from zprl_core import transforms
from zprl_core.errors import SafetyError
from zprl_core.trajectory.active import ActiveChunk, Chunk, ChunkOutcome, CutBy
from zprl_core.trajectory.limits import InterpolatorLimits, Status
from zprl_core.trajectory.motion import (
    Brake,
    Motion,
    MotionState,
    Setpoint,
    at_rest,
    blend_from,
    coast,
    moved,
    setpoint_from,
)
from zprl_core.trajectory.spline import PoseSpline

_MOST_PENDING = 4
_ROUNDING_NS = 1_000  # two ways of rounding the same tick's time may differ by this much


class ChunkInterpolator:
    """Turns the chunks of one arm into setpoints with continuous position and velocity.

    The bridge calls `add_chunk` when a chunk has passed the safety gate, `sample` once a servo period (with
    the time at which the arm should be there: the period's end), and `amend` where a limit changed the
    sample. `take_outcomes` returns what has become of finished chunks.

    Args:
        start: the measured pose, and the gripper width to keep until a chunk commands another.
        limits: see `InterpolatorLimits`.
    """

    def __init__(self, start: Setpoint, limits: InterpolatorLimits | None = None) -> None:
        self._limits = limits or InterpolatorLimits()
        self._pending: deque[tuple[Chunk, int]] = deque()
        self._outcomes: list[ChunkOutcome] = []
        self._active: ActiveChunk | None = None
        self._last_ns: int | None = None
        self._gripper = start.gripper_width
        self._by_hand = False  # whether the last chunk was a person's
        self._before: tuple[int, MotionState]  # time and state of the last setpoint but one, and
        self._sent: tuple[int, MotionState]  # of the last one, as sent
        self._begin_hold(start, Status.HOLDING)

    @property
    def status(self) -> Status:
        """The state after the last `sample`, `stop` or `restart`."""
        return self._status

    @property
    def needs_restart(self) -> bool:
        """True after a stop and after the watchdog: chunks are refused until `restart`."""
        return self._status in (Status.STOPPED, Status.TRIPPED)

    def add_chunk(self, chunk: Chunk, now_ns: int) -> int:
        """Takes a chunk for execution from its stamp on, or from now where it comes late.

        Chunks that wait for their time and start no earlier than this one are replaced by it.

        Returns:
            How many waypoints are skipped because their ticks have passed.

        Raises:
            SafetyError: after a stop (`restart` first), or all of the chunk's time has passed.
        """
        now_ns = self._advance(now_ns)
        if self.needs_restart:
            raise SafetyError(
                f"chunk {chunk.name}: the arm is {self._status.value}; restart from the measured pose first"
            )
        if now_ns >= chunk.end_ns:
            late = (now_ns - chunk.end_ns) * 1e-9
            raise SafetyError(
                f"chunk {chunk.name}: came {late:.3f} s after its end; nothing of it is left to execute"
            )
        while self._pending and self._pending[-1][0].stamp_ns >= chunk.stamp_ns:
            old = self._pending.pop()[0]
            self._drop(old, *_replaced_by(chunk, old, "before it began"))
        if len(self._pending) >= _MOST_PENDING:
            raise SafetyError(f"chunk {chunk.name}: {_MOST_PENDING} chunks wait already; send chunks later")
        self._pending.append((chunk, now_ns))
        return chunk.passed(now_ns)

    def sample(self, t_ns: int) -> Setpoint:
        """The setpoint to be reached at ``t_ns``.

        Raises:
            SafetyError: ``t_ns`` is earlier than a time that was given before.
        """
        t_ns = self._advance(t_ns)
        state = self._motion.state((t_ns - self._origin_ns) * 1e-9)
        if self._active is not None:
            self._gripper = self._active.gripper_at(t_ns)
            self._active.sampled(t_ns)
        self._before, self._sent, self._amended = self._sent, (t_ns, state), False
        return setpoint_from(state, self._gripper)

    def amend(self, sent: Setpoint, reasons: Sequence[str]) -> None:
        """Records that ``sent`` was commanded in place of the last sample, and which limits changed it.

        What comes next, another chunk or a stop, then goes on from there, and at that speed.

        Raises:
            DataError: a non-finite number or a wrong shape.
        """
        if self._active is not None:
            self._active.amended(sent, reasons)
        still, (t_ns, _), (before_ns, before) = at_rest(sent), self._sent, self._before
        step_s = (t_ns - before_ns) * 1e-9
        self._sent = (t_ns, moved(before, still, step_s) if step_s > 0.0 else still)
        self._amended = True

    def stop(self, t_ns: int, reason: str, cut_by: CutBy = "") -> None:
        """Drops all chunks, brakes and holds; the gripper keeps its width. Then: `restart`.

        `cut_by`: see `ChunkOutcome`.
        """
        t_ns = self._advance(t_ns)
        for chunk, _ in self._pending:
            self._drop(chunk, reason, cut_by)
        self._pending.clear()
        if self._active is not None and self._active.chunk.end_ns <= t_ns:
            self._end_active()
        elif self._active is not None:
            self._begin_brake(t_ns)
            self._finish(t_ns, reason, cut_by)
        self._status = Status.STOPPED

    def restart(self, t_ns: int, measured: Setpoint, *, keep_gripper: bool = True) -> None:
        """Starts again at rest from the measured pose.

        A gripper width that was commanded before stays commanded, so that a grasp is kept; the measured one
        only counts where there was none, or where the gripper is not to be kept.
        """
        self.stop(t_ns, "restarted")
        if self._gripper is None or not keep_gripper:
            self._gripper = measured.gripper_width
        self._begin_hold(measured, Status.HOLDING)

    def take_outcomes(self, t_ns: int) -> list[ChunkOutcome]:
        """Outcomes of the chunks that ended by ``t_ns`` since the last call, in order."""
        t_ns = self._advance(t_ns)
        if self._active is not None and self._active.chunk.end_ns <= t_ns:
            self._end_active()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _advance(self, t_ns: int) -> int:
        """Carries out, in order, every beginning and end of a chunk before ``t_ns``.

        One *at* ``t_ns`` changes nothing there yet: the sample at its end still belongs to the old chunk.
        """
        if self._last_ns is not None and t_ns < self._last_ns:
            if t_ns < self._last_ns - _ROUNDING_NS:
                raise SafetyError(
                    f"time went back: {t_ns} ns after {self._last_ns} ns; stamps must not decrease"
                )
            t_ns = self._last_ns
        self._last_ns = t_ns
        while self._pending and self._begins_ns() < t_ns:
            chunk, came_ns = self._pending.popleft()
            self._begin_chunk(chunk, came_ns)
        if self._active is not None and self._active.chunk.end_ns < t_ns:
            self._end_active()
        if self._status is Status.BRAKING and t_ns - self._origin_ns > self._patience_s * 1e9:
            self._status = Status.TRIPPED
        return t_ns

    @property
    def _patience_s(self) -> float:
        """How long there may be no chunk."""
        return self._limits.watchdog_s + (self._limits.handback_s if self._by_hand else 0.0)

    def _begins_ns(self) -> int:
        chunk, came_ns = self._pending[0]
        return max(chunk.stamp_ns, came_ns)

    def _begin_chunk(self, chunk: Chunk, came_ns: int) -> None:
        begin_ns = max(chunk.stamp_ns, came_ns)
        if self._active is not None and self._active.chunk.end_ns <= begin_ns:
            self._end_active()
        gap_s = (begin_ns - self._origin_ns) * 1e-9 if self._status is Status.BRAKING else 0.0
        if gap_s > self._patience_s:
            self._status = Status.TRIPPED
            self._drop(chunk, "the watchdog tripped before it began; restart from the measured pose")
            return
        now = self._state_at(begin_ns)
        if self._active is not None:
            self._finish(begin_ns, *_replaced_by(chunk, self._active.chunk, "on its way"))
        quaternion = transforms.make_continuous(chunk.waypoints.quaternion, before=now.quaternion)
        path = PoseSpline(chunk.waypoints.position, quaternion, chunk.dt_s)
        limits = self._limits
        blend = blend_from(
            now,
            path,
            (begin_ns - chunk.stamp_ns) * 1e-9,
            blend_s=min(limits.blend_s, len(chunk.waypoints) * chunk.dt_s),
            catch_up=(limits.catch_up_m_s, limits.catch_up_rad_s),
            accelerate=(limits.blend_m_s2, limits.blend_rad_s2),
        )
        self._set_motion(blend, begin_ns, Status.TRACKING)
        self._active = ActiveChunk(
            chunk,
            begin_ns,
            came_ns,
            blend,
            setpoint_from(now, self._gripper),
            seam_gap_s=gap_s,
            seam_offset_m=rot.norm(blend.offset),
            seam_velocity_jump_m_s=rot.norm(blend.rate),
            catch_up_gripper_m_s=limits.catch_up_gripper_m_s,
        )

    def _begin_brake(self, t_ns: int) -> None:
        brake = Brake(self._state_at(t_ns), self._limits.brake_m_s2, self._limits.brake_rad_s2)
        self._set_motion(brake, t_ns, Status.BRAKING)

    def _begin_hold(self, setpoint: Setpoint, status: Status) -> None:
        t_ns, still = self._last_ns or 0, at_rest(setpoint)
        self._before = self._sent = (t_ns, still)
        self._set_motion(Brake(still, self._limits.brake_m_s2, self._limits.brake_rad_s2), t_ns, status)

    def _set_motion(self, motion: Motion, origin_ns: int, status: Status) -> None:
        self._motion, self._origin_ns, self._status, self._amended = motion, origin_ns, status, False

    def _state_at(self, t_ns: int) -> MotionState:
        """What is commanded at ``t_ns``: the motion or, where a limit changed it, what was sent, going on."""
        if not self._amended:
            return self._motion.state((t_ns - self._origin_ns) * 1e-9)
        sent_ns, state = self._sent
        return coast(state, (t_ns - sent_ns) * 1e-9)

    def _end_active(self) -> None:
        """The active chunk was executed to its end: slow down from there."""
        if self._active is not None:
            end_ns = self._active.chunk.end_ns
            self._begin_brake(end_ns)
            self._finish(end_ns, "")

    def _finish(self, t_ns: int, reason: str, cut_by: CutBy = "") -> None:
        """Closes the active chunk at ``t_ns``; an empty reason says that it was executed to its end."""
        if self._active is not None:
            self._gripper = self._active.gripper_at(t_ns)
            self._outcomes.append(self._active.outcome(t_ns, reason, cut_by))
            self._by_hand = self._active.chunk.source == "human"
            self._active = None

    def _drop(self, chunk: Chunk, reason: str, cut_by: CutBy = "") -> None:
        state = self._motion.state(((self._last_ns or 0) - self._origin_ns) * 1e-9)
        still = setpoint_from(state, self._gripper)
        self._outcomes.append(ChunkOutcome.never_begun(chunk, reason, cut_by, still))


def _replaced_by(chunk: Chunk, old: Chunk, when: str) -> tuple[str, CutBy]:
    """Why a chunk is cut short that another one replaces, and by whom."""
    if chunk.source == "human" != old.source:
        return f"a person took the arm {when}", "person"
    return f"replaced by chunk {chunk.name} {when}", ""
