"""The task's proprioceptive vector from the arms' states. Pure: stamps only, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import RigError

_KEPT = 64


class ArmSample(NamedTuple):
    """What one arm measured.

    Attributes:
        stamp_ns: when.
        fields: "joint_position_rad" float64 (joints,), "gripper_width_m" float64 (1,) where there is one.
    """

    stamp_ns: int
    fields: Mapping[str, NDArray[np.float64]]


class Proprioception(NamedTuple):
    """q at one moment.

    Attributes:
        stamp_ns: when.
        q: float64 (proprio_dim,), rad and m, in the rig's order.
    """

    stamp_ns: int
    q: NDArray[np.float64]


class Assembler:
    """Joins the arms' samples at the stamps of the first arm.

    The other arms are interpolated linearly between the two samples around that stamp, so nothing is
    guessed; where the stamps agree (one world, or one clock) that is the sample itself.

    Args:
        streams: "<arm>/<field>" in q's order, as a rig names them.
    """

    def __init__(self, streams: Sequence[str]) -> None:
        self._streams = [(arm, field) for arm, _, field in (s.partition("/") for s in streams)]
        self.arms = tuple(dict.fromkeys(arm for arm, _ in self._streams))
        self._samples: dict[str, deque[ArmSample]] = {arm: deque(maxlen=_KEPT) for arm in self.arms}
        self._done_ns = -1

    def add(self, arm: str, sample: ArmSample) -> list[Proprioception]:
        """Take a sample; returns the vectors that it completes, oldest first.

        Raises:
            RigError: the sample lacks a field that the rig's proprioception names.
        """
        for name, field in self._streams:
            if name == arm and field not in sample.fields:
                known = ", ".join(sample.fields)
                raise RigError(
                    f"arm '{arm}' does not report {field}, which the rig's proprioception names: {known}"
                )
        samples = self._samples[arm]
        if samples and sample.stamp_ns <= samples[-1].stamp_ns:
            return []
        samples.append(sample)
        joined = [self._join(s) for s in self._samples[self.arms[0]] if self._complete(s.stamp_ns)]
        if joined:
            self._done_ns = joined[-1].stamp_ns
        return joined

    def _complete(self, stamp_ns: int) -> bool:
        others = (self._samples[arm] for arm in self.arms[1:])
        return stamp_ns > self._done_ns and all(
            s and s[0].stamp_ns <= stamp_ns <= s[-1].stamp_ns for s in others
        )

    def _join(self, first: ArmSample) -> Proprioception:
        parts = [self._value(arm, field, first.stamp_ns) for arm, field in self._streams]
        return Proprioception(first.stamp_ns, np.concatenate(parts))

    def _value(self, arm: str, field: str, stamp_ns: int) -> NDArray[np.float64]:
        samples = self._samples[arm]
        after = next(i for i, s in enumerate(samples) if s.stamp_ns >= stamp_ns)
        b = samples[after]
        if b.stamp_ns == stamp_ns:
            return b.fields[field]
        a = samples[after - 1]
        share = (stamp_ns - a.stamp_ns) / (b.stamp_ns - a.stamp_ns)
        return a.fields[field] + share * (b.fields[field] - a.fields[field])
