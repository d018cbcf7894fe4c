# SPDX-License-Identifier: Apache-2.0
"""The figures of a report, as PNG. Colours of Okabe and Ito, which colour-blind readers tell apart; dashes
and markers differ too, for print. All are made for the page's width, so that their text is as large as its.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from zprl_core.report.curves import Band, Point, method_band, points, running
from zprl_core.report.runs import GUARD, Method
from zprl_core.smoothness.estimates import Estimate

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":")
POLICIES = {
    "base_c": {"color": "#000000", "marker": "o", "markerfacecolor": "white"},
    "base_z": {"color": "#d55e00", "marker": "D", "markerfacecolor": "white"},
    "explore": {"color": "#009e73", "marker": "^"},
    "steer": {"color": "#0072b2", "marker": "s"},
}
"""How a policy's points look, by its mode."""
WIDTH = 10.0
"""Of a figure, inches; with `_DPI` somewhat more than the page has pixels."""
_DPI = 130
_GUARD_LABELS = {
    "rms_ratio": "RMS(z~ - z) / RMS(z)",
    "mahalanobis": "distance of z~ / 99 % offline",
    "displacement": "|g(z~) - g(z)|, units of c",
}
GUARD_WINDOW = 100
"""Steered chunks that a running mean of the guard's values is taken over."""
_FILLED = {"base_c": "none", "base_z": "left"}
"""How a base policy's marker in the learning curve is filled."""
LINES = 40
"""Rows of a figure at most; the rest is in its table."""
WAYS = 3
"""Pictures of the tool's way side by side."""


class Bar(NamedTuple):
    """A line of a figure: its name, the mode of its policy, and a value with its interval."""

    name: str
    mode: str
    value: float
    low: float
    high: float


@contextlib.contextmanager
def figure(path: Path, columns: int, height: float, rows: int = 1, **more: Any) -> Iterator[Any]:
    """Axes row by row, written to a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": 10.5, "legend.fontsize": 10.0, "axes.grid": False}):
        made, axes = pyplot.subplots(
            rows, columns, figsize=(WIDTH, height), dpi=_DPI, layout="constrained", squeeze=False, **more
        )
        yield axes.ravel()
        made.savefig(path)
        pyplot.close(made)


def learning(methods: Sequence[Method], path: Path) -> None:
    """Success and episode length over controller steps: means over seeds, and every seed thin behind them."""
    with figure(path, 2, 4.2) as (success, length):
        for number, method in enumerate(methods):
            look = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
            for axes, what in ((success, "success"), (length, "length")):
                _curves(axes, method, what, look)
            for run in method.runs:
                _evaluations(success, length, points(run), look["color"], MARKERS[number % len(MARKERS)])
        success.set(ylabel="success rate", ylim=(-0.02, 1.02))
        length.set(ylabel="episode length, steps", ylim=(0.0, 1.05 * length.get_ylim()[1]))
        for axes in (success, length):
            axes.set(xlabel="controller steps, thousands")
            axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
            axes.grid(alpha=0.3)
        length.legend(frameon=False, loc="lower right")


def _curves(axes: Any, method: Method, what: str, look: dict[str, str]) -> None:
    found = method_band(method, what)
    drawn = [curve for curve in (running(run.trained) for run in method.runs) if len(curve.steps)]
    if len(drawn) == 1:
        (only,) = drawn
        axes.plot(only.steps, getattr(only, what), linewidth=1.6, label=f"{method.name}, 1 seed", **look)
        return
    for number, curve in enumerate(drawn):
        label = f"{method.name}, {len(drawn)} seeds, no mean" if found is None and not number else None
        axes.plot(curve.steps, getattr(curve, what), linewidth=0.7, alpha=0.55, label=label, **look)
    if found is not None:
        _mean(axes, found, method.name, look)


def _mean(axes: Any, found: Band, name: str, look: dict[str, str]) -> None:
    axes.plot(found.steps, found.mean, linewidth=2.0, label=f"{name}, {found.curves} seeds", **look)
    if found.low is not None and found.high is not None:
        axes.fill_between(found.steps, found.low, found.high, color=look["color"], alpha=0.18, linewidth=0)


def _evaluations(success: Any, length: Any, found: Sequence[Point], colour: str, marker: str) -> None:
    for point in found:
        low, high = point.successes.wilson()
        rate = point.successes.rate
        style = {
            "marker": marker,
            "color": colour,
            "fillstyle": _FILLED.get(point.block, "full"),
            "markerfacecoloralt": "white",
            "markersize": 7,
        }
        bars = [[rate - low], [high - rate]]
        success.errorbar([point.steps], [rate], yerr=bars, linestyle="none", capsize=3, **style)
        length.plot([point.steps], [point.length], linestyle="none", **style)


def guards(methods: Sequence[Method], path: Path) -> bool:
    """The guard's values over training chunks, running means; whether anything was known."""
    known = [run for method in methods for run in method.runs if len(run.guard["rms_ratio"]) >= GUARD_WINDOW]
    if not known:
        return False
    with figure(path, len(GUARD), 3.6) as axes:
        for each, name in zip(axes, GUARD, strict=True):
            for number, method in enumerate(methods):
                _guard_curves(each, method, name, number)
            if not each.lines:
                each.text(0.5, 0.5, "not known", ha="center", va="center", transform=each.transAxes)
            for limit in sorted({getattr(run.task.rl.guard, name) for run in known} - {None}):
                each.axhline(limit, color="black", linestyle=(0, (1, 1)), linewidth=1.5)
            each.set(xlabel="training chunks, steered", ylabel=_GUARD_LABELS[name])
            each.set_ylim(bottom=0.0)
            each.locator_params(axis="x", nbins=5)
            each.grid(alpha=0.3)
        if len(methods) > 1:
            axes[0].legend(frameon=False)
    return True


def _guard_curves(axes: Any, method: Method, name: str, number: int) -> None:
    look = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}
    label: str | None = method.name
    for run in method.runs:
        curve = running_mean(run.guard[name])
        if np.isfinite(curve).any():
            chunks = np.arange(len(run.guard[name]) - len(curve), len(run.guard[name])) + 1
            axes.plot(chunks, curve, linewidth=1.2, label=label, **look)
            label = None


def running_mean(values: Sequence[float], window: int = GUARD_WINDOW) -> np.ndarray:
    """Means over as many values, of those that are known; NaN where none of a window is."""
    if len(values) < window:
        return np.empty(0)
    array = np.asarray(values, np.float64)
    known, ones = np.isfinite(array), np.ones(window)
    counts = np.convolve(known, ones, "valid")
    sums = np.convolve(np.where(known, array, 0.0), ones, "valid")
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def rates(bars: Sequence[Bar], path: Path) -> None:
    """Success rates with their Wilson 95 % intervals, the first on top."""
    with figure(path, 1, 1.0 + 0.32 * len(bars)) as (axes,):
        _bars(axes, bars)
        axes.set(xlabel="success rate, with Wilson 95 % interval", xlim=(-0.02, 1.02))


def smoothness(panels: Sequence[tuple[str, Sequence[tuple[str, str, Estimate]]]], path: Path) -> None:
    """A panel for each quantity (its name with the unit): lines of name, mode and estimate."""
    with figure(path, len(panels), 1.2 + 0.32 * len(panels[0][1]), sharey=True) as axes:
        for each, (name, found) in zip(axes, panels, strict=True):
            _bars(each, [_bar(*line) for line in found])
            each.set(xlabel=name)
            each.locator_params(axis="x", nbins=4)


def _bar(name: str, mode: str, found: Estimate) -> Bar:
    value = float("nan") if found.value is None else found.value
    interval = [value if end is None else end for end in (found.low, found.high)]
    return Bar(name, mode, value, *interval)


def _bars(axes: Any, bars: Sequence[Bar]) -> None:
    for number, bar in enumerate(bars):
        if np.isfinite(bar.value):
            axes.errorbar(
                [bar.value],
                [-number],
                xerr=[[bar.value - bar.low], [bar.high - bar.value]],
                linestyle="none",
                capsize=4,
                **POLICIES.get(bar.mode, POLICIES["steer"]),
            )
    axes.set(yticks=[-n for n in range(len(bars))], yticklabels=[bar.name for bar in bars])
    axes.set(ylim=(-len(bars) + 0.4, 0.6))
    axes.grid(alpha=0.3)


def trajectories(image: np.ndarray, panels: Sequence[tuple[str, Sequence[np.ndarray]]], path: Path) -> None:
    """The paper's Fig. 10: the tool's way in a camera's picture, darker dots later.

    Args:
        image: uint8 (h, w, 3), of the beginning. panels: title, and ways in pixels (n, 2) of each.
    """
    import matplotlib

    height, width = image.shape[:2]
    columns = min(len(panels), WAYS)
    rows = -(-len(panels) // columns)
    tall = rows * (WIDTH / columns * height / width + 0.4)
    with figure(path, columns, tall, rows) as axes:
        for each in axes[len(panels) :]:
            each.set_axis_off()
        shades = matplotlib.colormaps["cividis"].reversed()
        for each, (title, ways) in zip(axes, panels, strict=False):
            each.imshow(0.55 * image / 255.0 + 0.45, extent=(0.0, width, height, 0.0))
            for way in ways:
                shade = np.linspace(0.15, 1.0, len(way))
                each.scatter(way[:, 0], way[:, 1], c=shade, cmap=shades, s=5, vmin=0.0, vmax=1.0)
            each.set_title(title, fontsize=10.5)
            each.set(xticks=[], yticks=[], xlim=(0.0, width), ylim=(height, 0.0))
