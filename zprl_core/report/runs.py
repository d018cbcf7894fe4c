# SPDX-License-Identifier: Apache-2.0
"""The runs of a report, read once, and brought together: seeds of one method, evaluations of one policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zprl_core.config import TaskConfig, load_task
from zprl_core.data.reading import open_dataset
from zprl_core.errors import ConfigError, DataError
from zprl_core.plan import TRAIN, Block, read_plan
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.run_folder import RunFolder, RunSpec, read_json
from zprl_core.smoothness.episode import MotionRecord, read_run
from zprl_core.summary import summarise

GUARD = ("rms_ratio", "mahalanobis", "displacement")


class Offline(NamedTuple):
    """The demonstrations that a base policy was trained on: how many, and their ticks."""

    episodes: int
    ticks: int


@dataclass(frozen=True, eq=False)
class ReportRun:
    """One run folder.

    Attributes:
        name: short and different from the others'.
        folder, spec, task, blocks, records: see there.
        summary: of `zprl_core.summary`, made anew.
        motions: how smoothly arms moved. stats: counters of its nodes. versions: what it was computed with.
        guard: for each steered training chunk its guard values, NaN where not known.
        offline: the base policy's demonstrations; None: not known.
    """

    name: str
    folder: RunFolder
    spec: RunSpec
    task: TaskConfig
    blocks: tuple[Block, ...]
    records: tuple[EpisodeRecord, ...]
    summary: Mapping[str, Any]
    motions: tuple[MotionRecord, ...]
    stats: Mapping[str, Mapping[str, Any]]
    versions: Sequence[Mapping[str, Any]]
    guard: Mapping[str, Sequence[float]]
    offline: Offline | None

    @property
    def trains(self) -> bool:
        """Whether it learned."""
        return self.spec.mode == "train"

    @property
    def trained(self) -> list[EpisodeRecord]:
        """Its training episodes that count, in order."""
        return [record for record in self.records if record.block == TRAIN and record.counts]


@dataclass(frozen=True)
class Method:
    """Training runs that differ in nothing but their seed.

    Attributes:
        name: for legends. runs: one for each seed, in the order of the seeds.
    """

    name: str
    runs: tuple[ReportRun, ...]


def read_runs(paths: Sequence[Path]) -> list[ReportRun]:
    """Read run folders.

    Raises:
        DataError: one is none, is damaged, is named twice, or has not a single episode; names it.
    """
    folders = [RunFolder.open(path) for path in paths]
    if len({folder.path for folder in folders}) < len(folders):
        raise DataError("a run is named twice; name each once")
    names = _names([folder.path for folder in folders])
    found = [_read(folder, name) for folder, name in zip(folders, names, strict=True)]
    if not any(run.records for run in found):
        raise DataError("not one episode in any of these runs: there is nothing to report")
    tasks = {run.task.name for run in found}
    if len(tasks) > 1:
        raise DataError(f"runs of different tasks: {', '.join(sorted(tasks))}; report each task by itself")
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    for depth in range(1, 1 + max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _read(folder: RunFolder, name: str) -> ReportRun:
    spec, blocks, records = folder.spec, read_plan(folder.plan_file), read_records(folder.episodes_file)
    stats = folder.read_stats()
    versions = read_json(folder.versions_file)["starts"] if folder.versions_file.exists() else []
    return ReportRun(
        name=name,
        folder=folder,
        spec=spec,
        task=load_task(folder.task_file),
        blocks=blocks,
        records=records,
        summary=summarise(spec, blocks, records, stats),
        motions=read_run(folder.motion),
        stats=stats,
        versions=versions,
        guard=_guard(folder.chunks_file),
        offline=_offline(Path(spec.base)),
    )


def _offline(base: Path) -> Offline | None:
    """From what `zprl pretrain` wrote beside the checkpoint, or the dataset that it names."""
    beside = base.with_name(base.name + ".json")
    if not beside.is_file():
        return None
    info = read_json(beside)
    if "demonstrations" in info:
        return Offline(**info["demonstrations"])
    try:
        lengths = open_dataset(Path(info["data"])).lengths
    except (DataError, ConfigError, KeyError):
        return None
    return Offline(len(lengths), sum(lengths))


def _guard(path: Path) -> dict[str, list[float]]:
    """The guard's values of the steered chunks of RUN/chunks.log; a torn last line does not count."""
    found: dict[str, list[float]] = {name: [] for name in GUARD}
    if not path.exists():
        return found
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            values = json.loads(line)
            if values["rms_ratio"] is None:
                continue
            for name in GUARD:
                value = values[name]
                found[name].append(float("nan") if value is None else float(value))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: line {number}: {error!r}; move the file away") from error
    return found


def methods(runs: Iterable[ReportRun]) -> list[Method]:
    """Training runs by what they have in common: all of the task's settings, and the budget."""
    grouped: dict[str, list[ReportRun]] = {}
    for run in runs:
        if run.trains:
            key = json.dumps([run.task.to_dict(), run.spec.rig, run.spec.chunks], sort_keys=True)
            grouped.setdefault(key, []).append(run)
    groups = [sorted(group, key=lambda run: run.spec.seed) for group in grouped.values()]
    names = _differences([group[0] for group in groups])
    return [Method(name, tuple(group)) for name, group in zip(names, groups, strict=True)]


def _differences(runs: Sequence[ReportRun]) -> list[str]:
    """What each method has that another has not, such as "lambda 0.3"."""
    if len(runs) < 2:
        return ["ZPRL" for _ in runs]
    settings = [_flat({**run.task.to_dict(), "rig": run.spec.rig, "chunks": run.spec.chunks}) for run in runs]
    keys = [key for key in settings[0] if len({json.dumps(each.get(key)) for each in settings}) > 1]
    names = [", ".join(f"{key} {each.get(key)}" for key in keys) for each in settings]
    return [name or "ZPRL" for name in names]


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
