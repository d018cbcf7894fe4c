"""DPPO and ReinFlow: likelihoods, advantages and objectives by hand, and learning where it is easy."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from tests.experiments.point import small_task
from zprl_core.arithmetic import use_threads
from zprl_core.base import new_model
from zprl_core.finetuning.chain import LearnedStd
from zprl_core.finetuning.dppo import DPPO, clipping, dppo_chain, dppo_config
from zprl_core.finetuning.ppo import PPO, Experience, generalised_advantages
from zprl_core.finetuning.reinflow import ReinFlow, reinflow_chain, reinflow_config
from zprl_core.policy.flow import integrate


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    use_threads(1)


def test_without_noise_the_chain_is_the_policy() -> None:
    policy = new_model(small_task(), 0).policy
    c, w = torch.randn(3, 3), torch.randn(3, 2, 4)
    for chain in (dppo_chain(policy), reinflow_chain(policy)):
        sampled = chain.sample(c, c, w, torch.zeros(3, chain.steps, 2, 4))
        film = policy.flow.condition(c)
        flowed = integrate(lambda a, k, film=film: policy.flow(a, k, film), w, (1.0, 0.75, 0.5, 0.25, 0.0))
        torch.testing.assert_close(chain.chunk(sampled), policy.actions.inverse(flowed))


def test_a_chain_s_density_is_that_of_its_normal_steps() -> None:
    torch.manual_seed(0)
    policy = new_model(small_task(), 0).policy
    chain = reinflow_chain(policy)
    c, w, noise = torch.randn(2, 3), torch.randn(2, 2, 4), torch.randn(2, 4, 2, 4)
    sampled = chain.sample(c, c, w, noise)
    log_prob, entropy = chain.log_prob(c, c, sampled)
    std = torch.stack([chain.std(c, k) for k in (1.0, 0.75, 0.5, 0.25)], dim=1).view(2, 4, 2, 4)
    assert not torch.allclose(std[:, 0], std[:, 3])
    wanted = Normal(torch.zeros_like(noise), std)
    torch.testing.assert_close(log_prob[:, 1:], wanted.log_prob(std * noise), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_prob[:, 0], Normal(0.0, 1.0).log_prob(w))
    torch.testing.assert_close(entropy, wanted.entropy().flatten(1).mean(dim=1))


def test_the_learned_deviation_stays_in_its_range() -> None:
    std = LearnedStd(3, 8, 0.08, 0.14)
    found = std(100.0 * torch.randn(50, 3), 0.5)
    assert found.min() >= 0.08 - 1e-6 and found.max() <= 0.14 + 1e-6 and found.std() > 0.001


def test_advantages_by_hand() -> None:
    zero = np.zeros(3, np.float32)
    reward, value = np.array([0, 1, 0], np.float32), np.array([0.5, 0.5, 0.2], np.float32)
    following = np.array([0.5, 9.0, 0.4], np.float32)
    terminal, last = np.array([0, 1, 0], np.float32), np.array([0, 1, 0], np.float32)
    found = generalised_advantages(reward, value, following, terminal, last, 0.9, 0.5)
    second = 1.0 - 0.5  # nothing follows a success
    np.testing.assert_allclose(found, [0.9 * 0.5 - 0.5 + 0.45 * second, second, 0.9 * 0.4 - 0.2], rtol=1e-6)
    horizon = generalised_advantages(zero, zero, zero + 1, zero, zero + 1, 0.9, 0.5)
    np.testing.assert_allclose(horizon, 0.9, rtol=1e-6)  # bootstrapped, and nothing leaks over it


def test_dppo_clips_each_step_by_its_place_and_discounts_towards_the_noise() -> None:
    torch.testing.assert_close(clipping(3)[[0, 2]], torch.tensor([0.001, 0.01]))
    middle = 0.001 + 0.009 * (math.exp(1.5) - 1) / (math.exp(3) - 1)
    assert clipping(3)[1].item() == pytest.approx(middle)
    old = torch.zeros(1, 3, 1, 1)  # the initial noise's density comes first, and does not count
    new = torch.tensor([0.0, 0.5, 0.005]).view(1, 3, 1, 1).requires_grad_()
    loss, _ = DPPO()(new, old, torch.ones(1))
    # the first step is beyond its clip of 0.001, the second within 0.01
    wanted = -(0.99 * 1.001 + math.exp(0.005)) / 2
    assert loss.item() == pytest.approx(wanted, rel=1e-6)
    loss.backward()
    assert new.grad is not None and new.grad[0, 1].item() == 0.0 and new.grad[0, 2].item() < 0.0


def test_reinflow_learns_at_its_least_noise() -> None:
    """The mean density with the initial noise's is well inside the clamp; a clamped one has no gradient."""
    torch.manual_seed(0)
    policy = new_model(small_task(), 0).policy
    chain = reinflow_chain(policy)
    torch.nn.init.constant_(list(chain.std.parameters())[-1], -10.0)  # 0.08
    c, w = torch.randn(50, 3), torch.randn(50, 2, 4)
    with torch.no_grad():
        sampled = chain.sample(c, c, w, torch.randn(50, 4, 2, 4))
        old, _ = chain.log_prob(c, c, sampled)
    new, _ = chain.log_prob(c, c, sampled)
    loss, _ = ReinFlow()(new, old, torch.randn(50))
    loss.backward()
    weight = chain.flow.head[-1].weight.grad
    assert weight is not None and weight.abs().max() > 0
    assert (old.mean(dim=(1, 2, 3)) < 1.0).float().mean() > 0.9


def test_reinflow_s_ratio_is_that_of_the_whole_chain() -> None:
    old, new = torch.zeros(1, 2, 2, 1), torch.full((1, 2, 2, 1), 0.004)
    new[0, 0] = 0.008
    loss, kl = ReinFlow()(new, old, torch.tensor([2.0]))
    assert loss.item() == pytest.approx(-2.0 * math.exp(0.006), rel=1e-6)
    assert kl.item() == pytest.approx(math.exp(0.006) - 1.0 - 0.006, abs=1e-7)
    far, _ = ReinFlow()(new + 0.1, old, torch.tensor([2.0]))
    assert far.item() == pytest.approx(-2.0 * 1.01, rel=1e-6)


@pytest.mark.parametrize("kind", ["dppo", "reinflow"])
def test_it_learns_which_chunks_pay(kind: str) -> None:
    """A bandit: the reward is the first number of the chunk."""
    torch.manual_seed(1)
    policy = new_model(small_task(), 1).policy
    chain, objective, config = (
        (dppo_chain(policy), DPPO(), dppo_config(0.9, 200, pictures=False))
        if kind == "dppo"
        else (reinflow_chain(policy), ReinFlow(), reinflow_config(0.9, 200))
    )
    # a hundred chunks an iteration, and few of them
    config = dataclasses.replace(config, actor_lr=1e-3, target_kl=1.0)
    ppo, rng = PPO(chain, objective, config, torch.zeros(3), torch.ones(3)), np.random.default_rng(0)
    means = []
    for _ in range(12):
        c, w, noise = torch.randn(100, 3), torch.randn(100, 2, 4), torch.randn(100, 4, 2, 4)
        with torch.no_grad():
            sampled = chain.sample(c, c, w, noise)
        reward = sampled[:, -1, 0, 0]
        means.append(reward.mean().item())
        ppo.update(Experience(c, sampled, reward - ppo.value(c), reward), rng)
    assert np.mean(means[-3:]) > np.mean(means[:3]) + 0.05, means
