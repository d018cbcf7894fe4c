# SPDX-License-Identifier: Apache-2.0
"""An experiment's report: the paper's figure and its tables, from the trials that are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.errors import DataError
from zprl_core.experiments.cells import Trial, load_experiment
from zprl_core.experiments.points import Point
from zprl_core.experiments.reports.curve import Curve, curves
from zprl_core.experiments.reports.latent import latent_parts
from zprl_core.experiments.reports.motion import ABREAST, motion_parts
from zprl_core.experiments.runner import ABOUT, folder_of
from zprl_core.experiments.stopwatch import PARTS
from zprl_core.report.curves import Band, band
from zprl_core.report.document import Caution, Document, Figure, Part, Section, Table
from zprl_core.report.figures import COLOURS, figure
from zprl_core.run_folder import make_folder, read_json


def report(name: str, trials: Sequence[Trial], root: Path, out: Path, command: str) -> Document:
    """The report's document; its figures are written to `out`.

    Args:
        name: of the experiment. trials: of it. root: where they are.
        out: folder of the figures. command: what is said to have made the report.

    Raises:
        DataError: points are damaged.
    """
    experiment, found = load_experiment(name), curves(trials, root)
    make_folder(out)
    sections = [
        Section(task, _parts(task, [each for each in found if each.cell.task == task], root, out))
        for task in dict.fromkeys(each.cell.task for each in found)
    ]
    missing = [f"{c.cell.name}: {len(c.done)} of {len(c.trials)} seeds" for c in found if not c.complete]
    lead: list[Part] = [
        f"In the paper: {experiment.source}. Every rate is measured without exploration on the layouts of "
        "its seed, which are the same for every method and every point; steps are environment steps, the "
        "warm-up's included. Intervals of rates are Wilson's at 95 %, over all seeds' episodes together.",
        f"Command: `{command}`. {_computed_with(found, root)}",
    ]
    if missing:
        lead.append(Caution(f"Not finished: {'; '.join(missing)}."))
    return Document(experiment.title, lead, sections)


def _computed_with(found: Sequence[Curve], root: Path) -> str:
    """Commits, packages and machines of the trials that are shown.

    Raises:
        DataError: a trial does not say.
    """
    told: dict[str, None] = {}
    for trial in (each.trials[seed] for each in found for seed in each.points):
        path = folder_of(trial, root) / ABOUT
        try:
            about = read_json(path)["versions"]
            torch, where = about["packages"]["torch"], f"{about['platform']}, {about['cpus']} CPUs"
            told[f"commit {about['commit']}, torch {torch}, {where}"] = None
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: {error} is missing; `zprl experiment run` writes it anew") from error
    return f"Trials were last run by: {'; '.join(told)}." if told else ""


def _parts(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    shown = [each for each in found if each.points]
    if not shown:
        return [Caution("No trial of this task has been run.")]
    picture = f"{task}.png"
    _draw(shown, out / picture)
    return [
        Figure(
            picture,
            f"Success over environment steps on {task}: each seed, the mean over those that are done with "
            "Student's 95 % band, and the other methods' means in grey.",
        ),
        Table(f"{task}_success", SUCCESS, [_success_row(each) for each in found], SUCCESS_CAPTION),
        *motion_parts(task, shown, root, out),
        *latent_parts(task, shown, root, out),
        Table(f"{task}_speed", SPEED, [_speed_row(each) for each in shown], SPEED_CAPTION),
    ]


SUCCESS = (
    "Method",
    "Scale",
    "Seeds done",
    "Base",
    "Last point",
    "Last two points, by seed",
    "Mean of last 5",
    "Steps to 0.9",
    "Stays there from",
    "Exploring before it",
)
SUCCESS_CAPTION = (
    "Wilson's intervals take all episodes for independent; how far seeds are apart is in their own rates. "
    "Steps to 0.9: the first point that reaches it; a curve may fall again, so beside it the first from "
    "which it stays. Exploring: training episodes that ended between the last two points. An episode that "
    "runs at a point is dropped, and long ones fail more often, so that these rates are some points too "
    "high. How a curve ends is told of those seeds that are done."
)
SPEED = (
    "Method",
    "Environment steps/s",
    "Updates/s",
    "Simulation",
    "Rendering",
    "Inference",
    "Update",
    "Hours a trial",
)
SPEED_CAPTION = (
    "Whole loop of training, evaluation left out of all but the hours: shares of the wall time of a trial on "
    "one core; other processes may have shared it. Rendering: all that makes an observation."
)


def _success_row(curve: Curve) -> list[str]:
    scale = next(iter(curve.trials.values())).scale
    row = [
        curve.name,
        "none" if scale is None else f"{scale:g}",
        f"{len(curve.done)} of {len(curve.trials)}",
    ]
    if not curve.points:
        return [*row, *["not run"] * (len(SUCCESS) - len(row))]
    row.append(curve.base.told("none"))
    if not curve.done:
        return [*row, *["not finished"] * (len(SUCCESS) - len(row))]
    final, told = curve.final, "N/A" if curve.complete else "not finished"
    return [
        *row,
        curve.last.told("none"),
        " ".join(f"{rate:.2f}" for rate in curve.late),
        told if final is None else f"{final:.2f}",
        *(told if steps is None else f"{steps:,.0f}" for steps in (curve.steps_to, curve.stays_from)),
        curve.exploring.told("none"),
    ]


def _speed_row(curve: Curve) -> list[str]:
    ends = [points[-1] for points in curve.points.values()]
    told = [part for part in PARTS if all(part in end.spent_s for end in ends)]
    spent = {part: sum(end.spent_s[part] for end in ends) for part in told}
    training = sum(seconds for part, seconds in spent.items() if part != "evaluation")
    shares = [
        f"{spent[part] / training:.0%}" if training and part in spent else ""
        for part in ("environment", "observation", "inference", "update")
    ]
    updates = sum(end.updates for end in ends)
    return [
        curve.name,
        f"{sum(end.steps for end in ends) / training:.0f}" if training else "",
        f"{updates / spent['update']:.0f}" if spent["update"] else "",
        *shares,
        f"{(training + spent['evaluation']) / 3600 / len(ends):.2f}",
    ]


def _draw(found: Sequence[Curve], path: Path) -> None:
    """A picture a method, with the other methods' means in grey: bands of several would hide each other."""
    rows = math.ceil(len(found) / ABREAST)
    bands = [band([_line(points) for points in curve.ended]) for curve in found]
    with figure(path, min(ABREAST, len(found)), 0.4 + 2.6 * rows, rows, sharex=True, sharey=True) as axes:
        for each in axes[len(found) :]:
            each.set_axis_off()
        for number, (one, curve) in enumerate(zip(axes, found, strict=False)):
            for other in bands:
                if other is not None and other is not bands[number]:
                    one.plot(other.steps, other.mean, color="#c4c4c4", linewidth=1.0)
            _seeds(one, curve, bands[number], COLOURS[number % len(COLOURS)])
            part = "" if curve.complete else f"\n{len(curve.done)} of {len(curve.trials)} seeds are done"
            one.set(title=f"{curve.name}{part}", ylim=(-0.02, 1.02))
            one.title.set_fontsize(10.5)
            one.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
            one.xaxis.set_tick_params(labelbottom=True)
            one.grid(alpha=0.3)
        axes[0].set_ylabel("success rate")
        axes[min(len(found), len(axes)) - 1].set_xlabel("environment steps, thousands")


def _seeds(axes: Any, curve: Curve, found: Band | None, colour: str) -> None:
    for points in curve.points.values():
        axes.plot(*_line(points), linewidth=0.8, alpha=0.6, color=colour)
    if found is None:
        return
    axes.plot(found.steps, found.mean, linewidth=2.2, color=colour)
    if found.low is not None and found.high is not None:
        low, high = (np.clip(each, 0.0, 1.0) for each in (found.low, found.high))
        axes.fill_between(found.steps, low, high, color=colour, alpha=0.15, linewidth=0)


def _line(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array([point.steps for point in points], np.float64)
    return steps, np.array([point.evaluation.success.rate for point in points])
