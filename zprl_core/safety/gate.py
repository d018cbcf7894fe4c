"""Decides whether a chunk may be executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zprl_core.actions import ActionCodec
from zprl_core.errors import ConfigError, DataError, SafetyError
from zprl_core.safety.checks import DEFAULT_CHECKS, Check, ChunkCommand, Situation, check_lease
from zprl_core.safety.limits import SafetyLimits
from zprl_core.trajectory import Chunk

_ROUNDING = 1e-6  # share of a time


@dataclass(frozen=True)
class ChunkForm:
    """How many waypoints a chunk may have, and how far apart in time: asked before anything else of it.

    Attributes:
        waypoints: at most.
        step_s: from one to the next, of a policy's chunk, and the longest of a person's, s.
        shortest_s: the shortest of a person's, s.
    """

    waypoints: int
    step_s: float
    shortest_s: float

    def problem(self, waypoints: int, dt_s: float, *, by_hand: bool) -> str:
        """What is wrong with a chunk's form, or nothing."""
        if waypoints > self.waypoints:
            return f"{waypoints} waypoints, allowed 1 to {self.waypoints} (the task's action.chunk)"
        low, high = (self.shortest_s if by_hand else self.step_s) / (1.0 + _ROUNDING), self.step_s
        if low <= dt_s <= high * (1.0 + _ROUNDING):
            return ""
        allowed = f"{self.shortest_s:.6g} to {high:.6g} s" if by_hand else f"{high:.6g} s"
        return f"dt_s {dt_s:.6g}, allowed {allowed} (the task's time from one waypoint to the next)"


class SafetyGate:
    """Decides whether a chunk may be executed.

    Args:
        codec: the action layout of this one arm (`ActionCodec.single_arm`).
        limits: of this arm.
        checks: what is asked of a decoded chunk, in order; the first reason counts.
        form: what a chunk must look like to be decoded; None: not asked.

    Raises:
        ConfigError: the codec is not that of one arm with poses.
    """

    def __init__(
        self,
        codec: ActionCodec,
        limits: SafetyLimits,
        checks: Sequence[Check] | None = None,
        form: ChunkForm | None = None,
    ) -> None:
        if codec.arms != 1 or codec.rotation == "none":
            raise ConfigError(
                f"safety gate: {codec.arms} arm(s), rotation {codec.rotation!r}; needs one arm with poses"
            )
        self._codec, self._limits, self._form = codec, limits, form
        self._checks: tuple[Check, ...] = DEFAULT_CHECKS if checks is None else tuple(checks)

    def admit(self, command: ChunkCommand, situation: Situation) -> Chunk:
        """The decoded chunk, ready for a `ChunkInterpolator`.

        Raises:
            SafetyError: it is refused; the message says why.
        """
        reason = check_lease(command, situation)
        if reason:
            raise SafetyError(f"chunk {command.name}: {reason}")
        try:
            chunk = self.decode(command)
        except DataError as error:
            raise SafetyError(f"chunk {command.name}: {error}") from error
        for check in self._checks:
            reason = check(chunk, situation, self._limits)
            if reason:
                raise SafetyError(f"chunk {command.name}: {reason}")
        return chunk

    def decode(self, command: ChunkCommand) -> Chunk:
        """The chunk, of which nothing but the form was looked at.

        Raises:
            DataError: its numbers are no waypoints of this arm's layout, or too many, or too far apart.
        """
        if command.dim != self._codec.dim:
            raise DataError(f"{command.dim} numbers per waypoint, this arm takes {self._codec.dim}")
        flat = np.asarray(command.actions, dtype=np.float64).reshape(-1)
        if len(flat) == 0 or len(flat) % command.dim:
            raise DataError(f"{len(flat)} numbers are no whole number of waypoints of {command.dim}")
        count = len(flat) // command.dim
        by_hand = command.source == "human"
        if self._form and (problem := self._form.problem(count, command.dt_s, by_hand=by_hand)):
            raise DataError(problem)
        waypoints = self._codec.decode(flat.reshape(-1, command.dim))[0]
        return Chunk(
            command.episode, command.chunk, command.stamp_ns, command.dt_s, waypoints, source=command.source
        )
