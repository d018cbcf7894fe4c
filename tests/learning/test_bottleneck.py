"""Eq. (5) by hand, and that the bottleneck's loss leaves the base policy alone."""

from __future__ import annotations

import math

import pytest
import torch

from zprl_core.base import BaseModel, new_model
from zprl_core.bottleneck.loss import bottleneck_loss
from zprl_core.bottleneck.vib import Bottleneck, kl_to_standard_normal, reparameterise
from zprl_core.config import TaskConfig
from zprl_core.gradients import frozen


def test_kl_by_hand() -> None:
    """Mean (1, 0), variance (1, e^2): 1/2 (1 + 0) + 1/2 (e^2 - 1 - 2)."""
    kl = kl_to_standard_normal(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    assert kl.item() == pytest.approx(0.5 + 0.5 * (math.exp(2.0) - 3.0), rel=1e-6)


def test_kl_agrees_with_torch() -> None:
    mean, log_variance = torch.randn(6, 4), torch.randn(6, 4)
    mine = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    kl = torch.distributions.kl_divergence(mine, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), kl)


def test_reparameterisation_by_hand() -> None:
    z = reparameterise(torch.tensor([[2.0]]), torch.tensor([[math.log(9.0)]]), torch.tensor([[-0.5]]))
    assert z.item() == pytest.approx(0.5)


def test_c_is_standardised_inside() -> None:
    """Scaling and shifting c together with its moments changes c^ the same way and z not at all."""
    torch.manual_seed(0)
    bottleneck, c, noise = Bottleneck(5, 3, 8, 2), torch.randn(40, 5), torch.randn(40, 3)
    bottleneck.fit_moments(c)
    z, c_hat = bottleneck.sample(c, noise), bottleneck.decode(bottleneck.sample(c, noise))
    scale, shift = torch.tensor([1.0, 2.0, 0.5, 10.0, 3.0]), torch.arange(5.0)
    bottleneck.fit_moments(c * scale + shift)
    torch.testing.assert_close(bottleneck.sample(c * scale + shift, noise), z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(bottleneck.decode(z), c_hat * scale + shift, atol=1e-3, rtol=1e-4)


def test_constant_components_are_not_blown_up() -> None:
    bottleneck = Bottleneck(2, 1, 4, 1)
    bottleneck.fit_moments(torch.tensor([[3.0, 0.0], [3.0, 1.0]]))
    assert bottleneck.c_std.tolist() == [1.0, 0.5]
    standard = bottleneck.standardise(torch.tensor([[5.0, 1.0]]))
    assert standard.tolist() == [[2.0, 1.0]]
    assert bottleneck.unstandardise(standard).tolist() == [[5.0, 1.0]]


def test_a_constant_component_stays_one_however_long_its_moments_are_followed() -> None:
    torch.manual_seed(0)
    bottleneck, seen = Bottleneck(2, 1, 4, 1), set[float]()
    for step in range(2000):
        c = torch.stack((torch.full((16,), 3.0), torch.randn(16)), dim=1)
        bottleneck.track_moments(c, rate=1.0 if step == 0 else 0.01)
        seen.add(bottleneck.c_std[0].item())
    assert seen == {1.0} and bottleneck.c_mean[0].item() == pytest.approx(3.0)
    assert bottleneck.c_std[1].item() == pytest.approx(1.0, abs=0.1)


def test_extreme_inputs_stay_finite() -> None:
    bottleneck = Bottleneck(2, 3, 8, 2)
    mean, log_variance = bottleneck.posterior(torch.full((1, 2), 1e6))
    kl = kl_to_standard_normal(mean, log_variance)
    assert torch.isfinite(kl).all()
    assert log_variance.max() <= 4.0


def _inputs(model: BaseModel, batch: int = 6) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    policy = model.policy
    shape = (batch, policy.chunk, policy.action_dim)
    return {
        "c": torch.randn(batch, policy.c_dim, generator=g),
        "actions": torch.randn(shape, generator=g),
        "noise": torch.randn(batch, model.bottleneck.latent_dim, generator=g),
        "w": torch.randn(batch, 2, *shape[1:], generator=g),
        "k": torch.rand(batch, 2, generator=g),
    }


def test_loss_is_eq_5(task: TaskConfig) -> None:
    """Written out: the mean over samples and draws of |v(a^k, k, c^) - (w - a)|^2, plus beta KL."""
    model, beta = new_model(task, 0), 0.3
    inputs = _inputs(model)
    loss = bottleneck_loss(model.bottleneck, model.policy, **inputs, beta=beta)
    mean, log_variance = model.bottleneck.posterior(inputs["c"])
    c_hat = model.bottleneck.decode(mean + (0.5 * log_variance).exp() * inputs["noise"])
    errors = []
    for i in range(6):
        for j in range(2):
            a, w, k = inputs["actions"][i], inputs["w"][i, j], inputs["k"][i, j]
            film = model.policy.flow.condition(c_hat[i : i + 1])
            velocity = model.policy.flow(((1 - k) * a + k * w)[None], k[None], film)[0]
            errors.append((velocity - (w - a)).square().mean())
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
    torch.testing.assert_close(loss.total, torch.stack(errors).mean() + beta * kl)


def test_only_the_bottleneck_gets_gradients(task: TaskConfig) -> None:
    model = new_model(task, 0)
    inputs = _inputs(model)
    inputs["c"].requires_grad_(True)
    bottleneck_loss(model.bottleneck, model.policy, **inputs, beta=1e-4).total.backward()
    assert inputs["c"].grad is None
    assert all(p.grad is None for p in model.policy.parameters())
    assert all(p.grad is not None and p.grad.any() for p in model.bottleneck.decoder.parameters())
    assert all(p.grad is not None for p in model.bottleneck.encoder.parameters())
    assert all(p.requires_grad for p in model.policy.parameters())


def test_gradient_through_the_flow_is_the_true_one(task: TaskConfig) -> None:
    """Against a central difference along one direction of the decoder's last bias."""
    model = new_model(task, 0).double()
    inputs = {name: value.double() for name, value in _inputs(model).items()}
    bias = model.bottleneck.decoder[-1].bias
    assert isinstance(bias, torch.nn.Parameter)

    def value() -> torch.Tensor:
        # In double precision throughout: the public loss rounds to float32.
        mean, log_variance = model.bottleneck.encoder(inputs["c"]).chunk(2, dim=1)
        c_hat = model.bottleneck.decode(reparameterise(mean, log_variance, inputs["noise"]))
        a = inputs["actions"] + 0.5 * (inputs["w"][:, 0] - inputs["actions"])
        with frozen(model.policy):
            velocity = model.policy.flow(a, inputs["k"][:, 0], model.policy.flow.condition(c_hat))
            return velocity.square().mean()

    model.policy.flow.embed_step.double()
    direction = torch.randn(bias.shape, dtype=torch.float64)
    loss = value()
    (gradient,) = torch.autograd.grad(loss, [bias])
    with torch.no_grad():
        bias += 1e-5 * direction
        up = value()
        bias -= 2e-5 * direction
        down = value()
    assert ((up - down) / 2e-5).item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4)


def test_frozen_restores_even_after_an_error(task: TaskConfig) -> None:
    module = torch.nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    with pytest.raises(RuntimeError), frozen(module):
        raise RuntimeError
    assert module.weight.requires_grad
    assert not module.bias.requires_grad
