# SPDX-License-Identifier: Apache-2.0
"""Experiments as data: which method runs on which task with which settings, and for which figure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from zprl_core.config import TaskConfig, files, loader
from zprl_core.config.fields import setting
from zprl_core.errors import ConfigError

Method = Literal[
    "zprl",
    "action_residual",
    "noise_steering",
    "noise_aliasing",
    "embedding_steering",
    "dppo",
    "reinflow",
]
FINETUNING = ("dppo", "reinflow")
FROM_NOISE = ("noise_steering", "noise_aliasing")
"""Steered in every chunk once the warm-up is over."""
Scale = Literal["cpu", "paper"]
KIND: Literal["experiments"] = "experiments"
DEMONSTRATED = (
    "name",
    "rate_hz",
    "horizon_steps",
    "observation",
    "action.dim",
    "action.repeat",
    "action.rotation",
    "benchmark",
    "budget.demonstrations",
)
"""Keys of a task that its demonstrations depend on."""
IMITATION = (*DEMONSTRATED, "action", "policy", "pretrain")
"""Keys that a flow depends on, where the bottleneck is attached afterwards."""
OFFLINE = (*IMITATION, "bottleneck")
"""Keys that a base policy with its bottleneck depends on."""
SAMPLED = ("policy.sampling",)
"""Key of these that no weight depends on: how the trained flow is run."""
ON_ROBOTS = (
    "rl.steering",
    "rl.residual_scale",
    "rl.progressive_chunks",
    "rl.filter_steps",
    "rl.extra_utd",
    "rl.catch_up_burst",
    "rl.checkpoint_every_episodes",
    "rl.keep_every_chunks",
    "rl.guard",
    "rl.human_chunks",
    "rl.human_match",
)
"""Keys that sessions on rigs heed, and trials do not."""
ONLINE = (*OFFLINE, "rl", "dense_reward", "evaluation.episodes", "evaluation.every_chunks", "budget.chunks")
"""Keys that a trial depends on."""


@dataclass(frozen=True, kw_only=True)
class CellConfig:
    """One method on one task: a curve of a figure, a row of a table."""

    task: str = setting("a benchmark task")
    method: Method = setting("what is learned online")
    scale: float | None = setting(
        "lambda of zprl (null: the task's), of the residual, of c; half width of w's box",
        default=None,
        above=0.0,
    )
    progressive_steps: int = setting(
        "environment steps over which the share of steered chunks rises to 1", default=0, low=0
    )
    label: str = setting("of its curve, empty: the method", default="")
    set: dict[str, Any] = setting("other values of the task, by dotted key", factory=dict)

    @property
    def name(self) -> str:
        """For people: task, method and what is particular."""
        return " ".join(filter(None, (self.task, self.label or self.method)))


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """A figure or a table of the paper, and the cells that make it."""

    title: str = setting("what it shows")
    source: str = setting("where it stands in the paper")
    seeds: tuple[int, ...] = setting("of every cell", low=0)
    environments: int = setting("copies that a trial runs at a time", default=10, low=1)
    cpu: tuple[CellConfig, ...] = setting("what two CPU cores can do")
    paper: tuple[CellConfig, ...] = setting("the paper's tasks, images and budgets", default=())

    def cells(self, scale: Scale) -> tuple[CellConfig, ...]:
        """The cells of a scale.

        Raises:
            ConfigError: it has none.
        """
        found = self.cpu if scale == "cpu" else self.paper
        if not found:
            raise ConfigError(f"{self.title}: no cell for --scale {scale}")
        return found


def scale_of(cell: CellConfig, task: TaskConfig) -> float | None:
    """Of a cell's method: its own, or else the task's lambda for ZPRL."""
    return task.rl.lambda_ if cell.scale is None and cell.method == "zprl" else cell.scale


@dataclass(frozen=True)
class Trial:
    """One cell with one seed.

    Folders are named after what the files and the cell say, and not after defaults: a key that a later
    version adds moves no results. What was run with other defaults is refused when it is gone on from.

    Attributes:
        task: with the cell's other values. environments: copies that run at a time.
    """

    cell: CellConfig
    seed: int
    task: TaskConfig
    environments: int

    def _mark(self, keys: tuple[str, ...], apart: tuple[str, ...] = ()) -> str:
        plain = replace(self.cell, set={})
        usual = dict(loader.flatten(task_of(plain).to_dict()))
        other = {key: value for key, value in self.cell.set.items() if usual.get(key) != value}
        said = {
            key: value
            for key, value in loader.flatten(task_data(replace(self.cell, set=other)))
            if _is_below(key, keys) and not _is_below(key, apart) and key != "rl.lambda"
        }
        return _digest(said)

    @property
    def scale(self) -> float | None:
        """Of the method."""
        return scale_of(self.cell, self.task)

    @property
    def folder(self) -> str:
        """Its name among the trials: cells of two figures that are the same trial share it."""
        cell = (self.cell.method, self.scale, self.cell.progressive_steps, self.environments)
        mark = _digest([cell, self._mark(ONLINE)])
        return f"{self.task.name}-{self.cell.method}-{mark}/seed{self.seed}"

    @property
    def imitation(self) -> str:
        """The name of its flow, shared by trials with other bottlenecks; its base's where it has its own."""
        if self.task.bottleneck.joint:
            return self.base
        return f"{self.task.name}-flow-{self._mark(IMITATION, SAMPLED)}/seed{self.seed}"

    @property
    def demonstrations(self) -> str:
        """The name of its dataset, which all seeds share."""
        return f"{self.task.name}-{self._mark(DEMONSTRATED)}"

    @property
    def base(self) -> str:
        """The name of its base policy, which trials of other methods share."""
        return f"{self.task.name}-{self._mark(OFFLINE, SAMPLED)}/seed{self.seed}"


def load_experiment(name: str) -> ExperimentConfig:
    """An experiment by name, or from a YAML file.

    Raises:
        ConfigError: names file, key, value and what is allowed.
    """
    data, origin = files.read_extended(KIND, files.find(KIND, name))
    return loader.from_data(ExperimentConfig, data, loader.Place(origin))


def experiment_names() -> tuple[str, ...]:
    """Names of all experiments."""
    return files.names(KIND)


def trials(name: str, scale: Scale) -> list[Trial]:
    """All trials of an experiment, seeds of a cell together.

    Raises:
        ConfigError: seeds, a cell's task or one of its other values mean nothing, or two cells are one
            trial; names the cell.
    """
    experiment = load_experiment(name)
    _check(name, experiment)
    found = [
        Trial(cell, seed, task_of(cell), experiment.environments)
        for cell in experiment.cells(scale)
        for seed in experiment.seeds
    ]
    for trial in found:
        if trial.task.benchmark is None:
            raise ConfigError(f"cell {trial.cell.name}: task {trial.task.name} has a rig, it is no benchmark")
        if trial.task.observation.steps != 1:
            raise ConfigError(
                f"cell {trial.cell.name}: task {trial.task.name}: observation.steps: "
                f"{trial.task.observation.steps}, allowed in an experiment: 1"
            )
        if trial.scale is None and trial.cell.method not in FINETUNING:
            raise ConfigError(
                f"cell {trial.cell.name}: scale is missing; method {trial.cell.method} needs one"
            )
    _check_distinct(name, found)
    return found


def _check(name: str, experiment: ExperimentConfig) -> None:
    """
    Raises:
        ConfigError: seeds that are none or twice the same, or a setting that a cell has no use for.
    """
    if not experiment.seeds or len(set(experiment.seeds)) < len(experiment.seeds):
        raise ConfigError(f"{name}: seeds {list(experiment.seeds)}, allowed: at least one, each once")
    for cell in (*experiment.cpu, *experiment.paper):
        problem = None
        if cell.method in FINETUNING and cell.scale is not None:
            problem = f"method {cell.method} has no scale"
        elif cell.progressive_steps and (cell.method in FINETUNING or cell.method in FROM_NOISE):
            problem = f"method {cell.method} has no progressive_steps"
        elif "rl.lambda" in cell.set and (cell.method != "zprl" or cell.scale is not None):
            problem = "set rl.lambda would count for zprl without a scale of its own only"
        elif unheeded := [key for key, _ in loader.flatten(dict(cell.set)) if _is_below(key, ON_ROBOTS)]:
            problem = f"set {', '.join(unheeded)}: a session on a rig heeds it, a trial does not"
        if problem:
            raise ConfigError(f"{name}: cell {cell.name}: {problem}; remove it")


def _check_distinct(name: str, found: Sequence[Trial]) -> None:
    """
    Raises:
        ConfigError: two cells are one trial.
    """
    cells: dict[str, str] = {}
    for trial in found:
        if (other := cells.setdefault(trial.folder, trial.cell.name)) != trial.cell.name:
            raise ConfigError(f"{name}: cells {other} and {trial.cell.name} are the same trial; remove one")


def _is_below(key: str, keys: Sequence[str]) -> bool:
    """Whether a dotted key is one of these, or inside one."""
    return any(key == each or key.startswith(f"{each}.") for each in keys)


def task_of(cell: CellConfig) -> TaskConfig:
    """The task with the cell's other values.

    Raises:
        ConfigError: no such task, no such key, or a value that is not allowed.
    """
    return TaskConfig.from_dict(task_data(cell), f"cell {cell.name}")


def task_data(cell: CellConfig) -> dict[str, Any]:
    """What the task's files and the cell say, without defaults."""
    data, _ = files.read_extended("tasks", files.find("tasks", cell.task))
    merged = dict(data)
    for key, value in cell.set.items():
        merged = _changed(merged, key.split("."), value)
    return merged


def _changed(data: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A copy with another value at a path.

    Raises:
        ConfigError: there is a value where the path goes on.
    """
    inner = data.get(path[0], {})
    if len(path) > 1 and not isinstance(inner, Mapping):
        raise ConfigError(f"set: '{path[0]}' is {inner!r} and holds no '{'.'.join(path[1:])}'")
    return {**data, path[0]: value if len(path) == 1 else _changed(inner, path[1:], value)}


def _digest(data: object) -> str:
    text = json.dumps(data, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=4).hexdigest()
