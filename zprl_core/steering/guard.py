"""Is the steered latent still where the frozen decoder was trained? Three numbers per chunk, and a back-off.

The averages of the last chunks are compared with the limits of `rl.guard`. With `back_off`, lambda is scaled
down while one of them is beyond its limit, and up again where all leave room: z~ = z + scale * lambda * dz.
The z~ that is executed is the one that is learned from, and the critic values z~, so that nothing else of the
method changes; the actor does not know of the scale and goes on to be improved at the full lambda.

The state is a function of the values of the chunks before it, in the order in which they were planned, so
that whoever has those (RUN/chunks.log) has the scale. The factors are ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zprl_core.config.learning import GuardConfig
    from zprl_core.steering.latents import LatentDistribution

BACK_OFF = 0.7
"""The scale is multiplied by this where an average is beyond its limit."""
RECOVERY = 1.05
"""And by this where the averages, grown by as much, would stay inside."""
LEAST = 0.1
Average = tuple[str, float, float]  # name, value, limit
DIGITS = 6
"""Significant digits of the values, so that a log gives back the very numbers that were judged."""


@dataclass(frozen=True)
class GuardValues:
    """How far one chunk was steered. NaN: not known, or nothing is steered.

    rms_ratio: RMS(z~ - z) / RMS(z). mahalanobis: distance of z~ to the offline latents over the 99 % quantile
    of theirs. displacement: L2 distance of g(z~) to g(z), in units of c.
    """

    rms_ratio: float = math.nan
    mahalanobis: float = math.nan
    displacement: float = math.nan


@dataclass(frozen=True)
class GuardState:
    """What the guard remembers.

    scale: of lambda, for the next chunk. recent: values since it changed, the newest last. beyond: which
    averages were found beyond their limits, for people; empty where none was, or too few are known.
    """

    scale: float = 1.0
    recent: tuple[GuardValues, ...] = ()
    beyond: str = ""


class Guard:
    """Compares averages over `settings.chunks` chunks with the limits, and moves the scale if it may."""

    def __init__(self, settings: GuardConfig) -> None:
        self.settings = settings

    def after(self, state: GuardState, values: GuardValues) -> GuardState:
        """The state once a chunk with these values was planned."""
        recent = (*state.recent, values)[-self.settings.chunks :]
        averages = self._averages(recent)
        beyond = ", ".join(
            f"{name} {average:.3g}, allowed {limit:g}" for name, average, limit in averages if average > limit
        )
        scale = self._moved(state.scale, averages) if self.settings.back_off and averages else state.scale
        return GuardState(scale, recent if scale == state.scale else (), beyond)

    def replay(self, history: Iterable[GuardValues]) -> GuardState:
        """The state after these chunks of a run."""
        state = GuardState()
        for values in history:
            state = self.after(state, values)
        return state

    def _moved(self, scale: float, averages: Sequence[Average]) -> float:
        if any(average > limit for _, average, limit in averages):
            return max(LEAST, scale * BACK_OFF)
        if any(average * RECOVERY > limit for _, average, limit in averages):
            return scale
        return min(1.0, scale * RECOVERY)

    def _averages(self, recent: Sequence[GuardValues]) -> list[Average]:
        """Of what is watched; nothing before there are enough chunks."""
        if len(recent) < self.settings.chunks:
            return []
        averages = np.mean([astuple(values) for values in recent], axis=0)
        named = [(field.name, getattr(self.settings, field.name)) for field in fields(GuardValues)]
        return [
            (name, float(average), limit)
            for (name, limit), average in zip(named, averages, strict=True)
            if limit is not None
        ]


def measure(
    z: NDArray[np.float32],
    z_tilde: NDArray[np.float32],
    feature: NDArray[np.float32],
    steered_feature: NDArray[np.float32],
    latents: LatentDistribution | None,
) -> GuardValues:
    """The values of one steered chunk: z and z~ (d,), g(z) and g(z~) (c_dim,)."""
    return GuardValues(
        rms_ratio=_rounded(rms(z_tilde - z) / max(rms(z), 1e-9)),
        mahalanobis=math.nan if latents is None else _rounded(float(latents.distance(z_tilde))),
        displacement=_rounded(float(np.linalg.norm(steered_feature - feature))),
    )


def rms(x: NDArray[np.float32]) -> float:
    """Root mean square over all numbers of x."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
