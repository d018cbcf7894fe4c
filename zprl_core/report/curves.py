# SPDX-License-Identifier: Apache-2.0
"""Learning curves over controller steps, as in the paper's Fig. 8, and when a rate is reached. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core.measurement import measured
from zprl_core.plan import TRAIN
from zprl_core.records import EpisodeRecord
from zprl_core.report.runs import Method, ReportRun
from zprl_core.stats import Proportion

Array = NDArray[np.float64]
WINDOW = 50
"""Training episodes that a running mean is taken over."""
POINTS = 200
"""Of a curve."""


@dataclass(frozen=True, eq=False)
class Running:
    """The running mean of one run's training episodes.

    Attributes:
        steps: controller steps trained until the last episode of the window, (n,).
        success, length: means over the window, (n,): of r, and of the episode's steps.
    """

    steps: Array
    success: Array
    length: Array


@dataclass(frozen=True)
class Point:
    """An evaluation without exploration: controller steps and chunks trained before it, successes, mean
    episode length in steps.
    """

    block: str
    steps: int
    chunks: int
    successes: Proportion
    length: float


def running(records: Sequence[EpisodeRecord], window: int = WINDOW) -> Running:
    """Of training episodes that count, in order; empty where there are fewer than the window."""
    steps = np.cumsum([record.steps for record in records], dtype=np.float64)
    success = np.array([record.success for record in records], dtype=np.float64)
    length = np.array([record.steps for record in records], dtype=np.float64)
    if len(records) < window:
        return Running(*[np.empty(0)] * 3)
    kernel = np.full(window, 1.0 / window)
    return Running(
        steps[window - 1 :], np.convolve(success, kernel, "valid"), np.convolve(length, kernel, "valid")
    )


def points(run: ReportRun) -> list[Point]:
    """The evaluations of a run in their order; of trials in turns the base policy first."""
    found, trained, chunks = list[Point](), 0, 0
    seen = set[str]()
    for record in run.records:
        if record.block == TRAIN:
            trained += record.steps if record.counts else 0
            chunks += record.chunks if record.counts else 0
        elif record.block not in seen and not record.case:
            seen.add(record.block)
            valid = measured(run.records, record.block)
            if valid:
                p = Proportion(sum(each.success for each in valid), len(valid))
                length = float(np.mean([each.steps for each in valid]))
                found.append(Point(record.block, trained, chunks, p, length))
    return sorted(found, key=lambda point: (point.steps, not point.block.startswith("base"), point.block))


def steps_to(run: ReportRun, rate: float) -> float | None:
    """Controller steps until the running mean of the training episodes first reaches a rate; None: never."""
    curve = running(run.trained)
    reached = np.flatnonzero(curve.success >= rate - 1e-12)
    return float(curve.steps[reached[0]]) if len(reached) else None


@dataclass(frozen=True, eq=False)
class Band:
    """Seeds of one method together, on common controller steps.

    Attributes:
        steps: (n,). mean: over the seeds, (n,).
        low, high: Student's 95 % interval of the mean over seeds, (n,); None with fewer than three seeds.
        curves: how many seeds.
    """

    steps: Array
    mean: Array
    low: Array | None
    high: Array | None
    curves: int


def band(curves: Sequence[tuple[Array, Array]], *, independent: bool = True) -> Band | None:
    """Curves (steps, values) of several seeds, where all of them are known; None where none are.

    Seeds with no value at all are left out. Two seeds give no interval: with one degree of freedom it would
    be wider than the axis.

    Args:
        curves: of one method. independent: whether the seeds differ; there is no interval otherwise.
    """
    curves = [curve for curve in curves if len(curve[0])]
    if not curves:
        return None
    begin, end = max(float(x[0]) for x, _ in curves), min(float(x[-1]) for x, _ in curves)
    if end <= begin:
        return None
    steps = np.linspace(begin, end, POINTS)
    values = np.stack([np.interp(steps, x, y) for x, y in curves])
    mean = values.mean(axis=0)
    if len(curves) < 3 or not independent:
        return Band(steps, mean, None, None, len(curves))
    from scipy.stats import t

    half = float(t.ppf(0.975, len(curves) - 1)) * values.std(axis=0, ddof=1) / math.sqrt(len(curves))
    return Band(steps, mean, mean - half, mean + half, len(curves))


def method_band(method: Method, what: str) -> Band | None:
    """Of "success" or "length" over a method's seeds."""
    curves = [running(run.trained) for run in method.runs]
    return band([(curve.steps, getattr(curve, what)) for curve in curves], independent=not method.repeated)
