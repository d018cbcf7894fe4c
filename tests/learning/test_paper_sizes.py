# SPDX-License-Identifier: Apache-2.0
"""The paper's configurations at their full sizes: they can be built, trained for a step, and planned with."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.config.test_paper_numbers import REAL
from zprl_core.base import new_model
from zprl_core.config import load_task, task_names
from zprl_core.data.dataset import load_dataset
from zprl_core.runtime import PolicyRuntime
from zprl_core.training.pretrain import Pretraining
from zprl_sim.collect import CollectConfig, collect

PAPER = [name for name in task_names() if not load_task(name).smaller_than_paper]


def test_there_are_twelve() -> None:
    assert len(PAPER) == 12 and set(REAL) < set(PAPER)


@pytest.mark.parametrize("name", PAPER)
def test_every_task_plans_a_chunk(name: str) -> None:
    """Images, cameras, observation steps, proprioception and actions of Tables VI and VII fit together."""
    task = load_task(name)
    observation, rng = task.observation, np.random.default_rng(0)
    model = new_model(task, 0)
    assert task.rl.lambda_ is not None
    runtime = PolicyRuntime(model, task, task.rl.lambda_)
    images = {
        v.name: rng.integers(0, 256, (observation.steps, v.height, v.width, 3), dtype=np.uint8)
        for v in observation.cameras
    }
    c = runtime.encode(images, np.zeros((observation.steps, observation.proprio_dim), np.float32))
    assert c.shape == (observation.steps * (256 * len(observation.cameras) + observation.proprio_dim),)
    drawn, noise, w = (rng.standard_normal(shape, dtype=np.float32) for shape in runtime.noise_shapes)
    z = runtime.base(c, drawn, w)
    assert z.shape == (task.bottleneck.latent_dim,)
    plan = runtime.plan("explore", c, z, noise, w)
    assert plan.actions.shape == (task.action.chunk, task.action.dim)
    assert np.isfinite(plan.actions).all()


def test_place_orange_takes_a_gradient_step(tmp_path: Path) -> None:
    """From demonstrations of the twin at the paper's image size."""
    task = load_task("place_orange")
    small = dataclasses.replace(task, pretrain=dataclasses.replace(task.pretrain, batch_size=2))
    views = {v.name: (v.height, v.width) for v in task.observation.cameras}
    lead = task.observation.lead_steps
    config = CollectConfig(cameras=views, horizon_steps=24, task=task.name, lead_steps=lead)
    collect(tmp_path, 1, 0, config, workers=1)
    run = Pretraining(small, load_dataset(tmp_path, small), 0)
    before = run.model.policy.encoder.backbones[0].projection.weight.detach().clone()  # type: ignore[union-attr,operator]
    losses = run.step()
    assert all(np.isfinite(value) for value in losses.values())
    assert not torch.equal(before, run.model.policy.encoder.backbones[0].projection.weight)  # type: ignore[union-attr]
