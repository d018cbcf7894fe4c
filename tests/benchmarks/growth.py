"""Whether what a soak sampled grows: a straight line through each process's memory, and bounds. Pure but for
`report`.

A run remembers its episodes and transitions, so some processes grow with every episode; `KEPT` says by how
much they may, and why. Nothing may grow in the number of open files, threads, or bytes of shared memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

WARM_UP = 0.2
"""Share of the time that does not count: libraries allocate, and caches fill."""
KIB, MIB = 1024, 1 << 20
OTHERS = 0.5
KEPT = {
    "zprl": (4.0, "every record of episodes.jsonl, read again when it grows"),
    "session_node": (4.0, "every record and every line of the ledger"),
    "recorder_node": (8.0, "what each bag's metadata says, to bring it up to a corrected label"),
    "learner_node": (
        6.0,
        "the replay buffer: 4 (2 dim c + 3 dim z + 2) bytes a transition, doubled when full",
    ),
    "panel_node": (6.0, "the list of episodes, made anew when it grows"),
    "policy_node": (2.0, "times and guard values of the last 20,000 chunks"),
    "arm_bridge": (2.0, "times of the last setpoints"),
}
"""Most KiB an episode by process, and what is kept; `OTHERS` for the rest."""
MOST_MORE = 2
"""Open files and threads that may have come, between the first sample after the warm-up and the last."""


class Trend(NamedTuple):
    """A process between the end of the warm-up and the last sample.

    Attributes:
        first, last: resident memory, bytes.
        per_hour, per_episode: slope of the line through it, bytes.
        handles, threads: first and last.
        restarts: how many processes there were beside the first.
        bound: bytes an episode.
    """

    name: str
    first: int
    last: int
    per_hour: float
    per_episode: float
    handles: tuple[int, int]
    threads: tuple[int, int]
    restarts: int
    bound: float

    @property
    def grows(self) -> list[str]:
        """What is beyond its bounds."""
        found = {
            "memory": self.per_episode > self.bound,
            "open files": self.handles[1] - self.handles[0] > MOST_MORE,
            "threads": self.threads[1] - self.threads[0] > MOST_MORE,
            "starts": self.restarts > 0,
        }
        return [name for name, beyond in found.items() if beyond]


def trend(name: str, samples: Sequence[Mapping[str, Any]]) -> Trend:
    """Of one process's samples, in the order of time.

    Raises:
        ValueError: fewer than three are left after the warm-up.
    """
    end_s = samples[-1]["at_s"]
    warm = [sample for sample in samples if sample["at_s"] >= WARM_UP * end_s]
    if len(warm) < 3:
        raise ValueError(f"{name}: {len(warm)} samples after the warm-up, at least 3 are needed")
    rss = [sample["rss"] for sample in warm]
    bound, _ = KEPT.get(name, (OTHERS, ""))
    first, last = warm[0], warm[-1]
    return Trend(
        name,
        rss[0],
        rss[-1],
        3600.0 * _slope([sample["at_s"] for sample in warm], rss),
        _slope([sample["episodes"] for sample in warm], rss),
        (first["handles"], last["handles"]),
        (first["threads"], last["threads"]),
        len({sample["pid"] for sample in samples}) - 1,
        bound * KIB,
    )


def report(out: Path) -> None:
    """Print the table of a soak's folder, and draw OUT/memory.png."""
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        by_name.setdefault(sample["name"], []).append(sample)
    last, first = samples[-1], samples[0]
    print(f"{last['at_s'] / 60:.0f} min, {last['episodes'] - first['episodes']} episodes")
    print(
        f"/dev/shm: {first['shm_bytes'] / MIB:.1f} MiB in {first['shm_files']} files at the start, ", end=""
    )
    print(f"{last['shm_bytes'] / MIB:.1f} MiB in {last['shm_files']} at the end\n")
    print("| process | RSS first, MiB | last, MiB | MiB/h | KiB/episode | bound | files | threads | grows |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, found in by_name.items():
        print(_row(trend(name, found)))
    _draw(by_name, out / "memory.png")


def _row(t: Trend) -> str:
    memory = f"{t.first / MIB:.1f} | {t.last / MIB:.1f} | {t.per_hour / MIB:+.2f}"
    slope = f"{t.per_episode / KIB:+.2f} | {t.bound / KIB:g}"
    counts = f"{t.handles[0]} to {t.handles[1]} | {t.threads[0]} to {t.threads[1]}"
    return f"| {t.name} | {memory} | {slope} | {counts} | {', '.join(t.grows) or 'no'} |"


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.polyfit(x, y, 1)[0]) if len(set(x)) > 1 else 0.0


def _draw(by_name: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.0, 4.0), dpi=120, layout="constrained")
    for name, samples in by_name.items():
        start = samples[0]["rss"]
        axes.plot(
            [sample["at_s"] / 60 for sample in samples],
            [(sample["rss"] - start) / MIB for sample in samples],
            label=f"{name} ({start / MIB:.0f})",
            linewidth=1.2,
        )
    axes.set(xlabel="minutes", ylabel="resident memory since the first sample, MiB")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=7, title="MiB at the first sample", title_fontsize=7)
    figure.savefig(path)
    pyplot.close(figure)
