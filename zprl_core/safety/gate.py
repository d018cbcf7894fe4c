"""Decides whether a chunk may be executed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zprl_core.actions import ActionCodec
from zprl_core.errors import ConfigError, DataError, SafetyError
from zprl_core.safety.checks import DEFAULT_CHECKS, Check, ChunkCommand, Situation, check_lease
from zprl_core.safety.limits import SafetyLimits
from zprl_core.trajectory import Chunk


class SafetyGate:
    """Decides whether a chunk may be executed.

    Args:
        codec: the action layout of this one arm (`ActionCodec.single_arm`).
        limits: of this arm.
        checks: what is asked of a decoded chunk, in order; the first reason counts.

    Raises:
        ConfigError: the codec is not that of one arm with poses.
    """

    def __init__(
        self, codec: ActionCodec, limits: SafetyLimits, checks: Sequence[Check] | None = None
    ) -> None:
        if codec.arms != 1 or codec.rotation == "none":
            raise ConfigError(
                f"safety gate: {codec.arms} arm(s), rotation {codec.rotation!r}; needs one arm with poses"
            )
        self._codec, self._limits = codec, limits
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
        """The chunk, unchecked.

        Raises:
            DataError: its numbers are no waypoints of this arm's layout.
        """
        if command.dim != self._codec.dim:
            raise DataError(f"{command.dim} numbers per waypoint, this arm takes {self._codec.dim}")
        flat = np.asarray(command.actions, dtype=np.float64).reshape(-1)
        if len(flat) == 0 or len(flat) % command.dim:
            raise DataError(f"{len(flat)} numbers are no whole number of waypoints of {command.dim}")
        waypoints = self._codec.decode(flat.reshape(-1, command.dim))[0]
        return Chunk(command.episode, command.chunk, command.stamp_ns, command.dt_s, waypoints)
