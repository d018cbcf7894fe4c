# SPDX-License-Identifier: Apache-2.0
"""Training runs with an actor, small enough to make in a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.learning.tiny import tiny_task
from zprl_core.base import BaseModel, new_model, save_base
from zprl_core.config import TaskConfig, load_rig
from zprl_core.perturbation import fit_latents
from zprl_core.record_log import RecordLog
from zprl_core.rl.learner import LatentSpec, Learner
from zprl_core.rl.transition import Transition
from zprl_core.run_folder import RunFolder, RunSpec

TASK = tiny_task()


def model(seed: int = 0, *, latents: bool = True) -> BaseModel:
    """An untrained base policy, with the distribution of latents of standard normal embeddings."""
    made = new_model(TASK, seed)
    if latents:
        draws = np.random.default_rng(seed).standard_normal((400, made.policy.c_dim), dtype=np.float32)
        made.latents = fit_latents(made.bottleneck, torch.from_numpy(draws), 0)
    return made.eval().requires_grad_(False)


def embeddings(count: int, seed: int = 0) -> np.ndarray:
    """c (count, c_dim)."""
    size = new_model(TASK, 0).policy.c_dim
    return np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32)


def run(path: Path, base: BaseModel, count: int, task: TaskConfig = TASK) -> Path:
    """A run of so many transitions that kept the state after half of them."""
    checkpoint = path.with_name(f"{path.name}_base.ckpt")
    save_base(checkpoint, base, task, {})
    spec = RunSpec(
        run_id=path.name,
        mode="train",
        task=task.name,
        rig="sim_xarm6",
        base=str(checkpoint),
        actor="",
        seed=0,
        lockstep=True,
        chunks=count,
        eval_episodes=0,
    )
    folder = RunFolder.create(path, spec, task, load_rig("sim_xarm6"))
    assert task.rl.lambda_ is not None
    size, dim = base.policy.c_dim, base.bottleneck.latent_dim
    latent = LatentSpec(np.zeros(size, np.float32), np.ones(size, np.float32), dim, task.rl.lambda_)
    learner = Learner(task, latent, 0, RecordLog(folder.transitions_file))
    c = embeddings(count + 1)
    z = np.zeros(dim, np.float32)
    for number in range(count):
        last = number % 5 == 4
        learner.update(
            Transition(number // 5, number % 5, c[number], z, z, float(last), last, last, c[number + 1], z)
        )
        if number + 1 == count // 2:
            learner.save(folder.kept_checkpoint(count // 2))
    learner.save(folder.learner_checkpoint)
    return path
