# SPDX-License-Identifier: Apache-2.0
"""The points of a trial's learning curve: what was measured, after how much training."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.errors import DataError
from zprl_core.experiments.motion import Motion, mean_motion
from zprl_core.experiments.rollouts import Finished
from zprl_core.run_folder import make_folder, write_text
from zprl_core.stats import Proportion

POINTS = "points.jsonl"
"""In a trial's folder; one line a point."""
TRAILS = "trails"
"""Beside it: a file a point, see `write_trail`."""


@dataclass(frozen=True)
class Episodes:
    """Episodes taken together.

    Attributes:
        successes, trials: of them. steps: mean length, environment steps. reward: mean sum.
        motion: mean of the commanded tool's; None for a hand.
    """

    successes: int
    trials: int
    steps: float
    reward: float
    motion: Motion | None

    @property
    def success(self) -> Proportion:
        """With its interval."""
        return Proportion(self.successes, self.trials)


@dataclass(frozen=True)
class Point:
    """A measurement.

    Attributes:
        steps: environment steps trained before it, the warm-up's included. chunks, updates: likewise.
        episodes: of training, finished before it.
        evaluation: without exploration, on the layouts that every trial of this seed has.
        training: the episodes that were finished since the last point, exploring; None where none was. Those
            that run at a point are dropped, long ones, which are failures mostly, more often than short ones.
        metrics: of the last update. effect: what the steering did to the chunks of the evaluation.
        spent_s: wall time since the trial's start in "environment", "observation" (rendering above all),
            "inference", "update" and "evaluation"; of older trials the first has the second in it.
    """

    steps: int
    chunks: int
    episodes: int
    updates: int
    evaluation: Episodes
    training: Episodes | None
    metrics: dict[str, float]
    effect: dict[str, float]
    spent_s: dict[str, float]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Point:
        """The inverse of `dataclasses.asdict`."""
        found = {key: data[key] and _episodes(data[key]) for key in ("evaluation", "training")}
        counts = {key: operator.index(data[key]) for key in ("steps", "chunks", "episodes", "updates")}
        return cls(**{**data, **counts, **found})


def summarise(finished: Sequence[Finished]) -> Episodes | None:
    """Episodes taken together; None of none."""
    if not finished:
        return None
    count = len(finished)
    return Episodes(
        successes=sum(each.success for each in finished),
        trials=count,
        steps=sum(each.steps for each in finished) / count,
        reward=sum(each.reward for each in finished) / count,
        motion=mean_motion([each.motion for each in finished]),
    )


def _episodes(data: dict[str, Any]) -> Episodes:
    found = Episodes(**{**data, "motion": data["motion"] and Motion(**data["motion"])})
    if not 0 <= operator.index(found.successes) <= operator.index(found.trials):
        raise ValueError(f"{found.successes} successes of {found.trials} trials")
    return found


def write_points(folder: Path, points: Sequence[Point]) -> None:
    """Replace a trial's points in one piece."""
    write_text(folder / POINTS, "".join(json.dumps(asdict(point)) + "\n" for point in points))


def write_trail(folder: Path, point: int, steered: Finished, explored: Finished | None) -> None:
    """Keep the waypoints of two episodes of a point: the first evaluation layout's, and one of training."""
    empty = np.zeros((0, steered.actions.shape[1]), np.float32)
    training = explored.actions if explored else empty
    write_arrays(folder / TRAILS / f"{point:04d}.npz", {"steered": steered.actions, "explored": training})


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Replace a file of named arrays in one piece; its folder is made."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}")
    with beside.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    beside.replace(path)


def read_points(folder: Path) -> list[Point]:
    """A trial's points, none where it has none yet.

    Raises:
        DataError: a line is none; names the file and the line.
    """
    path = folder / POINTS
    if not path.exists():
        return []
    points = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            points.append(Point.from_dict(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{path}: line {number} is no point: {error}; `zprl experiment run` writes it anew from the "
                "trial's state"
            ) from error
    return points
