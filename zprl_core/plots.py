"""Figures of runs, from their episode records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zprl_core.measurement import proportion
from zprl_core.plan import TRAIN
from zprl_core.policy_modes import BASES
from zprl_core.records import EpisodeRecord
from zprl_core.stats import Proportion

WINDOW = 50


def learning_curve(runs: Mapping[str, Sequence[EpisodeRecord]], path: Path, title: str) -> None:
    """Success over training chunks, one line per run, with the measured base and final rates (PNG).

    The line is the rate of the last 50 training episodes; points with bars are evaluations without
    exploration and their Wilson 95 % intervals, the base's at the start.

    Args:
        runs: the episodes of each run, by its name in the legend.
        path: of the file to write.
        title: of the figure.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.0, 4.0), dpi=120, layout="constrained")
    for number, (name, records) in enumerate(runs.items()):
        colour = f"C{number}"
        valid = [record for record in records if not record.void]
        chunks, rates = _training(valid)
        label = "training, last 50 episodes" if len(runs) == 1 else f"{name}: {_ends(valid)}"
        axes.plot(chunks, rates, color=colour, linewidth=1.5, label=label)
        end = chunks[-1] if len(chunks) else 0
        for block, at in (("base_c", 0.0), ("base_z", 0.01 * end), ("final", float(end))):
            _point(axes, valid, block, at, colour, labelled=len(runs) == 1)
    axes.set(xlabel="training chunks", ylabel="success rate", title=title, ylim=(-0.02, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path)
    pyplot.close(figure)


def _ends(records: Sequence[EpisodeRecord]) -> str:
    """The rates of the base and after training, for a legend."""
    rates = {block: proportion(records, block) for block in (*BASES, "final")}
    base, final = " / ".join(f"{rates[block].rate:.2f}" for block in BASES), rates["final"]
    return f"base {base}, after ZPRL {final.rate:.2f} (n = {final.trials})"


def _training(records: Sequence[EpisodeRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Training chunks so far and the running success rate, from the tenth episode on."""
    training = [record for record in records if record.block == TRAIN]
    chunks = np.cumsum([record.chunks for record in training])
    wins = np.array([record.success for record in training], dtype=float)
    rates = [wins[max(0, end - WINDOW) : end].mean() for end in range(10, len(wins) + 1)]
    return chunks[9:], np.array(rates)


def _point(
    axes: object, records: Sequence[EpisodeRecord], block: str, at: float, colour: str, *, labelled: bool
) -> None:
    found = [record for record in records if record.block == block]
    if not found:
        return
    p = Proportion(sum(record.success for record in found), len(found))
    low, high = p.wilson()
    names = {"base_c": "base through c", "base_z": "base through z", "final": "after ZPRL"}
    markers = {"base_c": "o", "base_z": "s", "final": "D"}
    label = f"{names[block]}: {p.rate:.2f} [{low:.2f}, {high:.2f}], n = {p.trials}" if labelled else None
    axes.errorbar(  # type: ignore[attr-defined]
        [at],
        [p.rate],
        yerr=[[p.rate - low], [high - p.rate]],
        fmt=markers[block],
        color=colour,
        capsize=4,
        label=label,
    )
