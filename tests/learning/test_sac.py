"""Eq. (7) to (11) with networks whose values can be worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from zprl_core.base import new_model
from zprl_core.config import TaskConfig
from zprl_core.gradients import frozen
from zprl_core.rl.sac import SAC, Batch, UpdateNoise
from zprl_core.steering.latent import LatentSteering
from zprl_core.steering.protocol import Steering

LAMBDA = 0.5


def make(task: TaskConfig, dense: bool = False, **keys: object) -> SAC:
    torch.manual_seed(0)
    return SAC(2, 1, LAMBDA, dataclasses.replace(task.rl, gamma=0.9, **keys), dense)


class ScaledSum(nn.Module):
    """Q_i(c, z~) = s_i * (c_1 + z~_1), one number a critic."""

    def __init__(self, *scales: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scales))

    def forward(self, c: Tensor, z: Tensor, only: Tensor | None = None) -> Tensor:
        scale = self.scale if only is None else self.scale[only]
        return scale[:, None] * (c[:, 0] + z[:, 0])


def set_actor(sac: SAC, mean: float, log_std: float) -> None:
    """An actor that ignores its input."""
    with torch.no_grad():
        for parameter in sac.actor.parameters():
            parameter.zero_()
        sac.actor.network[-1].bias.copy_(torch.tensor([mean, log_std]))


def one(reward: float = 0.0, terminal: float = 0.0) -> Batch:
    t = torch.tensor
    return Batch(
        c=t([[3.0, 0.0]]),
        z=t([[1.0]]),
        z_tilde=t([[1.4]]),
        reward=t([reward]),
        terminal=t([terminal]),
        c_next=t([[5.0, 0.0]]),
        z_next=t([[2.0]]),
    )


NOISE = UpdateNoise(torch.tensor([[1.0]]), torch.tensor([[-1.0]]), torch.tensor([1, 0]))
DZ_NEXT = math.tanh(0.2 + 0.1)  # mean 0.2, std 0.1, noise 1
DZ_NOW = math.tanh(0.2 - 0.1)


def scripted(task: TaskConfig, **keys: object) -> SAC:
    sac = make(task, **keys)
    set_actor(sac, 0.2, math.log(0.1))
    sac.critics = ScaledSum(1.0, 2.0)
    sac.target_critics = ScaledSum(3.0, 4.0)
    return sac


def test_target_is_eq_11_without_entropy(task: TaskConfig) -> None:
    """y = r + 0.9 * min(3, 4) * (5 + 2 + 0.5 dz')."""
    y = scripted(task, clamp_targets=False).target(one(reward=1.0), NOISE)
    assert y.item() == pytest.approx(1.0 + 0.9 * 3.0 * (7.0 + LAMBDA * DZ_NEXT), rel=1e-6)


def test_a_terminal_state_has_no_future_and_the_horizon_has_one(task: TaskConfig) -> None:
    sac = scripted(task, clamp_targets=False)
    assert sac.target(one(reward=1.0, terminal=1.0), NOISE).item() == 1.0
    assert sac.target(one(reward=0.0, terminal=1.0), NOISE).item() == 0.0
    assert sac.target(one(reward=0.0, terminal=0.0), NOISE).item() > 0.0


def test_clamped_targets(task: TaskConfig) -> None:
    assert scripted(task, clamp_targets=True).target(one(), NOISE).item() == 1.0
    with pytest.raises(ValueError, match="clamp_targets"):
        make(task, dense=True, clamp_targets=True)


@pytest.mark.parametrize(("how", "factor"), [("min", 3.0), ("mean", 3.5), ("min_of_random_two", 3.0)])
def test_aggregation_in_the_target(task: TaskConfig, how: str, factor: float) -> None:
    sac = scripted(task, clamp_targets=False, critic_target_aggregation=how)
    assert sac.target(one(), NOISE).item() == pytest.approx(0.9 * factor * (7 + LAMBDA * DZ_NEXT), rel=1e-6)


def test_critic_loss_is_eq_10_on_the_steered_latent(task: TaskConfig) -> None:
    """Q = 1 * (3 + 1.4) and 2 * 4.4, y = 5: 0.6^2 + 3.8^2."""
    loss, q = scripted(task).critic_loss(one(), torch.tensor([5.0]))
    assert q.flatten().tolist() == pytest.approx([4.4, 8.8])
    assert loss.item() == pytest.approx(0.36 + 14.44, rel=1e-5)


def test_actor_loss_is_eq_9(task: TaskConfig) -> None:
    """alpha log pi - min Q(c, z + 0.5 dz), with log pi = log N(-1) - log 0.1 - log(1 - dz^2)."""
    sac = scripted(task, initial_temperature=0.2)
    loss, log_prob = sac.actor_loss(one(), NOISE)
    expected = -0.5 - 0.5 * math.log(2 * math.pi) - math.log(0.1) - math.log(1 - DZ_NOW**2)
    assert log_prob.item() == pytest.approx(expected, rel=1e-5)
    assert loss.item() == pytest.approx(0.2 * expected - (4.0 + LAMBDA * DZ_NOW), rel=1e-5)


def test_temperature_follows_the_target_entropy(task: TaskConfig) -> None:
    """Target entropy -1/2 for one dimension: log pi above 1/2 raises alpha, below lowers it."""
    sac = make(task)
    assert sac.target_entropy == -0.5
    assert sac.log_alpha.exp().item() == pytest.approx(0.01)
    for log_prob, sign in ((0.8, 1), (0.2, -1)):
        (gradient,) = torch.autograd.grad(sac.temperature_loss(torch.tensor([log_prob])), [sac.log_alpha])
        assert gradient.item() == pytest.approx(-(log_prob - 0.5))
        assert math.copysign(1, -gradient.item()) == sign


def test_target_critics_follow_slowly(task: TaskConfig) -> None:
    sac = scripted(task, tau=0.25)
    sac.update_target()
    torch.testing.assert_close(sac.target_critics.scale, torch.tensor([2.5, 3.5]))


def random_batch(size: int = 16) -> Batch:
    g = torch.Generator().manual_seed(3)
    wide, narrow = torch.randn(2, size, 2, generator=g), torch.randn(3, size, 1, generator=g)
    return Batch(wide[0], narrow[0], narrow[1], torch.ones(size), torch.ones(size), wide[1], narrow[2])


@pytest.mark.parametrize("critics", [2, 5, 10])
def test_update_moves_each_part_by_its_own_loss(task: TaskConfig, critics: int) -> None:
    sac = make(task, critics=critics)
    batch = random_batch()
    noise = UpdateNoise(torch.randn(16, 1), torch.randn(16, 1), torch.tensor([0, 1]))
    before = {name: value.clone() for name, value in sac.state_dict().items()}
    metrics = sac.update(batch, noise)
    changed = {
        name.split(".")[0] for name, value in sac.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"actor", "critics", "target_critics", "log_alpha"}
    assert set(metrics) == {"critic_loss", "actor_loss", "q", "entropy", "temperature"}
    assert all(p.requires_grad for p in sac.critics.parameters())
    for name, value in sac.target_critics.state_dict().items():
        moved = before[f"target_critics.{name}"].lerp(sac.critics.state_dict()[name], 0.005)
        torch.testing.assert_close(value, moved)


def test_each_loss_has_gradients_for_its_own_part_only(task: TaskConfig) -> None:
    sac, batch = make(task), random_batch()
    noise = UpdateNoise(torch.randn(16, 1), torch.randn(16, 1), torch.tensor([0, 1]))
    loss, _ = sac.critic_loss(batch, sac.target(batch, noise))
    loss.backward()
    critic_gradients = [p.grad for p in sac.critics.parameters()]
    assert all(g is not None for g in critic_gradients)
    assert all(p.grad is None for p in sac.actor.parameters())
    assert all(p.grad is None for p in sac.target_critics.parameters())
    sac.zero_grad(set_to_none=True)
    with frozen(sac.critics):
        sac.actor_loss(batch, noise)[0].backward()
    assert all(p.grad is not None for p in sac.actor.parameters())
    assert all(p.grad is None for p in sac.critics.parameters())
    assert sac.log_alpha.grad is None


def test_it_finds_the_better_latent(task: TaskConfig) -> None:
    """A bandit: reward 1 where z~ > 0.3. The mean perturbation must become clearly positive."""
    sac = make(task, actor_lr=3e-3, critic_lr=3e-3, clamp_targets=False)
    g = torch.Generator().manual_seed(0)
    for _ in range(150):
        z = 0.1 * torch.randn(64, 1, generator=g)
        dz = 2 * torch.rand(64, 1, generator=g) - 1
        z_tilde = z + LAMBDA * dz
        batch = Batch(
            torch.zeros(64, 2),
            z,
            z_tilde,
            (z_tilde[:, 0] > 0.3).float(),
            torch.ones(64),
            torch.zeros(64, 2),
            z,
        )
        noise = torch.randn(2, 64, 1, generator=g)
        sac.update(batch, UpdateNoise(noise[0], noise[1], torch.tensor([0, 1])))
    assert sac.actor.mean(torch.zeros(1, 2), torch.zeros(1, 1)).item() > 0.6


def test_latent_steering_acts_through_the_decoder(task: TaskConfig) -> None:
    model = new_model(task, 0)
    steering: Steering = LatentSteering(model.policy, model.bottleneck, 0.3)
    assert steering.scale == 0.3
    z = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    w = torch.randn(1, *(model.policy.chunk, model.policy.action_dim))
    expected = model.policy.act(model.bottleneck.decode(z), w)
    torch.testing.assert_close(steering.act(torch.zeros(1, model.policy.c_dim), z, w), expected)
