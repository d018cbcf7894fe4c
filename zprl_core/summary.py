# SPDX-License-Identifier: Apache-2.0
"""RUN/summary.json: what a run showed, computed from episodes.jsonl and what the nodes left in RUN/stats.

Keys that nodes leave and this module reads (each node writes those that it knows):

    updates             int, gradient updates so far                                (learner)
    stalls              int, chunks that waited for the actor that they required    (policy)
    skipped_steps       int, waypoints whose time had passed when their chunk came  (bridge)
    excluded            int, transitions stored and not learned from                (learner)
    control_period_ms   {"p50": float, "p99": float}, between setpoints             (bridge)
    wall_s              float, time that the run took, resumed parts added          (command line)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from zprl_core import measurement
from zprl_core.measurement import measured, proportion, unaided
from zprl_core.plan import TRAIN, Block, position
from zprl_core.records import EpisodeRecord
from zprl_core.run_folder import RunFolder, RunSpec, write_text
from zprl_core.stats import Proportion, difference
from zprl_core.tables import or_none

RECENT = 50
COUNTERS = ("updates", "stalls", "skipped_steps", "excluded")


def recent(records: Sequence[EpisodeRecord], last: int = RECENT) -> Proportion:
    """Successes of the last training episodes."""
    valid = [record for record in records if record.block == TRAIN and record.counts][-last:]
    return Proportion(sum(record.success for record in valid), len(valid))


def trained_chunks(records: Sequence[EpisodeRecord]) -> int:
    """Training chunks so far."""
    return sum(record.chunks for record in records if record.block == TRAIN and not record.void)


def summarise(
    spec: RunSpec,
    blocks: Sequence[Block],
    records: Sequence[EpisodeRecord],
    stats: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The result of a run as plain data; what was not measured is None.

    `base_success_rate` is the better of the two base paths (through c, and through z without steering) and
    `wilson95_base` is its interval. `gain95` is Newcombe's interval of final minus base, as if their layouts
    were not the same. `modes`, `comparison` and `cases`: see `zprl_core.measurement`.
    """
    base_c, base_z = proportion(records, "base_c"), proportion(records, "base_z")
    base = max((p for p in (base_c, base_z) if p.trials), key=lambda p: p.rate, default=base_c)
    final = proportion(records, "final")
    measured_both = base.trials and final.trials
    return {
        "task": spec.task,
        "rig": spec.rig,
        "seed": spec.seed,
        "complete": position(blocks, records) is None,
        "base_success_rate": _rate(base),
        "base_c_success_rate": _rate(base_c),
        "base_z_success_rate": _rate(base_z),
        "final_success_rate": _rate(final),
        "eval_episodes": spec.eval_episodes,
        "wilson95_base": _interval(base),
        "wilson95_base_c": _interval(base_c),
        "wilson95_base_z": _interval(base_z),
        "wilson95_final": _interval(final),
        "gain": final.rate - base.rate if measured_both else None,
        "gain95": list(difference(final, base)) if measured_both else None,
        "evaluations": _evaluations(blocks, records),
        "modes": measurement.modes(records),
        "comparison": measurement.comparison(blocks, records),
        "cases": measurement.cases(records),
        "final_unaided_success_rate": _rate(unaided(records, "final")),
        "helped_episodes": sum(record.counts and record.helped_chunks > 0 for record in records),
        "train_success_rate_last50": _rate(recent(records)),
        "train_episodes_last50": recent(records).trials,
        "wilson95_train_last50": _interval(recent(records)),
        "episodes": len(records),
        "void_episodes": sum(record.void for record in records),
        "shadow_episodes": sum(record.shadow_chunks > 0 and not record.void for record in records),
        "chunks": trained_chunks(records),
        **{name: sum(int(s[name]) for s in stats.values() if name in s) for name in COUNTERS},
        "control_period_ms": _periods(stats),
        "wall_s": round(sum(float(s["wall_s"]) for s in stats.values() if "wall_s" in s), 3),
    }


def write_summary(
    folder: RunFolder, blocks: Sequence[Block], records: Sequence[EpisodeRecord]
) -> dict[str, Any]:
    """Compute and write RUN/summary.json; returns what was written."""
    summary = summarise(folder.spec, blocks, records, folder.read_stats())
    write_text(folder.summary_file, json.dumps(summary, indent=2, allow_nan=False) + "\n")
    return summary


def _rate(p: Proportion) -> float | None:
    return or_none(p.rate)


def _interval(p: Proportion) -> list[float] | None:
    return list(p.wilson()) if p.trials else None


def _evaluations(blocks: Sequence[Block], records: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
    """The learning curve: one entry per measured block, in the plan's order."""
    points: list[dict[str, Any]] = []
    chunks, seen = 0, set[str]()
    for block in blocks:
        if block.chunks is not None:
            chunks = block.chunks
            continue
        p = proportion(records, block.name)
        if p.trials and not block.case and block.name not in seen:
            seen.add(block.name)
            steps = [r.steps for r in measured(records, block.name)]
            points.append(
                {
                    "block": block.name,
                    "chunks": chunks,
                    "episodes": p.trials,
                    "success_rate": p.rate,
                    "wilson95": list(p.wilson()),
                    "mean_steps": sum(steps) / len(steps),
                }
            )
    return points


def _periods(stats: Mapping[str, Mapping[str, Any]]) -> dict[str, float] | None:
    """The slowest arm's period between setpoints, ms."""
    found = [s["control_period_ms"] for s in stats.values() if s.get("control_period_ms")]
    if not found:
        return None
    return {key: max(float(period[key]) for period in found) for key in ("p50", "p99")}
