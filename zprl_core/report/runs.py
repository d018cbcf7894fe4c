# SPDX-License-Identifier: Apache-2.0
"""The runs of a report, read once, and brought together: seeds of one method, evaluations of one policy."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from zprl_core.config import TaskConfig, load_task
from zprl_core.data.reading import open_dataset
from zprl_core.errors import ConfigError, DataError
from zprl_core.measurement import NAMES
from zprl_core.plan import TRAIN, Block, read_plan
from zprl_core.records import EpisodeRecord, read_records
from zprl_core.run_folder import RunFolder, RunSpec, read_json
from zprl_core.smoothness.episode import MotionRecord, read_run
from zprl_core.summary import summarise

NAMED = 3
"""Settings that a method is named by; what else differs is counted."""
METHODS = {"latent": "ZPRL", "action_residual": "action residual"}
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
        name: for legends. runs: in the order of their seeds.
    """

    name: str
    runs: tuple[ReportRun, ...]

    @property
    def repeated(self) -> list[int]:
        """Seeds that several runs have: these are not independent, so there is no interval over them."""
        seeds = [run.spec.seed for run in self.runs]
        return sorted({seed for seed in seeds if seeds.count(seed) > 1})


def block_name(block: str) -> str:
    """What people call the policy that drove in a block."""
    if block == TRAIN:
        return "while learning"
    return NAMES.get(block, block.replace("eval_", "steered, evaluation "))


def read_runs(paths: Sequence[Path]) -> list[ReportRun]:
    """Read run folders.

    Raises:
        DataError: one is none, is damaged, is named twice or a copy of another, holds demonstrations; they
            are of different tasks, or have not a single episode.
    """
    folders = [RunFolder.open(path) for path in paths]
    if len({folder.path for folder in folders}) < len(folders):
        raise DataError("a run is named twice; name each once")
    names = _names([folder.path for folder in folders])
    found = [_read(folder, name) for folder, name in zip(folders, names, strict=True)]
    _refuse_copies(found)
    if not any(run.records for run in found):
        raise DataError("not one episode in any of these runs: there is nothing to report")
    tasks = {run.task.name for run in found}
    if len(tasks) > 1:
        raise DataError(f"runs of different tasks: {', '.join(sorted(tasks))}; report each task by itself")
    return found


def _refuse_copies(runs: Sequence[ReportRun]) -> None:
    seen: dict[str, ReportRun] = {}
    for run in runs:
        other = seen.setdefault(run.spec.run_id, run)
        if other is not run:
            raise DataError(f"{run.folder.path}: is the same run as {other.folder.path}; name one of them")


def _names(paths: Sequence[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart."""
    for depth in range(1, 1 + max(len(path.parts) for path in paths)):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _read(folder: RunFolder, name: str) -> ReportRun:
    spec = folder.spec
    if spec.mode == "collect":
        raise DataError(f"{folder.path}: holds demonstrations; a report is of training runs and evaluations")
    blocks, records = read_plan(folder.plan_file), read_records(folder.episodes_file)
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
        guard=_guard(folder.chunks_file, records),
        offline=_offline(Path(spec.base)),
    )


def _offline(base: Path) -> Offline | None:
    """From what `zprl pretrain` wrote beside the checkpoint, or the dataset that it names."""
    beside = base.with_name(base.name + ".json")
    if not beside.is_file():
        return None
    info = read_json(beside)
    try:
        if "demonstrations" in info:
            return Offline(**{name: int(count) for name, count in info["demonstrations"].items()})
        lengths = open_dataset(Path(info["data"])).lengths
    except (DataError, ConfigError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return Offline(len(lengths), sum(lengths))


def _guard(path: Path, records: Iterable[EpisodeRecord]) -> dict[str, list[float]]:
    """The guard's values of the training chunks of RUN/chunks.log.

    A chunk's last line counts, as a run that was taken up again planned it anew; a torn last line does not.
    """
    training = {record.episode for record in records if record.block == TRAIN}
    found: dict[tuple[int, int], list[float]] = {}
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            if values.get("rms_ratio") is not None and values["episode"] in training:
                each = [math.nan if values[name] is None else float(values[name]) for name in GUARD]
                found[values["episode"], values["chunk"]] = each
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: line {number}: {error!r}; move the file away") from error
    return {name: [each[at] for each in found.values()] for at, name in enumerate(GUARD)}


def methods(runs: Iterable[ReportRun]) -> list[Method]:
    """Training runs by what they have in common: all of the task's settings, and the budget."""
    grouped: dict[str, list[ReportRun]] = {}
    for run in runs:
        if run.trains:
            key = json.dumps(_settings(run), sort_keys=True)
            grouped.setdefault(key, []).append(run)
    groups = [sorted(group, key=lambda run: run.spec.seed) for group in grouped.values()]
    names = _differences([group[0] for group in groups])
    return [Method(name, tuple(group)) for name, group in zip(names, groups, strict=True)]


def _settings(run: ReportRun) -> dict[str, Any]:
    """All that makes one setting."""
    spec = run.spec
    session = {"rig": spec.rig, "chunks": spec.chunks, "lockstep": spec.lockstep, "operator": spec.operator}
    return {**run.task.to_dict(), **session}


def _differences(runs: Sequence[ReportRun]) -> list[str]:
    """What each method has that another has not, such as "lambda 0.3"; numbered where that is too much."""
    if len(runs) < 2:
        return [METHODS[run.task.rl.steering] for run in runs]
    settings = [_flat(_settings(run)) for run in runs]
    keys = [
        key
        for key in dict.fromkeys(key for each in settings for key in each)
        if len({json.dumps(each.get(key)) for each in settings}) > 1
    ]
    last = [key.rpartition(".")[2] for key in keys]
    shown = [short if last.count(short) == 1 else key for short, key in zip(last, keys, strict=True)][:NAMED]
    names = [
        ", ".join(f"{name} {_short(each.get(key))}" for name, key in zip(shown, keys, strict=False))
        + (f" and {len(keys) - NAMED} more" if len(keys) > NAMED else "")
        for each in settings
    ]
    if len(set(names)) < len(names):
        return [f"{number}: {name}" for number, name in enumerate(names, 1)]
    return names


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found
