"""What a session goes on with: what it measured before, in a folder that nobody else is running in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.ros import training
from zprl_core import start
from zprl_core.base import load_base, new_model, save_base
from zprl_core.config import load_task
from zprl_core.errors import CheckpointError, DataError
from zprl_core.record_log import RecordLog
from zprl_core.resuming import resume
from zprl_core.rl.learner import CHECKPOINT, LatentSpec, Learner

RIG = "sim_xarm6"


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path]:
    """A run with a learner's checkpoint, and its task's file."""
    file = training.tiny_task(tmp_path)
    base = training.tiny_base(tmp_path, file)
    start.training(rig=RIG, task=str(file), base=base, out=tmp_path / "run", chunks=8, eval_episodes=1)
    learner(tmp_path / "run").save(tmp_path / "run" / CHECKPOINT)
    return tmp_path / "run", file


def learner(run: Path) -> Learner:
    task = load_task(str(run / "config" / "task.yaml"))
    model, _, _ = load_base(run.parent / "base.ckpt", task)
    moments, lambda_ = np.ones(model.policy.c_dim, np.float32), task.rl.lambda_
    assert lambda_ is not None
    latent = LatentSpec(moments, moments, task.bottleneck.latent_dim, lambda_, model.digest())
    return Learner(task, latent, 0, RecordLog(run / "transitions.log"))


def test_an_evaluation_goes_on_with_the_actor_that_it_began_with_and_no_other(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    run, file = trained
    out = tmp_path / "evaluation"
    start.evaluation(rig=RIG, task=str(file), policy=run, out=out)
    resume(out, mode="evaluate")
    other = learner(run)
    with torch.no_grad():
        next(other.sac.actor.parameters()).add_(1.0)
    other.save(run / CHECKPOINT)
    with pytest.raises(CheckpointError, match=r"learner\.ckpt or .*base\.ckpt has changed since"):
        resume(out, mode="evaluate")


def test_an_evaluation_steers_as_the_run_did_whatever_the_task_says_today(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    run, file = trained
    was = load_task(str(run / "config" / "task.yaml")).rl
    changed = {**training.TINY, "rl": {**training.TINY["rl"], "hidden": 2 * was.hidden}}
    file.write_text(yaml.safe_dump(changed))
    start.evaluation(rig=RIG, task=str(file), policy=run, out=tmp_path / "evaluation")
    assert load_task(str(tmp_path / "evaluation" / "config" / "task.yaml")).rl == was


def test_a_base_policy_that_was_replaced_is_refused_before_anything_is_written(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """By one of the same task: only its weights tell."""
    run, file = trained
    base, task = tmp_path / "base.ckpt", load_task(str(file))
    save_base(base, new_model(task, 1), task)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    said = r"learner\.ckpt: learned to steer base policy \w{16}, this is \w{16}; was the base policy's"
    with pytest.raises(CheckpointError, match=said):
        resume(run)
    with pytest.raises(CheckpointError, match=said):
        start.evaluation(rig=RIG, task=str(file), policy=run, out=tmp_path / "evaluation")
    assert {
        path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"
    } == before
    assert not (tmp_path / "evaluation").exists()


def test_a_live_run_s_files_are_left_alone(trained: tuple[Path, Path]) -> None:
    run, _ = trained
    prepared = resume(run)
    with prepared.folder.lock():
        files = [path for path in run.rglob("*") if path.is_file()]
        before = {path: path.read_bytes() for path in files}
        with pytest.raises(DataError, match="another process is running in this folder"):
            resume(run)
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert resume(run).folder == prepared.folder
