# SPDX-License-Identifier: Apache-2.0
"""Figures of a dataset, as PNG. Colours are Okabe and Ito's; no outcome is told apart by its colour alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.data.features import dimension_names, positions
from zprl_core.data.projection import Matrix, project
from zprl_core.data.reading import StoredDataset

STYLES: dict[str, tuple[str, str, str]] = {
    "success": ("#0072B2", "solid", "✓"),
    "failure": ("#D55E00", "dashed", "✗"),
    "horizon": ("#555555", "dotted", "◷"),
    "unknown": ("#009E73", "dashdot", "?"),
}
"""Colour, line and sign of each outcome."""
POINTS = 150
"""Of a way that are drawn."""
COLUMNS = 4


def present(dataset: StoredDataset) -> list[str]:
    """The outcomes that the dataset has, in a fixed order."""
    return [name for name in STYLES if any(info.outcome == name for info in dataset.infos)]


def ways(dataset: StoredDataset, marked: Sequence[int] = ()) -> bytes | None:
    """The tool's way from above and from the side, in each arm's base frame; None where actions are no poses.

    Args:
        dataset: of which.
        marked: episodes whose number stands at the end of their way.
    """
    drawn = [positions(dataset.header, episode.action) for episode in dataset]
    if not drawn or not drawn[0]:
        return None
    arms = len(drawn[0])
    figure, axes = _subplots(arms, 2, (10.0, 4.6 * arms))
    for arm in range(arms):
        for axis, (across, up), title in (
            (axes[arm][0], (1, 0), "from above"),
            (axes[arm][1], (0, 2), "from the side"),
        ):
            for number, each in enumerate(drawn):
                _way(axis, each[arm], dataset.infos[number].outcome, (across, up))
                if number in marked:
                    axis.annotate(str(number), each[arm][-1][[across, up]], fontsize=8)
            name = f"arm {arm}, {title}" if arms > 1 else title
            axis.set(title=name, xlabel=f"{'xyz'[across]}, m", ylabel=f"{'xyz'[up]}, m", aspect="equal")
            axis.grid(alpha=0.25)
            if across == 1:
                axis.invert_xaxis()  # seen with x away from the base and y to the left
    _legend(figure, dataset)
    return _png(figure)


def _way(axis: Any, way: NDArray[np.floating[Any]], outcome: str, shown: tuple[int, int]) -> None:
    colour, line, _ = STYLES[outcome]
    points = way[np.unique(np.linspace(0, len(way) - 1, POINTS).astype(int))][:, list(shown)]
    axis.plot(*points.T, color=colour, linestyle=line, linewidth=0.8, alpha=0.55)
    axis.plot(*points[0], marker="o", markersize=3.5, markerfacecolor="white", color=colour)
    axis.plot(*points[-1], marker="s", markersize=3.0, color=colour)


def in_picture(dataset: StoredDataset, camera: str, matrix: Matrix) -> bytes:
    """The first arm's ways over the mean of the episodes' first pictures, where a camera sees them."""
    first = np.mean([episode.images[camera][0] for episode in dataset], axis=0)
    height, width = first.shape[:2]
    figure, axes = _subplots(1, 1, (10.0, min(10.0 * height / width, 7.0)))
    axis = axes[0][0]
    axis.imshow(0.4 * 255 + 0.6 * first.astype(float).mean(axis=2), cmap="gray", vmin=0, vmax=255)
    for episode in dataset:
        way = project(matrix, positions(dataset.header, episode.action)[0])
        _way(axis, way, episode.info.outcome, (0, 1))
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    _legend(figure, dataset)
    return _png(figure)


def histograms(dataset: StoredDataset) -> bytes:
    """Each number of the actions, over all ticks, by outcome."""
    names = dimension_names(dataset.header.action, dataset.header.action_dim)
    by_outcome = {
        outcome: np.concatenate([each.action for each in dataset if each.info.outcome == outcome])
        for outcome in present(dataset)
    }
    rows = -(-len(names) // COLUMNS)
    figure, axes = _subplots(rows, COLUMNS, (10.0, 2.2 * rows))
    for n, axis in enumerate(axes.flat):
        if n >= len(names):
            axis.set_axis_off()
            continue
        _steps(axis, {outcome: actions[:, n] for outcome, actions in by_outcome.items()})
        axis.set_title(names[n], fontsize=9)
        axis.tick_params(labelsize=7)
        axis.locator_params(axis="x", nbins=4)
        axis.set_yticks([])
    _legend(figure, dataset)
    return _png(figure)


def _steps(axis: Any, values: dict[str, NDArray[np.float32]], bins: int = 40) -> None:
    """Shares as outlines, so that one does not hide another."""
    every = np.concatenate(list(values.values()))
    low, high = float(every.min()), float(every.max())
    room = max(high - low, 1e-3)
    edges = np.linspace(low - 0.02 * room, low + 1.02 * room, bins + 1)
    for outcome, own in values.items():
        colour, line, _ = STYLES[outcome]
        weights = np.full(len(own), 1.0 / len(own))
        axis.hist(own, edges, weights=weights, histtype="step", color=colour, linestyle=line, linewidth=1.3)
    axis.set_ylim(bottom=0)


def durations(dataset: StoredDataset) -> bytes:
    """A dot per episode at its duration, a row per outcome; its gaps beside it."""
    figure, axes = _subplots(1, 2, (10.0, 0.8 + 0.55 * max(len(present(dataset)), len(_streams(dataset)), 2)))
    _dots(axes[0][0], _durations(dataset), "duration, s", [STYLES[name][0] for name in present(dataset)])
    gaps = {
        name: np.array([1e3 * info.gaps_s[name] for info in dataset.infos if name in info.gaps_s])
        for name in _streams(dataset)
    }
    if gaps:
        _dots(axes[0][1], gaps, "longest time between two samples of an episode, ms", ["#555555"] * len(gaps))
    else:
        axes[0][1].set_axis_off()
        axes[0][1].text(0.5, 0.5, "no times of samples are recorded", ha="center", color="#555555")
    return _png(figure)


def _durations(dataset: StoredDataset) -> dict[str, NDArray[Any]]:
    seconds = np.array(dataset.lengths) / dataset.header.rate_hz
    of = np.array([info.outcome for info in dataset.infos])
    return {f"{STYLES[name][2]} {name}": seconds[of == name] for name in present(dataset)}


def _streams(dataset: StoredDataset) -> list[str]:
    return sorted({name for info in dataset.infos for name in info.gaps_s})


def _dots(axis: Any, rows: dict[str, NDArray[Any]], label: str, colours: Sequence[str]) -> None:
    for n, (values, colour) in enumerate(zip(rows.values(), colours, strict=True)):
        apart = 0.25 * np.sin(np.arange(len(values)) * 2.4)  # so that equal ones are seen
        axis.plot(values, n + apart, "o", markersize=4, color=colour, alpha=0.6, markeredgewidth=0)
        axis.plot([np.median(values)] * 2, [n - 0.35, n + 0.35], color="black", linewidth=1.5)
    axis.set_yticks(range(len(rows)), list(rows), fontsize=8)
    axis.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    axis.set_xlim(0, 1.05 * max(1e-3, *(values.max() for values in rows.values())))
    axis.grid(axis="x", alpha=0.25)


def _subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=size, dpi=110, layout="constrained", squeeze=False)


def _legend(figure: Any, dataset: StoredDataset) -> None:
    from matplotlib.lines import Line2D

    counts = {name: sum(info.outcome == name for info in dataset.infos) for name in present(dataset)}
    handles = [
        Line2D([], [], color=STYLES[name][0], linestyle=STYLES[name][1], label=f"{name} ({count})")
        for name, count in counts.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=9)


def _png(figure: Any) -> bytes:
    from matplotlib import pyplot

    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    pyplot.close(figure)
    return stream.getvalue()
