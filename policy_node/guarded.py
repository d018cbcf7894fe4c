"""What the latent's guard leaves behind: values in RUN/chunks.log, counters, curves, and news for people."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.curves import CurveWriter
from zprl_core.effects import SendChunk
from zprl_core.steering.guard import GuardValues

NAMES = tuple(field.name for field in dataclasses.fields(GuardValues))


def to_line(send: SendChunk) -> dict[str, float | None]:
    """The part of a line of RUN/chunks.log: what is not known, or where nothing is steered, is null."""
    values = dataclasses.asdict(send.plan.guard)
    return {"scale": send.plan.scale} | {
        name: value if math.isfinite(value) else None for name, value in values.items()
    }


def from_lines(lines: Iterable[Mapping[str, Any]]) -> list[GuardValues]:
    """The values of the steered chunks among lines of RUN/chunks.log."""
    return [
        GuardValues(**{name: math.nan if line[name] is None else line[name] for name in NAMES})
        for line in lines
        if line.get("rms_ratio") is not None
    ]


def news(send: SendChunk, was_beyond: bool) -> str:
    """What to tell people: an average went beyond its limit or back, or lambda's scale moved; or nothing."""
    before, after = send.plan.scale, send.guard.scale
    text = f"chunk {send.episode}/{send.chunk}: latent: {send.guard.beyond or 'within its limits'}"
    if after != before:
        return f"{text}; lambda is scaled by {after:.3f}, before {before:.3f}"
    return text if bool(send.guard.beyond) != was_beyond else ""


class GuardRecord:
    """Counts, and draws the means of each episode over the steered chunks so far.

    Args:
        tb: folder of TensorBoard events.
        before: the counters that an earlier start of the run left.
        remembered: chunks that percentiles are taken of.
    """

    def __init__(self, tb: Path, before: Mapping[str, Any], remembered: int) -> None:
        self._curves = CurveWriter(tb, ".policy")
        self._beyond, self._backed_off = int(before.get("guarded", 0)), int(before.get("backed_off", 0))
        self._chunks = 0
        self._values: deque[GuardValues] = deque(maxlen=remembered)
        self._episode: list[tuple[float, GuardValues]] = []

    def resume(self, chunks: int) -> None:
        """So many steered chunks were planned before."""
        self._chunks = chunks

    def note(self, send: SendChunk) -> None:
        """A chunk was planned; one that is not steered leaves nothing."""
        if math.isnan(send.plan.guard.rms_ratio):
            return
        self._chunks += 1
        self._beyond += bool(send.guard.beyond)
        self._backed_off += send.guard.scale < send.plan.scale
        self._values.append(send.plan.guard)
        self._episode.append((send.plan.scale, send.plan.guard))

    def stats(self) -> dict[str, Any]:
        """Chunks with an average beyond its limit, times that lambda was scaled down, and percentiles."""
        spreads = {name: _spread([getattr(values, name) for values in self._values]) for name in NAMES}
        return {"guarded": self._beyond, "backed_off": self._backed_off, **spreads}

    def end_episode(self) -> None:
        """Draw a point per curve."""
        if self._episode:
            means = {
                f"guard/{name}": float(np.mean([getattr(values, name) for _, values in self._episode]))
                for name in NAMES
            }
            means["guard/lambda_scale"] = float(np.mean([scale for scale, _ in self._episode]))
            self._curves.scalars(self._chunks, means)
            self._curves.flush()
        self._episode = []

    def close(self) -> None:
        """Close the curves."""
        self.end_episode()
        self._curves.__exit__(None, None, None)


def _spread(values: list[float]) -> dict[str, float] | None:
    """Mean, 99th percentile and maximum; None where nothing is known."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    named = {"mean": np.mean(known), "p99": np.percentile(known, 99), "max": np.max(known)}
    return {name: float(f"{value:.4g}") for name, value in named.items()}
