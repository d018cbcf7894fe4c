# SPDX-License-Identifier: Apache-2.0
"""What a command says about a session that has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zprl_core.cli.progress import percent
from zprl_core.collection import collected, region_by_hand
from zprl_core.config import load_rig, load_task
from zprl_core.measurement import NAMES, proportion
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.run_folder import RunFolder
from zprl_core.stats import Proportion


def closing(folder: RunFolder, summary: Mapping[str, Any]) -> str:
    """The result of a run, in lines.

    Args:
        folder: of the run.
        summary: see `zprl_core.summary.summarise`.
    """
    mode, records = folder.spec.mode, read_records(folder.episodes_file)
    if mode == "collect":
        return _collection(folder, records)
    if folder.spec.blind and not summary["complete"]:
        lines = [
            "the evaluation is not finished, and nothing is said of the policies before it is; go on with "
            f"it by {folder.resumed_by}"
        ]
    elif mode == "evaluate":
        lines = [*_evaluation(summary)]
    else:
        lines = [*_training(records, summary)]
    return "\n".join([*lines, f"summary: {folder.summary_file}"])


def _training(records: Sequence[EpisodeRecord], summary: Mapping[str, Any]) -> Iterator[str]:
    for block, name in NAMES.items():
        if proportion(records, block).trials:
            yield f"{name}: {percent(proportion(records, block))}"
    if summary["gain95"]:
        low, high = (100 * bound for bound in summary["gain95"])
        yield f"gain: {100 * summary['gain']:+.0f} points [{low:+.0f}, {high:+.0f}]"


def _evaluation(summary: Mapping[str, Any]) -> Iterator[str]:
    for row in summary["modes"]:
        yield f"{NAMES[row['block']]}: {_row(row)}"
    cases = summary["cases"]
    if cases:
        yield from (f"{row['case']}, {NAMES[row['block']]}: {_row(row)}" for row in cases["rows"])
        yield from (f"average of the cases, {NAMES[b]}: {rate:.2f}" for b, rate in cases["average"].items())
    if summary["modes"] or not cases:
        yield from _comparison(summary["comparison"])


def _row(row: Mapping[str, Any]) -> str:
    facts = [percent(Proportion(row["successes"], row["episodes"]))]
    if row["episodes"]:
        facts.append(f"{row['mean_steps']:.0f} steps, {row['mean_seconds']:.1f} s on average")
    facts.append(f"{row['helped_episodes']} helped, {row['void_episodes']} void ({row['stops']} stopped)")
    return "; ".join(facts)


def _comparison(found: Mapping[str, Any]) -> Iterator[str]:
    if found["difference95"]:
        a, b = NAMES[found["a"]], NAMES[found["b"]]
        yield (
            f"on {found['pairs']} layouts: both succeeded on {found['both']}, only '{a}' on "
            f"{found['only_a']}, only '{b}' on {found['only_b']}, neither on {found['neither']}"
        )
        low, high = (100 * bound for bound in found["difference95"])
        yield f"'{a}' minus '{b}': {100 * found['difference']:+.0f} points [{low:+.0f}, {high:+.0f}]"
    yield found["says"]


def _collection(folder: RunFolder, records: Sequence[EpisodeRecord]) -> str:
    task, rig = load_task(folder.task_file), load_rig(folder.rig_file)
    found = collected(records, region_by_hand(rig, task))
    lines = [
        f"demonstrations: {found.kept} kept ({found.successes} successes), {found.discarded} discarded",
        f"durations: {found.mean_s:.1f} s on average, {found.shortest_s:.1f} to {found.longest_s:.1f} s",
    ]
    if found.places:
        lines.append("places covered: {} of {} fields of the region".format(*found.covered))
    return "\n".join([*lines, f"bags: {folder.bags}"])
