# SPDX-License-Identifier: Apache-2.0
"""Demonstrations and base policies of an experiment's folder, made once and shared by its trials."""

from __future__ import annotations

import dataclasses
import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.errors import DataError
from zprl_core.experiments.cells import Trial
from zprl_core.run_folder import make_folder

if TYPE_CHECKING:
    from zprl_core.base import BaseModel
    from zprl_core.data.dataset import Dataset
    from zprl_core.training.replicas import Replicas

DEMONSTRATIONS_SEED = 0
"""Of the dataset, for all seeds: the paper's base policies are trained on one dataset a task."""


def base_path(trial: Trial, root: Path) -> Path:
    """Where the trial's base policy is kept."""
    return root / "bases" / trial.base / "base.ckpt"


def demonstrations_path(trial: Trial, root: Path) -> Path:
    """Where its demonstrations are kept."""
    return root / "demonstrations" / trial.demonstrations


def base_of(
    trial: Trial, root: Path, device: str = "cpu", notice: Callable[[str], None] = lambda _: None
) -> BaseModel:
    """The trial's base policy with its bottleneck, on a device; made there first where it is missing, as
    `notice` is told.

    Raises:
        ConfigError: the simulator or its expert is missing.
        DataError: the demonstrations are another task's, or not as many as its budget says.
    """
    from zprl_core.base import load_base

    path = base_path(trial, root)
    with _locked(path.parent):
        if not path.exists():
            _pretrain(trial, root, path, device, notice)
    model, _, _ = load_base(path)
    model.policy.sampling = trial.task.policy.sampling  # of this trial: its weights do not depend on it
    return model.to(device)


def _pretrain(trial: Trial, root: Path, path: Path, device: str, notice: Callable[[str], None]) -> None:
    from zprl_core.base import save_base
    from zprl_core.data.dataset import load_dataset
    from zprl_core.data.reading import open_dataset
    from zprl_core.experiments.demonstrations import collect
    from zprl_core.training.bottleneck import attach_bottleneck
    from zprl_core.training.replicas import Replicas

    folder = demonstrations_path(trial, root)
    with _locked(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            notice(f"{trial.task.name}: collects {trial.task.budget.demonstrations} demonstrations")
            collect(trial.task, folder, DEMONSTRATIONS_SEED)
    found, wanted = open_dataset(folder), trial.task.budget.demonstrations
    if found.header.task != trial.task.name:
        raise DataError(
            f"{folder}: holds demonstrations of task {found.header.task}, not {trial.task.name}; remove it"
        )
    if len(found.infos) != wanted:
        raise DataError(
            f"{folder}: holds {len(found.infos)} demonstrations, budget.demonstrations is {wanted}; import "
            f"so many with `zprl dataset import --episodes {wanted}`"
        )
    data = load_dataset(folder, trial.task)
    notice(f"{trial.cell.name}, seed {trial.seed}: trains its base policy; a task's other methods share it")
    model = _imitated(trial, root, data, Replicas(device))
    report = attach_bottleneck(model, trial.task, data, trial.seed, device=device)
    save_base(path, model, trial.task, {"bottleneck": dataclasses.asdict(report)})


def _imitated(trial: Trial, root: Path, data: Dataset, where: Replicas) -> BaseModel:
    """The flow, with a bottleneck that is trained beside it or still to be trained."""
    from zprl_core.base import load_base, new_model, save_base
    from zprl_core.training.pretrain import pretrain

    if trial.task.bottleneck.joint:
        return pretrain(trial.task, data, trial.seed, replicas=where)
    path = root / "bases" / trial.imitation / "flow.ckpt"
    with _locked(path.parent):
        if not path.exists():
            save_base(path, pretrain(trial.task, data, trial.seed, replicas=where), trial.task)
    model = new_model(trial.task, trial.seed)
    model.policy.load_state_dict(load_base(path)[0].policy.state_dict())
    return model.eval().requires_grad_(False)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the lock goes with its process."""
    make_folder(folder)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
