# SPDX-License-Identifier: Apache-2.0
"""An experiment's report: the paper's figure and its tables, from the trials that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.errors import DataError
from zprl_core.experiments.cells import CellConfig, Trial, load_experiment
from zprl_core.experiments.motion import mean_motion
from zprl_core.experiments.points import TRAILS, Episodes, Point
from zprl_core.experiments.runner import ABOUT, folder_of, standing
from zprl_core.experiments.steering_trial import GUARD
from zprl_core.experiments.stopwatch import PARTS
from zprl_core.report.curves import Band, band
from zprl_core.report.document import Caution, Document, Figure, Part, Section, Table
from zprl_core.report.figures import COLOURS, DASHES, figure
from zprl_core.run_folder import make_folder, read_json
from zprl_core.stats import Proportion, pooled

ABREAST = 3
"""Pictures of ways side by side."""
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
        done: seeds whose budget is spent.
    """

    cell: CellConfig
    trials: Mapping[int, Trial]
    points: Mapping[int, Sequence[Point]]
    done: int

    @property
    def complete(self) -> bool:
        """Whether every seed is at its end."""
        return self.done == len(self.trials)

    @property
    def final(self) -> float | None:
        """Mean over seeds and the last five points, the unsteered first one left out; None before the end."""
        if not self.complete:
            return None
        rates = [[p.evaluation.success.rate for p in points[1:][-LAST:]] for points in self.points.values()]
        return float(np.mean([np.mean(each) for each in rates]))

    @property
    def last(self) -> Proportion:
        """The last point of each seed, taken together."""
        return pooled(points[-1].evaluation.success for points in self.points.values())

    @property
    def exploring(self) -> Proportion:
        """Training episodes between the last two points, taken together."""
        ends = [points[-1].training for points in self.points.values()]
        return pooled(each.success for each in ends if each)

    @property
    def base(self) -> Proportion:
        """The first point of each seed: nothing is steered."""
        return pooled(points[0].evaluation.success for points in self.points.values())

    @property
    def late(self) -> list[float]:
        """Each seed's mean over its last two points: one point alone may be a good or a bad moment."""
        return [
            float(np.mean([p.evaluation.success.rate for p in points[-LATE:]]))
            for points in self.points.values()
        ]

    @property
    def steps_to(self) -> float | None:
        """Mean over seeds of the steps at the first point of at least 0.9; None unless all seeds have one."""
        return self._mean_steps([first_of(points) for points in self.points.values()])

    @property
    def stays_from(self) -> float | None:
        """The same of the first point behind which no point is below 0.9."""
        return self._mean_steps([first_of(lasting(points)) for points in self.points.values()])

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
    done = sum(each.state == "done" for each in stands.values())
    return Curve(next(iter(trials.values())).cell, trials, points, done)


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
    missing = [f"{c.cell.name}: {c.done} of {len(c.trials)} seeds" for c in found if not c.complete]
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
            picture, f"Success over environment steps on {task}: means over seeds with Student's 95 % band."
        ),
        Table(f"{task}_success", SUCCESS, [_success_row(each) for each in found], SUCCESS_CAPTION),
        Table(f"{task}_motion", MOTION, [_motion_row(each) for each in shown], MOTION_CAPTION),
        *_ways(task, shown, root, out),
        *_effects(task, shown),
        Table(f"{task}_speed", SPEED, [_speed_row(each) for each in shown], SPEED_CAPTION),
    ]


EFFECTS = ("Method", "RMS ratio", "Distance of z~", "Displacement of c^")
EFFECTS_CAPTION = (
    "Last point, without exploration, means over chunks and seeds (Fig. 11): RMS(z~ - z) / RMS(z), "
    "Mahalanobis distance of z~ over the one that 1 % of the offline latents exceed, and L2 distance of "
    "g(z~) to g(z)."
)


def _effects(task: str, found: Sequence[Curve]) -> list[Part]:
    """What ZPRL did to the latent."""
    rows = []
    for curve in found:
        ends = [points[-1].effect for points in curve.points.values()]
        if all(ends):
            values = [float(np.mean([end.get(name, math.nan) for end in ends])) for name in GUARD]
            rows.append([curve.cell.label or curve.cell.method, *(f"{value:.3g}" for value in values)])
    return [Table(f"{task}_steering", EFFECTS, rows, EFFECTS_CAPTION)] if rows else []


def _ways(task: str, found: Sequence[Curve], root: Path, out: Path) -> list[Part]:
    """Commanded y of one layout at stages of training (Fig. 5), of the first seed of each method."""
    drawn = []
    for curve in found:
        seed = min(curve.points)
        trails = sorted((folder_of(curve.trials[seed], root) / TRAILS).glob("[0-9]*.npz"))
        trails = trails[: len(curve.points[seed])]
        if trails and curve.trials[seed].task.action.layout == "end_effector":
            drawn.append((curve, trails))
    if not drawn:
        return []
    picture = f"{task}_ways.png"
    with figure(
        out / picture, min(3, len(drawn)), 3.2 * math.ceil(len(drawn) / 3), math.ceil(len(drawn) / 3)
    ) as axes:
        for each in axes[len(drawn) :]:
            each.set_axis_off()
        for each, (curve, trails) in zip(axes, drawn, strict=False):
            _way(each, curve, trails)
    told = "Commanded y of the tool on the first layout of the first seed, without exploration (Fig. 5)."
    return [Figure(picture, told)]


def _way(axes: Any, curve: Curve, trails: Sequence[Path]) -> None:
    task, stages = curve.trials[min(curve.points)].task, (0, len(trails) // 2, len(trails) - 1)
    points = curve.points[min(curve.points)]
    for number, stage in enumerate(dict.fromkeys(stages)):
        actions = np.load(trails[stage])["steered"]
        seconds = np.arange(len(actions)) * task.tick_s * task.action.repeat
        label = f"{points[stage].steps:,} steps"
        axes.plot(seconds, actions[:, 1], color=COLOURS[number], linestyle=DASHES[number], label=label)
    axes.set(title=curve.cell.label or curve.cell.method, xlabel="s", ylabel="y, m")
    axes.legend(frameon=False)


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
    "runs at a point is dropped, and long ones fail more often, so that these rates are some points too high."
)
MOTION = ("Method", "Base", "Exploring", "Deterministic")
MOTION_CAPTION = (
    "Commanded tool, mean velocity in m/s | mean acceleration in m/s^2 (section V-C): the base policy, the "
    "second half of training while exploring, and the second half's measurements without exploration."
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
    row = [
        curve.cell.label or curve.cell.method,
        _number(curve.cell.scale),
        f"{curve.done} of {len(curve.trials)}",
    ]
    if not curve.points:
        return [*row, *["not run"] * (len(SUCCESS) - len(row))]
    final, told = curve.final, "N/A" if curve.complete else "not finished"
    return [
        *row,
        _rate(curve.base),
        _rate(curve.last),
        " ".join(f"{rate:.2f}" for rate in curve.late),
        told if final is None else f"{final:.2f}",
        *(told if steps is None else f"{steps:,.0f}" for steps in (curve.steps_to, curve.stays_from)),
        _rate(curve.exploring),
    ]


def _motion_row(curve: Curve) -> list[str]:
    halves = [points[len(points) // 2 :] for points in curve.points.values()]
    measured = [[points[0].evaluation] for points in curve.points.values()]
    exploring = [[p.training for p in half if p.training] for half in halves]
    steered = [[p.evaluation for p in half] for half in halves]
    return [curve.cell.label or curve.cell.method, *map(_motion, (measured, exploring, steered))]


def _motion(seeds: Sequence[Sequence[Episodes]]) -> str:
    """Means over points, then over seeds."""
    told = [[e.motion for e in seed if e.motion is not None] for seed in seeds]
    mean = mean_motion([mean_motion(seed) for seed in told])
    return "none" if mean is None else f"{mean.velocity:.3f} | {mean.acceleration:.2f}"


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
        curve.cell.label or curve.cell.method,
        f"{sum(end.steps for end in ends) / training:.0f}" if training else "",
        f"{updates / spent['update']:.0f}" if spent["update"] else "",
        *shares,
        f"{(training + spent['evaluation']) / 3600 / len(ends):.2f}",
    ]


def _draw(found: Sequence[Curve], path: Path) -> None:
    with figure(path, 1, 4.6) as (axes,):
        for number, curve in enumerate(found):
            look = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
            lines = [_line(points) for points in curve.points.values()]
            for steps, rates in lines:
                axes.plot(steps, rates, linewidth=0.6, alpha=0.5, **look)
            label = f"{curve.cell.label or curve.cell.method}, {len(lines)} seeds"
            _mean(axes, band(lines), label, look)
        axes.set(xlabel="environment steps, thousands", ylabel="success rate", ylim=(-0.02, 1.02))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="lower right")


def _mean(axes: Any, found: Band | None, label: str, look: dict[str, str]) -> None:
    if found is None:
        axes.plot([], [], label=label, **look)
        return
    axes.plot(found.steps, found.mean, linewidth=2.0, label=label, **look)
    if found.low is not None and found.high is not None:
        low, high = (np.clip(each, 0.0, 1.0) for each in (found.low, found.high))
        axes.fill_between(found.steps, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _line(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array([point.steps for point in points], np.float64)
    return steps, np.array([point.evaluation.success.rate for point in points])


def _rate(p: Proportion) -> str:
    low, high = p.wilson()
    return f"{p.rate:.2f} [{low:.2f}, {high:.2f}] of {p.trials}" if p.trials else "none"


def _number(x: float | None) -> str:
    return "of the task" if x is None or math.isnan(x) else f"{x:g}"
