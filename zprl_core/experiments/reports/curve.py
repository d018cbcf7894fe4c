# SPDX-License-Identifier: Apache-2.0
"""A cell's learning curve over its seeds, and what a table says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zprl_core.errors import DataError
from zprl_core.experiments.cells import CellConfig, Trial
from zprl_core.experiments.points import Point
from zprl_core.experiments.runner import standing
from zprl_core.stats import Proportion, pooled

LAST = 5
"""Points that a final rate is averaged over (paper, Table I)."""
LATE = 2
"""Points that each seed's end is averaged over."""
REACHED = 0.9
"""Success rate whose steps Table I counts."""


@dataclass(frozen=True)
class Curve:
    """A cell with those of its seeds that have points.

    Attributes:
        cell: what was run. trials: by seed. points: by seed, of those that have any.
        done: seeds whose budget is spent: only these count for how a curve ends.
    """

    cell: CellConfig
    trials: Mapping[int, Trial]
    points: Mapping[int, Sequence[Point]]
    done: frozenset[int]

    @property
    def name(self) -> str:
        """In a table or a figure of its task."""
        return self.cell.label or self.cell.method

    @property
    def complete(self) -> bool:
        """Whether every seed is at its end."""
        return len(self.done) == len(self.trials)

    @property
    def ended(self) -> list[Sequence[Point]]:
        """The points of each seed that is at its end."""
        return [points for seed, points in self.points.items() if seed in self.done]

    @property
    def final(self) -> float | None:
        """Mean over seeds and the last five points, the unsteered first one left out; None before the end."""
        if not self.complete:
            return None
        rates = [[p.evaluation.success.rate for p in points[1:][-LAST:]] for points in self.ended]
        return float(np.mean([np.mean(each) for each in rates]))

    @property
    def last(self) -> Proportion:
        """The last point of each seed, taken together."""
        return pooled(points[-1].evaluation.success for points in self.ended)

    @property
    def exploring(self) -> Proportion:
        """Training episodes between the last two points, taken together."""
        ends = [points[-1].training for points in self.ended]
        return pooled(each.success for each in ends if each)

    @property
    def base(self) -> Proportion:
        """The first point of each seed: nothing is steered."""
        return pooled(points[0].evaluation.success for points in self.points.values())

    @property
    def late(self) -> list[float]:
        """Each seed's mean over its last two points: one point alone may be a good or a bad moment."""
        return [
            float(np.mean([p.evaluation.success.rate for p in points[1:][-LATE:]])) for points in self.ended
        ]

    @property
    def steps_to(self) -> float | None:
        """Mean over seeds of the steps at the first point of at least 0.9; None unless all seeds have one."""
        return self._mean_steps([first_of(points) for points in self.ended])

    @property
    def stays_from(self) -> float | None:
        """The same of the first point behind which no point is below 0.9."""
        return self._mean_steps([first_of(lasting(points)) for points in self.ended])

    def _mean_steps(self, steps: Sequence[int | None]) -> float | None:
        if not self.complete or None in steps:
            return None
        return float(np.mean([each for each in steps if each is not None]))


def first_of(points: Sequence[Point]) -> int | None:
    """Steps at the first point of at least 0.9."""
    return next((p.steps for p in points if p.evaluation.success.rate >= REACHED), None)


def lasting(points: Sequence[Point]) -> Sequence[Point]:
    """The points behind the last one of less than 0.9."""
    below = [i for i, p in enumerate(points) if p.evaluation.success.rate < REACHED]
    return points[below[-1] + 1 :] if below else points


def curves(trials: Sequence[Trial], root: Path) -> list[Curve]:
    """The cells of these trials, in their order, with what is there of them.

    Raises:
        DataError: points are damaged.
    """
    cells: dict[int, dict[int, Trial]] = {}
    for trial in trials:
        cells.setdefault(id(trial.cell), {})[trial.seed] = trial
    return [_curve(seeds, root) for seeds in cells.values()]


def _curve(trials: Mapping[int, Trial], root: Path) -> Curve:
    stands = {seed: standing(trial, root) for seed, trial in trials.items()}
    for each in stands.values():
        if each.state == "damaged":
            raise DataError(each.error)
    points = {seed: each.points for seed, each in stands.items() if each.points}
    done = frozenset(seed for seed, each in stands.items() if each.state == "done")
    return Curve(next(iter(trials.values())).cell, trials, points, done)
