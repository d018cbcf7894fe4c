# SPDX-License-Identifier: Apache-2.0
"""One figure of a replay: errors, distance from the demonstrations, and Q beside what followed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zprl_core.replay.summary import FEW, PolicyResult

OUTCOMES = {"success": "#0072b2", "failure": "#d55e00", "horizon": "#009e73", "": "#777777"}
"""Colours of Okabe and Ito, which colour-blind readers can tell apart; markers differ too."""
MARKERS = {"success": "o", "failure": "X", "horizon": "s", "": "."}


def draw(results: Sequence[PolicyResult], path: Path) -> None:
    """A row of three panels for each policy (PNG); what is not known says so."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(results), 3, figsize=(11.0, 3.6 * len(results)), dpi=115, layout="constrained", squeeze=False
    )
    for row, result in zip(axes, results, strict=True):
        _errors(row[0], result)
        _distances(row[1], result)
        _calibration(row[2], result)
        row[0].set_title(result.name, loc="left", fontweight="bold")
    figure.savefig(path)
    pyplot.close(figure)


def _errors(axes: Any, result: PolicyResult) -> None:
    points = [(row.at_s, 1e3 * row.error.position_m, row.outcome) for row in result.rows]
    known = [point for point in points if math.isfinite(point[1])]
    axes.set(xlabel="time into the episode, s", ylabel="planned beside executed, mm")
    if not known:
        _say(axes, "what was executed is not known")
        return
    _scatter(axes, known)


def _distances(axes: Any, result: PolicyResult) -> None:
    points = [
        (float(number), row.distance, row.outcome)
        for number, row in enumerate(result.episodes, start=1)
        if math.isfinite(row.distance)
    ]
    axes.set(xlabel="episodes, the farthest first", ylabel="distance of z / 99 % offline (Mahalanobis)")
    if not points:
        _say(axes, "no offline latents in the base checkpoint")
        return
    _scatter(axes, points)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_ylim(bottom=0.0)
    axes.axhline(1.0, color="black", linewidth=1.0, linestyle="--")


def _calibration(axes: Any, result: PolicyResult) -> None:
    axes.set(xlabel="mean Q of the critics", ylabel="discounted reward that followed, ± 2 s.e.")
    episodes = {(row.source, row.episode) for row in result.rows if math.isfinite(row.value)}
    if not result.bins:
        _say(axes, "no critics, or no episode with a success or a failure")
        return
    if len(episodes) < FEW:
        _say(axes, f"{len(episodes)} episodes: too few, at least {FEW} are needed")
        return
    q, value = [each.q for each in result.bins], [each.value for each in result.bins]
    axes.errorbar(
        q, value, yerr=[2.0 * each.error for each in result.bins], fmt="o", color="#0072b2", capsize=3
    )
    ends = [min(q + value), max(q + value)]
    axes.plot(ends, ends, color="black", linewidth=1.0, linestyle="--")


def _scatter(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    for outcome in OUTCOMES:
        chosen = [(x, y) for x, y, of in points if of == outcome]
        if chosen:
            x, y = zip(*chosen, strict=True)
            label = outcome or "outcome unknown"
            axes.scatter(x, y, s=14, color=OUTCOMES[outcome], marker=MARKERS[outcome], label=label, alpha=0.8)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=9)


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=9)
    axes.set(xticks=[], yticks=[])
