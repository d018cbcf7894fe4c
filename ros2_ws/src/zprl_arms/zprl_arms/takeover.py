"""What an arm was told in the time of a policy's chunk that a person's commands overrode. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.trajectory import Chunk, Setpoint


class Overridden(NamedTuple):
    """A chunk that a person overrode, for its sender.

    executed: setpoints sent at its waypoints' times, float64 (H, dim); (0, dim) where they are not all known.
    """

    episode: int
    chunk: int
    reason: str
    executed: NDArray[np.float64]


@dataclass(eq=False)
class _Witnessed:
    chunk: Chunk
    reason: str
    sent: dict[int, Setpoint] = field(default_factory=dict)

    def over(self, t_ns: int) -> bool:
        return self.chunk.due_ns(len(self.chunk.waypoints) - 1) <= t_ns


class Takeover:
    """Keeps overridden chunks until their time is over.

    Args:
        codec: the action layout of this one arm.
    """

    def __init__(self, codec: ActionCodec) -> None:
        self._codec = codec
        self._pending: list[_Witnessed] = []
        self._last_ns = -1

    def add(self, chunk: Chunk, reason: str) -> None:
        """A chunk was overridden, for this reason."""
        self._pending.append(_Witnessed(chunk, reason))

    def sent(self, t_ns: int, setpoint: Setpoint) -> None:
        """The setpoint for `t_ns`."""
        before_ns, self._last_ns = self._last_ns, t_ns
        for seen in self._pending:
            for i in range(len(seen.chunk.waypoints)):
                if before_ns < seen.chunk.due_ns(i) <= t_ns:
                    seen.sent[i] = setpoint

    def take(self, t_ns: int, *, cut: bool) -> list[Overridden]:
        """The chunks whose time is over at `t_ns`; where `cut`, the person has lost the arm too: all."""
        over = [seen for seen in self._pending if cut or seen.over(t_ns)]
        self._pending = [seen for seen in self._pending if seen not in over]
        return [
            Overridden(seen.chunk.episode, seen.chunk.index, seen.reason, self._executed(seen))
            for seen in over
        ]

    def _executed(self, seen: _Witnessed) -> NDArray[np.float64]:
        count = len(seen.chunk.waypoints)
        if len(seen.sent) < count:
            return np.empty((0, self._codec.dim))
        return self._codec.encode([_waypoints([seen.sent[i] for i in range(count)])])


def _waypoints(setpoints: Sequence[Setpoint]) -> ArmWaypoints:
    widths = [setpoint.gripper_width for setpoint in setpoints]
    return ArmWaypoints(
        np.stack([setpoint.position for setpoint in setpoints]),
        np.stack([setpoint.quaternion for setpoint in setpoints]),
        None if None in widths else np.array(widths, np.float64),
    )
