"""The tanh-Gaussian actor and the ensemble of critics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate

from zprl_core.errors import DataError
from zprl_core.rl import weights
from zprl_core.rl.actor import Actor, tanh_gaussian_log_prob
from zprl_core.rl.critic import CriticEnsemble, aggregated


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.3), (-0.7, 2.0)])
def test_density_integrates_to_one_and_gives_the_moments(mean: float, std: float) -> None:
    """Integrated over dz in (-1, 1) numerically, against E[tanh(u)] integrated over u."""

    def density(dz: float) -> float:
        u = torch.tensor([math.atanh(dz)], dtype=torch.float64)
        parameters = torch.tensor([mean], dtype=torch.float64), torch.tensor([math.log(std)]).double()
        return math.exp(tanh_gaussian_log_prob(u, *parameters).item())

    edge = 1.0 - 1e-9
    total = integrate.quad(density, -edge, edge, limit=400)[0]
    first = integrate.quad(lambda x: x * density(x), -edge, edge, limit=400)[0]
    u = np.linspace(mean - 10 * std, mean + 10 * std, 200_001)
    gaussian = np.exp(-0.5 * ((u - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    assert total == pytest.approx(1.0, abs=1e-5)
    assert first == pytest.approx(np.trapezoid(np.tanh(u) * gaussian, u), abs=1e-5)


def test_probability_of_an_interval_in_two_dimensions() -> None:
    """P(0 < dz1 < 0.5, -0.9 < dz2 < 0) from the density, against the Gaussian's distribution function."""
    mean, log_std = torch.tensor([0.2, -0.5]).double(), torch.tensor([-0.3, 0.4]).double()
    (a, b), (c, d) = (0.0, 0.5), (-0.9, 0.0)
    x, y = torch.linspace(a, b, 401).double(), torch.linspace(c, d, 401).double()
    grid = torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1)
    density = tanh_gaussian_log_prob(grid.atanh(), mean, log_std).exp()
    probability = torch.trapezoid(torch.trapezoid(density, y, dim=1), x).item()
    normal = torch.distributions.Normal(mean, log_std.exp())
    low, high = torch.tensor([a, c]).double().atanh(), torch.tensor([b, d]).double().atanh()
    assert probability == pytest.approx((normal.cdf(high) - normal.cdf(low)).prod().item(), abs=1e-5)


@pytest.mark.parametrize("u", [-60.0, -20.0, 0.0, 20.0, 60.0])
def test_log_density_and_its_gradient_are_finite_at_the_edges(u: float) -> None:
    value = torch.tensor([u], requires_grad=True)
    log_prob = tanh_gaussian_log_prob(value, torch.zeros(1), torch.full((1,), 2.0))
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert value.grad is not None
    assert torch.isfinite(value.grad).all()


def test_actor_is_bounded_and_reproducible() -> None:
    actor = Actor(5, 3, 16, 2)
    c, z, noise = torch.randn(20, 5) * 100, torch.randn(20, 3), torch.randn(20, 3) * 5
    dz, log_prob = actor.sample(c, z, noise)
    assert dz.abs().max() <= 1.0
    assert log_prob.shape == (20,)
    assert torch.equal(actor.sample(c, z, noise)[0], dz)
    torch.testing.assert_close(actor.mean(c, z), actor.sample(c, z, torch.zeros(20, 3))[0])


def test_log_std_is_clamped() -> None:
    actor = Actor(1, 1, 4, 1)
    with torch.no_grad():
        actor.network[-1].bias.copy_(torch.tensor([0.0, 50.0]))
    assert actor.distribution(torch.zeros(1, 1), torch.zeros(1, 1))[1].item() == 2.0
    with torch.no_grad():
        actor.network[-1].bias.copy_(torch.tensor([0.0, -50.0]))
    assert actor.distribution(torch.zeros(1, 1), torch.zeros(1, 1))[1].item() == -10.0


@pytest.mark.parametrize("layer_norm", [False, True])
def test_ensemble_is_a_loop_over_single_critics(layer_norm: bool) -> None:
    torch.manual_seed(0)
    ensemble = CriticEnsemble(5, 6, 3, hidden=8, layers=4, layer_norm=layer_norm)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    c, z = torch.randn(7, 6), torch.randn(7, 3)
    q = ensemble(c, z)
    assert q.shape == (5, 7)
    for member in range(5):
        single = CriticEnsemble(1, 6, 3, hidden=8, layers=4, layer_norm=layer_norm)
        single.load_state_dict({k: v[member : member + 1] for k, v in ensemble.state_dict().items()})
        torch.testing.assert_close(single(c, z)[0], q[member])


def test_a_member_is_a_plain_perceptron() -> None:
    ensemble = CriticEnsemble(2, 2, 1, hidden=4, layers=2)
    x = torch.randn(3, 3)
    first, second, out = ensemble.network[0], ensemble.network[2], ensemble.network[4]
    h = torch.nn.functional.gelu(x @ first.weight[1] + first.bias[1])
    h = torch.nn.functional.gelu(h @ second.weight[1] + second.bias[1])
    torch.testing.assert_close(ensemble(x[:, :2], x[:, 2:])[1], (h @ out.weight[1] + out.bias[1])[:, 0])


@pytest.mark.parametrize("layer_norm", [False, True])
def test_some_members_are_the_same_to_the_bit(layer_norm: bool) -> None:
    """Which are computed must not change what a run learns."""
    ensemble = CriticEnsemble(10, 270, 16, layer_norm=layer_norm)
    c, z, only = torch.randn(256, 270), torch.randn(256, 16), torch.tensor([7, 2])
    assert ensemble(c, z, only).equal(ensemble(c, z)[only])


def test_aggregation_by_hand() -> None:
    """Q_i(c, z~) = scale_i * z~."""
    ensemble = CriticEnsemble(3, 0, 1, layers=0)
    ensemble.network[0].weight.data = torch.tensor([[[1.0]], [[4.0]], [[-7.0]]])
    ensemble.network[0].bias.data.zero_()
    c, z, pair = torch.empty(2, 0), torch.tensor([[1.0], [-1.0]]), torch.tensor([1, 0])
    assert aggregated(ensemble, c, z, "min", pair).tolist() == [-7.0, -4.0]
    torch.testing.assert_close(aggregated(ensemble, c, z, "mean", pair), torch.tensor([-2.0, 2.0]) / 3)
    assert aggregated(ensemble, c, z, "min_of_random_two", pair).tolist() == [1.0, -4.0]
    with pytest.raises(ValueError, match="'median'"):
        aggregated(ensemble, c, z, "median", pair)


def test_weights_travel_as_bytes() -> None:
    first, second = Actor(5, 3, 8, 2), Actor(5, 3, 8, 2)
    data = weights.to_bytes(first)
    assert np.frombuffer(data, "<f4")[0] == first.network[0].weight[0, 0].item()
    weights.from_bytes(second, data)
    assert weights.to_bytes(second) == data
    with pytest.raises(DataError, match=f"{len(data) - 4} bytes, this actor has {len(data)}"):
        weights.from_bytes(second, data[:-4])
    with pytest.raises(DataError, match="not finite"):
        weights.from_bytes(second, data[:-4] + np.float32("nan").tobytes())
    assert weights.to_bytes(second) == data
