# SPDX-License-Identifier: Apache-2.0
"""What an evaluation measures: a base policy, or a run's base policy and its actor."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import CheckpointError, ConfigError
from zprl_core.prepared import base_digest
from zprl_core.provenance import Provenance, compare
from zprl_core.run_folder import RunFolder


class MeasuredPolicy(NamedTuple):
    """A base checkpoint, and a run's actor or none; lambda where that is settled."""

    base: Path
    actor: str
    lambda_: float | None
    task: TaskConfig
    warning: str


def measured_policy(
    policy: Path, checkpoint: int | None, task: TaskConfig, now: Provenance
) -> MeasuredPolicy:
    """What is measured of a base checkpoint or a run. An actor does what it was trained to do, whatever the
    task's file says today.

    Args:
        policy: a checkpoint's file, or a run's folder.
        checkpoint: of a run: the state that it kept after so many training chunks; None: its last one.
        task: as its file says today. now: the cell.

    Raises:
        ZprlError: nothing there that can be measured.
    """
    if not policy.is_dir():
        if checkpoint is not None:
            raise ConfigError(f"--checkpoint {checkpoint}: {policy} is no run, so it has one state only")
        return MeasuredPolicy(policy, "", None, task, "")
    run = RunFolder.open(policy)
    trained, learned = _trained_actor(run, checkpoint), load_task(run.task_file).rl
    return MeasuredPolicy(
        base=Path(run.spec.base),
        actor=str(trained.path),
        lambda_=learned.lambda_,
        task=dataclasses.replace(task, rl=learned),
        warning=compare(str(run.path), trained.provenance, now, task.tick_s),
    )


class _Trained(NamedTuple):
    """A learner's checkpoint, and where it learned."""

    path: Path
    provenance: Provenance | None


def _trained_actor(run: RunFolder, chunks: int | None) -> _Trained:
    """The checkpoint of a run that can be measured: that after so many training chunks, or the last one."""
    if run.spec.mode != "train":
        raise CheckpointError(
            f"{run.path}: is an evaluation, without an actor of its own; name a training run"
        )
    path = run.learner_state(chunks)
    from zprl_core import checkpoint
    from zprl_core.rl.learner import KIND, load_actor

    load_actor(path, load_task(run.task_file), base_digest(Path(run.spec.base)))
    return _Trained(path, checkpoint.load(path, KIND).provenance)


def digests(*paths: str) -> str:
    """Of these files, in this order; one without a name has none."""
    return " ".join(hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] for path in filter(None, paths))
