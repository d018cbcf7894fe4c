# SPDX-License-Identifier: Apache-2.0
"""The figures of a report, as PNG. Colours of Okabe and Ito, which colour-blind readers tell apart; dashes
and markers differ too, for print.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.report.curves import Point, method_band, points, running
from zprl_core.report.runs import GUARD, Method

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
_GUARD_LABELS = {
    "rms_ratio": "RMS(z~ - z) / RMS(z)",
    "mahalanobis": "Mahalanobis of z~ / 99 % offline",
    "displacement": "|g(z~) - g(z)|",
}
_GUARD_WINDOW = 100


@contextlib.contextmanager
def figure(path: Path, columns: int, width: float = 6.0, height: float = 4.0) -> Iterator[Any]:
    """Axes of one row, written to a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    made, axes = pyplot.subplots(
        1, columns, figsize=(width * columns, height), dpi=130, layout="constrained", squeeze=False
    )
    yield axes[0]
    made.savefig(path)
    pyplot.close(made)


def learning(methods: Sequence[Method], path: Path) -> None:
    """Success and episode length over controller steps: means over seeds, and every seed thin behind them."""
    with figure(path, 2) as (success, length):
        for number, method in enumerate(methods):
            colour = COLOURS[number % len(COLOURS)]
            for axes, what in ((success, "success"), (length, "length")):
                _curves(axes, method, what, colour, DASHES[number % len(DASHES)])
            for run in method.runs:
                _evaluations(success, length, points(run), colour, MARKERS[number % len(MARKERS)])
        success.set(xlabel="controller steps", ylabel="success rate", ylim=(-0.02, 1.02))
        length.set(xlabel="controller steps", ylabel="episode length, steps", ylim=(0.0, None))
        for axes in (success, length):
            axes.grid(alpha=0.3)
        success.legend(frameon=False, fontsize=8, loc="lower right")


def _curves(axes: Any, method: Method, what: str, colour: str, dashes: str) -> None:
    for run in method.runs:
        curve = running(run.trained)
        axes.plot(curve.steps, getattr(curve, what), color=colour, linewidth=0.7, alpha=0.45)
    found = method_band(method, what)
    if found is None:
        return
    seeds = len(method.runs)
    axes.plot(
        found.steps,
        found.mean,
        color=colour,
        linestyle=dashes,
        linewidth=2.0,
        label=f"{method.name}, {seeds} seed{'s' * (seeds > 1)}",
    )
    if found.low is not None and found.high is not None:
        axes.fill_between(found.steps, found.low, found.high, color=colour, alpha=0.18, linewidth=0)


def _evaluations(success: Any, length: Any, found: Sequence[Point], colour: str, marker: str) -> None:
    for point in found:
        low, high = point.successes.wilson()
        rate = point.successes.rate
        filled = "white" if point.block.startswith("base") else colour
        style = {"fmt": marker, "color": colour, "markerfacecolor": filled, "capsize": 3, "markersize": 5}
        success.errorbar([point.steps], [rate], yerr=[[rate - low], [high - rate]], **style)
        length.plot([point.steps], [point.length], marker, color=colour, markerfacecolor=filled)


def guards(methods: Sequence[Method], path: Path) -> bool:
    """The guard's values over steered chunks, running means; whether anything was known."""
    known = [run for method in methods for run in method.runs if len(run.guard["rms_ratio"]) >= _GUARD_WINDOW]
    if not known:
        return False
    with figure(path, len(GUARD), 4.4, 3.4) as axes:
        for each, name in zip(axes, GUARD, strict=True):
            for number, method in enumerate(methods):
                for run in method.runs:
                    values = np.array(run.guard[name])
                    if len(values) >= _GUARD_WINDOW and np.isfinite(values).all():
                        kernel = np.full(_GUARD_WINDOW, 1.0 / _GUARD_WINDOW)
                        curve = np.convolve(values, kernel, "valid")
                        colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
                        each.plot(curve, color=colour, linestyle=dashes, linewidth=1.0, alpha=0.8)
            limit = getattr(known[0].task.rl.guard, name)
            if limit is not None:
                each.axhline(limit, color="black", linestyle="--", linewidth=1.0)
            each.set(xlabel="steered chunks", ylabel=_GUARD_LABELS[name])
            each.set_ylim(bottom=0.0)
            each.grid(alpha=0.3)
    return True


def rates(rows: Sequence[tuple[str, float, float, float]], path: Path) -> None:
    """Success rates with their Wilson 95 % intervals: (name, rate, low, high), the first on top."""
    with figure(path, 1, 7.0, 0.9 + 0.42 * len(rows)) as (axes,):
        for number, (_, rate, low, high) in enumerate(rows):
            colour = COLOURS[number % len(COLOURS)]
            axes.errorbar(
                [rate],
                [-number],
                xerr=[[rate - low], [high - rate]],
                fmt=MARKERS[number % len(MARKERS)],
                color=colour,
                capsize=4,
            )
        axes.set(yticks=[-n for n in range(len(rows))], yticklabels=[name for name, *_ in rows])
        axes.set(xlabel="success rate, Wilson 95 %", xlim=(-0.02, 1.02), ylim=(-len(rows) + 0.4, 0.6))
        axes.grid(alpha=0.3, axis="x")


def smoothness(series: Sequence[tuple[str, str, Sequence[Any], Sequence[Any]]], path: Path) -> None:
    """(name, unit, blocks, estimates with value, low, high) for each quantity, a panel each."""
    with figure(path, len(series), 3.6, 3.6) as axes:
        for each, (name, unit, blocks, estimates) in zip(axes, series, strict=True):
            for number, (block, found) in enumerate(zip(blocks, estimates, strict=True)):
                if found.value is None:
                    continue
                low = found.value if found.low is None else found.low
                high = found.value if found.high is None else found.high
                bars = [[found.value - low], [high - found.value]]
                colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
                each.errorbar(
                    [number], [found.value], yerr=bars, fmt=marker, color=colour, capsize=4, label=block
                )
            each.set(
                xticks=range(len(blocks)), xticklabels=blocks, ylabel=f"{name}{f', {unit}' if unit else ''}"
            )
            each.tick_params(axis="x", rotation=30)
            each.grid(alpha=0.3, axis="y")


def trajectories(image: np.ndarray, panels: Sequence[tuple[str, Sequence[np.ndarray]]], path: Path) -> None:
    """The paper's Fig. 10: the tool's way in a camera's picture, darker dots later.

    Args:
        image: uint8 (h, w, 3), of the beginning. panels: title, and ways in pixels (n, 2) of each.
    """
    import matplotlib

    height, width = image.shape[:2]
    with figure(path, len(panels), 5.2, 5.2 * height / width + 0.5) as axes:
        shades = matplotlib.colormaps["cividis"].reversed()
        for each, (title, ways) in zip(axes, panels, strict=True):
            each.imshow(0.55 * image / 255.0 + 0.45, extent=(0.0, width, height, 0.0))
            for way in ways:
                shade = np.linspace(0.15, 1.0, len(way))
                each.scatter(way[:, 0], way[:, 1], c=shade, cmap=shades, s=5, vmin=0.0, vmax=1.0)
            each.set(title=title, xticks=[], yticks=[], xlim=(0.0, width), ylim=(height, 0.0))
