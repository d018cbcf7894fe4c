# SPDX-License-Identifier: Apache-2.0
"""How smooth the commands are: the paper's Table II and Fig. 5."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.experiments.motion import Motion, mean_motion
from zprl_core.experiments.points import TRAILS, Episodes, Point
from zprl_core.experiments.reports.curve import Curve
from zprl_core.experiments.runner import folder_of
from zprl_core.report.document import Figure, Part, Table
from zprl_core.report.figures import COLOURS, DASHES, figure

ABREAST = 3
"""Pictures side by side."""
MOTION = ("Method", "Base", "Exploring", "Deterministic")
CAPTION = (
    "Commanded tool, mean velocity in m/s | mean acceleration in m/s^2 (section V-C): the base policy, the "
    "second half of training while exploring, and the second half's measurements without exploration."
)
WAYS = "Commanded y of the tool on the first layout of the first seed, without exploration (Fig. 5)."


def motion_parts(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    """Of a task's cells with points: means, the same over training (Table II), and ways (Fig. 5).

    Hands have no tool, and nothing to show.
    """
    if all(point.evaluation.motion is None for each in found for points in each.ended for point in points):
        return []
    return [
        Table(f"{task}_motion", MOTION, [_means(each) for each in found if each.done], CAPTION),
        *_by_steps(task, [each for each in found if each.done]),
        *_ways(task, found, root, out),
    ]


def _means(curve: Curve) -> list[str]:
    halves = [points[len(points) // 2 :] for points in curve.ended]
    measured = [[points[0].evaluation] for points in curve.ended]
    exploring = [[p.training for p in half if p.training] for half in halves]
    steered = [[p.evaluation for p in half] for half in halves]
    return [curve.name, *(_told(_motion(each)) for each in (measured, exploring, steered))]


def _by_steps(task: str, found: Sequence[Curve]) -> list[Part]:
    """Table II, while exploring and not."""
    what: dict[str, tuple[str, Callable[[Point], Episodes | None]]] = {
        "exploring": ("Training episodes since the point before", lambda point: point.training),
        "deterministic": ("Evaluation", lambda point: point.evaluation),
    }
    return [
        Table(
            f"{task}_motion_{name}",
            ("Environment steps", *(each.name for each in found)),
            rows(found, episodes),
            f"{told}: commanded velocity in m/s | acceleration in m/s^2 as training goes on, means over "
            "seeds (Table II). Steps are means over methods and seeds.",
        )
        for name, (told, episodes) in what.items()
    ]


def rows(found: Sequence[Curve], episodes: Callable[[Point], Episodes | None]) -> list[list[str]]:
    """A row a point: steps, then what each cell's seeds have there."""
    columns = [list(itertools.zip_longest(*each.ended)) for each in found]
    table = []
    for at in itertools.zip_longest(*columns, fillvalue=()):
        known = [[point for point in points if point] for points in at]
        steps = np.mean([point.steps for points in known for point in points])
        told = [[e for point in points if (e := episodes(point))] for points in known]
        table.append([f"{steps:,.0f}", *(_told(_motion([[each] for each in seeds])) for seeds in told)])
    return table


def _motion(seeds: Sequence[Sequence[Episodes]]) -> Motion | None:
    """Means over points, then over seeds."""
    return mean_motion([mean_motion([episodes.motion for episodes in seed]) for seed in seeds])


def _told(motion: Motion | None) -> str:
    return "none" if motion is None else f"{motion.velocity:.3f} | {motion.acceleration:.2f}"


def _ways(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    """Commanded y of one layout at stages of training, of the first seed of each method."""
    drawn = []
    for curve in found:
        seed = min(curve.points)
        trails = sorted((folder_of(curve.trials[seed], root) / TRAILS).glob("[0-9]*.npz"))
        trails = trails[: len(curve.points[seed])]
        if trails and curve.trials[seed].task.action.layout == "end_effector":
            drawn.append((curve, trails))
    if not drawn:
        return []
    picture, rows = f"{task}_ways.png", math.ceil(len(drawn) / ABREAST)
    with figure(out / picture, min(ABREAST, len(drawn)), 3.2 * rows, rows) as axes:
        for each in axes[len(drawn) :]:
            each.set_axis_off()
        for each, (curve, trails) in zip(axes, drawn, strict=False):
            _way(each, curve, trails)
    return [Figure(picture, WAYS)]


def _way(axes: Any, curve: Curve, trails: Sequence[Path]) -> None:
    task, stages = curve.trials[min(curve.points)].task, (0, len(trails) // 2, len(trails) - 1)
    points = curve.points[min(curve.points)]
    for number, stage in enumerate(dict.fromkeys(stages)):
        actions = np.load(trails[stage])["steered"]
        seconds = np.arange(len(actions)) * task.waypoint_s
        label = f"{points[stage].steps:,} steps"
        axes.plot(seconds, actions[:, 1], color=COLOURS[number], linestyle=DASHES[number], label=label)
    axes.set(title=curve.name, xlabel="s", ylabel="y, m")
    axes.legend(frameon=False)
