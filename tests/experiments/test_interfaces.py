"""Where the other methods steer: what a perturbation does, and that none of it is the base policy."""

from __future__ import annotations

import pytest
import torch

from tests.experiments.point import small_task
from zprl_core.arithmetic import use_threads
from zprl_core.base import BaseModel, new_model
from zprl_core.errors import ConfigError
from zprl_core.experiments.cells import CellConfig
from zprl_core.experiments.methods import make_sac, make_steering, steered_share
from zprl_core.experiments.policy import Place, SteeredPolicy
from zprl_core.steering.protocol import Steering

METHODS = {"zprl": 3, "action_residual": 8, "noise_steering": 8, "embedding_steering": 3}
"""Numbers of a perturbation on the small task: dim(z), H * da, H * da, dim(c)."""


@pytest.fixture(scope="module")
def model() -> BaseModel:
    use_threads(1)
    torch.manual_seed(0)
    made = new_model(small_task(), 0)
    made.bottleneck.fit_moments(torch.randn(100, 3) * torch.tensor([1.0, 2.0, 3.0]) + 5.0)
    made.policy.fit_normalizers(torch.randn(100, 4) * 3.0, torch.randn(100, 3))
    return made.eval().requires_grad_(False)


@pytest.fixture(autouse=True)
def seeded(model: BaseModel) -> None:
    """The same draws in any order: a few make the flow so steep that rounding shows."""
    torch.manual_seed(0)


def steering(method: str, model: BaseModel, scale: float = 0.5) -> Steering:
    cell = CellConfig(task="push_wall_state", method=method, scale=scale)
    return make_steering(cell, small_task(), model)


@pytest.mark.parametrize(("method", "dim"), METHODS.items())
def test_unsteered_it_acts_as_the_base_policy_does(method: str, dim: int, model: BaseModel) -> None:
    s = steering(method, model)
    assert s.dim == dim
    c, w, noise = torch.randn(4, 3), torch.randn(4, 2, 4), torch.randn(4, 3)
    base = s.draw(c, noise, w)
    assert base.shape == (4, dim)
    condition = model.bottleneck.decode(model.bottleneck.sample(c, noise)) if method == "zprl" else c
    acted = s.act(c, s.unsteered(base, w), w)
    torch.testing.assert_close(acted, model.policy.act(condition, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_perturbation_is_added_in_its_scale(method: str, model: BaseModel) -> None:
    cell = CellConfig(task="push_wall_state", method=method, scale=0.25)
    s = make_steering(cell, small_task(), model)
    sac = make_sac(cell, small_task(), model, s)
    assert s.scale == sac.scale == 0.25
    c = torch.randn(4, 3)
    base = s.draw(c, torch.randn(4, 3), torch.randn(4, 2, 4))
    places = [Place(i, 0, c[i].numpy(), base[i].numpy()) for i in range(4)]
    steered, _ = SteeredPolicy(model, s, sac.actor, 0).plan(places, ["steer"] * 4)
    with torch.no_grad():
        dz = sac.actor.mean(model.bottleneck.standardise(c), base)
    torch.testing.assert_close(torch.from_numpy(steered), base + 0.25 * dz)


def test_a_residual_moves_the_chunk_by_its_share_of_the_demonstrated_range(model: BaseModel) -> None:
    s, c, w = steering("action_residual", model, 0.5), torch.randn(2, 3), torch.randn(2, 2, 4)
    base = s.draw(c, torch.zeros(2, 3), w)
    dz = torch.zeros(2, 8)
    dz[0, 5] = 1.0  # the second waypoint's second number
    moved = s.act(c, base + s.scale * dz, w) - s.act(c, base, w)
    wanted = torch.zeros(2, 2, 4)
    wanted[0, 1, 1] = 0.5 * model.policy.actions.scale[1]
    torch.testing.assert_close(moved, wanted, atol=1e-5, rtol=1e-5)


def test_noise_steering_takes_the_place_of_the_sample(model: BaseModel) -> None:
    s, c, w = steering("noise_steering", model, 1.5), torch.randn(2, 3), torch.randn(2, 2, 4)
    dz = torch.full((2, 8), -1.0)
    chosen = s.draw(c, torch.zeros(2, 3), w) + s.scale * dz
    torch.testing.assert_close(s.act(c, chosen, w), model.policy.act(c, torch.full((2, 2, 4), -1.5)))


def test_exploration_sets_in_progressively_or_after_the_warm_up() -> None:
    task = small_task(rl__warmup_chunks=10)
    residual = CellConfig(task="push_wall_state", method="action_residual", scale=0.1, progressive_steps=100)
    assert [steered_share(residual, task, steps, 0) for steps in (0, 25, 100, 500)] == [0.0, 0.25, 1.0, 1.0]
    noise = CellConfig(task="push_wall_state", method="noise_steering", scale=1.5)
    assert [steered_share(noise, task, 999, chunks) for chunks in (0, 9, 10)] == [0.0, 0.0, 1.0]
    assert steered_share(CellConfig(task="push_wall_state", method="zprl"), task, 0, 0) == 1.0


def test_a_method_without_a_scale_is_refused(model: BaseModel) -> None:
    with pytest.raises(ConfigError, match=r"push_wall_state action_residual: scale is missing"):
        make_steering(CellConfig(task="push_wall_state", method="action_residual"), small_task(), model)
