"""The proposal for lambda and the sweep behind it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zprl_core.base import new_model, save_base
from zprl_core.bottleneck.vib import Bottleneck
from zprl_core.config import TaskConfig
from zprl_core.errors import CheckpointError
from zprl_core.perturbation import (
    SAMPLES,
    draw_latents,
    propose,
    propose_lambda,
    rms,
    sweep,
    sweep_lambdas,
    untrained_dz,
)


def test_rms_by_hand() -> None:
    assert rms(np.array([3.0, 4.0], np.float32)) == pytest.approx(np.sqrt(12.5))


def test_proposal_by_hand() -> None:
    """RMS(dz) = 0.5, RMS(z) = 2: lambda * 0.5 / 2 = 0.15 gives 0.6."""
    dz = np.array([[0.5, -0.5]], np.float32)
    assert propose_lambda(2.0, dz) == pytest.approx(0.6)
    assert propose_lambda(2.0, dz, ratio=0.1) == pytest.approx(0.4)
    with pytest.raises(ValueError, match=r"RMS\(dz\) = 0"):
        propose_lambda(2.0, 0 * dz)


def test_an_untrained_actors_perturbations() -> None:
    """E[tanh(u)^2] = 0.3943 for a standard normal u."""
    assert rms(untrained_dz(20_000, 4, 0)) == pytest.approx(np.sqrt(0.3943), rel=0.01)


def test_sweep_measures_what_it_says() -> None:
    """A decoder that doubles z: displacement is 2 |lambda dz|; standard normal z: Mahalanobis is |z~|."""
    bottleneck = Bottleneck(3, 3, 4, 0)
    with torch.no_grad():
        bottleneck.decoder[0].weight.copy_(2 * torch.eye(3))
        bottleneck.decoder[0].bias.zero_()
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.standard_normal((20_000, 3), dtype=np.float32))
    dz = np.zeros((20_000, 3), np.float32)
    dz[:, 1] = 1.0
    rows = sweep(bottleneck, z, dz, [0.0, 0.5, 4.0])
    assert [row.displacement for row in rows] == pytest.approx([0.0, 1.0, 8.0], abs=1e-5)
    assert [row.rms_ratio for row in rows] == pytest.approx([0, 0.5 / np.sqrt(3), 4 / np.sqrt(3)], rel=0.02)
    moved = z.numpy() + np.array([0, 4.0, 0], np.float32)
    assert rows[2].mahalanobis == pytest.approx(np.linalg.norm(moved, axis=1).mean(), rel=0.02)
    assert rows[0].mahalanobis == pytest.approx(rows[0].mahalanobis_base)
    assert rows[0].mahalanobis_base == pytest.approx(np.sqrt(8 / np.pi), rel=0.02)
    assert rows[1].displacement_relative == pytest.approx(1.0 / (2 * np.sqrt(3)), rel=0.02)


def test_sweep_spans_the_guideline() -> None:
    dz = untrained_dz(1000, 4, 0)
    lambdas = sweep_lambdas(1.0, dz)
    ratios = [value * rms(dz) for value in lambdas]
    assert ratios[0] < 0.10 < 0.20 < ratios[-1]
    assert lambdas == sorted(lambdas)


def test_latents_are_drawn_once_per_embedding_and_bounded(task: TaskConfig) -> None:
    bottleneck = Bottleneck(5, 3, 4, 1)
    assert draw_latents(bottleneck, torch.randn(40, 5), 0).shape == (40, 3)
    assert len(draw_latents(bottleneck, torch.randn(SAMPLES + 5, 5), 0)) == SAMPLES


def test_proposal_from_a_checkpoint(task: TaskConfig, tmp_path: Path) -> None:
    model = new_model(task, 0)
    save_base(tmp_path / "a", model, task, {"bottleneck": {"z_rms": 1.2}})
    assert propose(tmp_path / "a") == pytest.approx(0.15 * 1.2 / np.sqrt(0.3943), rel=0.02)
    save_base(tmp_path / "b", model, task)
    with pytest.raises(CheckpointError, match=r"z_rms is missing.*--lambda"):
        propose(tmp_path / "b")
