# SPDX-License-Identifier: Apache-2.0
"""The policies that a replay is told to run: a base checkpoint, or a run with one of its states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from zprl_core import checkpoint
from zprl_core.base import KIND, load_base
from zprl_core.config import ComputeConfig, TaskConfig, load_task
from zprl_core.errors import CheckpointError, ConfigError
from zprl_core.inference.backend import Notice
from zprl_core.provenance import Provenance
from zprl_core.replay.critics import Critics
from zprl_core.rl.learner import load_actor
from zprl_core.run_folder import RunFolder
from zprl_core.runtime import PolicyRuntime


@dataclass(frozen=True)
class ReplayPolicy:
    """One policy.

    Attributes:
        name: for people and folders.
        base: checkpoint of the base policy. actor: the learner's checkpoint; None: a base policy.
        task: that it was trained for, with its lambda.
    """

    name: str
    base: Path
    actor: Path | None
    task: TaskConfig

    @property
    def steers(self) -> bool:
        """Whether it has an actor."""
        return self.actor is not None

    def runtime(self, compute: ComputeConfig, notice: Notice) -> PolicyRuntime:
        """The policy, loaded, computed as on a machine that is set so.

        Raises:
            CheckpointError: it cannot be.
        """
        model, _, _ = load_base(self.base, self.task)
        base = model.digest()
        lambda_ = self.task.rl.lambda_
        assert lambda_ is not None
        runtime = PolicyRuntime(model, self.task, lambda_, compute, notice)
        if self.actor is not None:
            runtime.set_actor(*load_actor(self.actor, self.task, base))
        return runtime

    def provenance(self) -> Provenance | None:
        """From which cell its demonstrations come; None: not known."""
        return checkpoint.load(self.base, KIND).provenance

    def critics(self) -> Critics | None:
        """Of its run; a base policy has none."""
        return None if self.actor is None else Critics(self.actor, self.task)


def find_policy(path: Path, chunks: int | None = None) -> ReplayPolicy:
    """A policy by its checkpoint or run folder.

    Args:
        path: a base checkpoint, a training run's folder, or one of its checkpoints.
        chunks: of a run's folder: the state that it kept after so many training chunks; None: its last one.

    Raises:
        CheckpointError: there is none, or the run has no such state.
        DataError: the folder is no run.
    """
    if path.is_dir():
        run = _training_run(path)
        name = run.path.name if chunks is None else f"{run.path.name}-{chunks}"
        return _trained(run, run.learner_state(chunks), name)
    if chunks is not None:
        raise ConfigError(f"--checkpoint {chunks}: {path} is no run, so it has one state only")
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint or run folder; `zprl pretrain` makes the one, `zprl train` the other"
        )
    run = RunFolder(path.absolute().parent.parent)
    if path.absolute().parent == run.checkpoints and run.spec_file.is_file():
        run = _training_run(run.path)
        return _trained(run, path.absolute(), f"{run.path.name}-{path.stem.removeprefix('chunks_')}")
    task = checkpoint.load(path, KIND).task_config()
    # A base policy steers nothing, so any lambda will do.
    rl = task.rl if task.rl.lambda_ is not None else replace(task.rl, lambda_=1.0)
    return ReplayPolicy(path.stem, path.absolute(), None, replace(task, rl=rl))


def _training_run(path: Path) -> RunFolder:
    run = RunFolder.open(path)
    if run.spec.mode != "train":
        raise CheckpointError(
            f"{run.path}: is no training run, so it has no actor; name the run that trained it"
        )
    return run


def _trained(run: RunFolder, actor: Path, name: str) -> ReplayPolicy:
    """The policy of a training run with this state of its learner."""
    return ReplayPolicy(name, Path(run.spec.base), actor, load_task(run.task_file))


def distinct(policies: list[ReplayPolicy]) -> list[ReplayPolicy]:
    """The same with names that are all different.

    Raises:
        CheckpointError: they are not of the same task's observations and actions, so that they cannot be
            compared.
    """
    first = policies[0]
    for other in policies[1:]:
        checkpoint.require_same_task(other.base, other.task, first.task)
    names = [policy.name for policy in policies]
    if len(set(names)) == len(names):
        return policies
    return [replace(policy, name=f"{number}_{policy.name}") for number, policy in enumerate(policies, 1)]
