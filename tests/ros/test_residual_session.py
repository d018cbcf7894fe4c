"""The action residual through the whole graph: trained, measured by what its run steers, resumed as such."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.ros import training
from zprl_core.config import load_task
from zprl_core.record_log import read
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder


def test_a_run_steers_its_actions_and_is_measured_by_them(tmp_path: Path) -> None:
    task, run = training.tiny_task(tmp_path), tmp_path / "run"
    words = ["--rig", "sim_xarm6", "--task", str(task), "--panel", "none"]
    base = training.tiny_base(tmp_path, task)
    how = ["--steering", "action_residual", "--chunks", "12", "--eval-episodes", "2"]
    done = training.zprl("train", *words, "--base", str(base), "--out", str(run), *how)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = RunFolder.open(run)
    rl = load_task(folder.task_file).rl
    assert (rl.steering, rl.lambda_) == ("action_residual", 0.1)
    transitions = [record for _, record in read(folder.transitions_file) if record["kind"] == "transition"]
    flat = load_task(str(task)).action
    assert transitions[0]["z"].shape == transitions[0]["z_tilde"].shape == (flat.chunk * flat.dim,)
    steered = [np.abs(record["z_tilde"] - record["z"]).max() for record in transitions]
    assert max(steered) <= 0.1 + 1e-6, "within its scale; most of the first chunks are the base policy's own"

    measured = tmp_path / "measured"
    done = training.zprl("evaluate", *words, "--policy", str(run), "--out", str(measured), "--episodes", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load_task(RunFolder.open(measured).task_file).rl.steering == "action_residual"
    assert len(read_records(measured / "episodes.jsonl")) == 2

    done = training.zprl("train", "--out", str(run), "--resume", "--steering", "latent")
    assert done.returncode == 2
    assert "was started with --steering action_residual, not latent" in done.stderr
