# SPDX-License-Identifier: Apache-2.0
"""What is in a dataset, as text."""

from __future__ import annotations

from collections import Counter

import numpy as np

from zprl_core.data.features import all_features, dimension_names, outliers
from zprl_core.data.reading import StoredDataset
from zprl_core.data.statistics import statistics
from zprl_core.stats import Proportion

SHOWN = 10
"""Outliers and repairs that are listed."""


def described(dataset: StoredDataset) -> str:
    """Several lines for a terminal.

    Raises:
        DataError: an episode of formats 1 or 2 cannot be read.
    """
    blocks = [facts(dataset), _dimensions(dataset), _gaps(dataset), _repairs(dataset), _outliers(dataset)]
    return "\n\n".join("\n".join(lines) for lines in blocks if lines)


def facts(dataset: StoredDataset) -> list[str]:
    """What the dataset is, how much there is, and where it comes from."""
    header, infos = dataset.header, dataset.infos
    ticks = sum(dataset.lengths)
    seconds = np.array(dataset.lengths) / header.rate_hz
    views = ", ".join(f"{name} {height}x{width}" for name, (height, width) in header.cameras.items())
    provenance = "not known" if header.provenance is None else str(header.provenance)
    delays = header.provenance.delays if header.provenance else ()
    listed = ", ".join(f"{delay.name} {1e3 * delay.delay_s:.1f} ms" for delay in delays)
    lines = [
        f"{dataset.folder}: format {dataset.index['format']}, task {header.task}",
        f"episodes   {len(infos)}, {ticks} ticks at {header.rate_hz:g} Hz, {seconds.sum():.1f} s",
        f"outcomes   {outcomes(dataset)}",
        f"durations  {seconds.min():.2f} to {seconds.max():.2f} s, median {np.median(seconds):.2f} s",
        f"cameras    {views or 'none'} (height x width)",
        f"vectors    proprioception {header.proprio_dim}, action {header.action_dim}",
        f"L          {header.lead_steps} ticks",
        f"from       {provenance}" + (f" ({listed})" if listed else ""),
    ]
    if helped := sum(info.helped_chunks > 0 for info in infos):
        lines.append(f"helped     a person had the arm in {helped} episodes")
    return lines


def outcomes(dataset: StoredDataset) -> str:
    """Counts by outcome, and the share of successes among those that were judged, with Wilson's interval."""
    counts = Counter(info.outcome for info in dataset.infos)
    judged = sum(count for outcome, count in counts.items() if outcome != "unknown")
    listed = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    if not judged:
        return listed
    share = Proportion(counts["success"], judged)
    low, high = share.wilson()
    return f"{listed}; success {100 * share.rate:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def _dimensions(dataset: StoredDataset) -> list[str]:
    """A line per number of proprioception and action."""
    columns = ("min", "q01", "median", "q99", "max", "mean", "std")
    lines = [f"{'':16}" + "".join(f"{name:>9}" for name in columns)]
    named = {
        "proprio": [f"q {n}" for n in range(dataset.header.proprio_dim)],
        "action": dimension_names(dataset.header.action, dataset.header.action_dim),
    }
    found = dataset.index.get("statistics") or _statistics(dataset)
    for name, dimensions in named.items():
        for n, dimension in enumerate(dimensions):
            numbers = "".join(f"{found[name][column][n]:9.4f}" for column in columns)
            lines.append(f"{name if name == 'action' else 'q':7}{dimension.removeprefix('q '):9}{numbers}")
    return lines


def _statistics(dataset: StoredDataset) -> dict[str, dict[str, list[float]]]:
    episodes = list(dataset)
    return {
        name: statistics(np.concatenate([episode.arrays()[name] for episode in episodes]))
        for name in ("proprio", "action")
    }


def _gaps(dataset: StoredDataset) -> list[str]:
    """For each stream the longest time without a sample, and in which episode."""
    streams = sorted({name for info in dataset.infos for name in info.gaps_s})
    lines = ["longest time between two samples"] if streams else []
    for name in streams:
        worst = max(range(len(dataset)), key=lambda n: dataset.infos[n].gaps_s.get(name, 0.0))
        gap_s = dataset.infos[worst].gaps_s[name]
        lines.append(f"  {name}: {gap_s:.3f} s (episode {worst}, {dataset.infos[worst].source})")
    return lines


def _repairs(dataset: StoredDataset) -> list[str]:
    found = [
        f"  episode {number}: {repair}"
        for number, info in enumerate(dataset.infos)
        for repair in info.repairs
    ]
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ["repaired", *found[:SHOWN], *more] if found else []


def _outliers(dataset: StoredDataset) -> list[str]:
    found = outliers(all_features(dataset.header, dataset))
    lines = [f"  episode {each.episode}: {each} ({each.score:.1f} deviations)" for each in found[:SHOWN]]
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ["unlike the others", *lines, *more] if found else []
