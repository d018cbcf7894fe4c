"""Noise aliasing: what each critic is fitted to, by hand, and that noise of one chunk has one value."""

from __future__ import annotations

import dataclasses

import torch

from tests.experiments.point import small_task
from zprl_core.arithmetic import use_threads
from zprl_core.rl.noise_aliasing import NoiseAliasedSAC
from zprl_core.rl.sac import Batch, UpdateNoise

B, C, DIM = 6, 3, 8


def made(**rl: object) -> NoiseAliasedSAC:
    """Chunks are |w|: noise of either sign gives the same chunk."""
    use_threads(1)
    torch.manual_seed(0)
    config = dataclasses.replace(small_task().rl, **rl)
    return NoiseAliasedSAC(C, DIM, 1.5, config, False, lambda c, w: w.abs())


def batch(size: int = B) -> Batch:
    c = torch.randn(size, C)
    zeros, w = torch.zeros(size, DIM), torch.randn(size, DIM)
    ends = torch.tensor([1.0, 0.0] * (size // 2))
    return Batch(c, zeros, w, ends, ends, torch.randn(size, C), zeros)


def drawn(size: int = B) -> UpdateNoise:
    normal = (torch.randn(size, DIM) for _ in range(3))
    following, now, flow = normal
    return UpdateNoise(following, now, torch.tensor([0, 1]), flow)


def test_the_chunk_critic_bootstraps_on_the_chunk_of_the_actor_s_noise() -> None:
    sac, data, noise = made(clamp_targets=False, gamma=0.9), batch(), drawn()
    y = sac.target(data, noise)
    dz, _ = sac.actor.sample(data.c_next, data.z_next, noise.next)
    future = sac.target_action_critics(data.c_next, (1.5 * dz).abs()).amin(dim=0)
    torch.testing.assert_close(y, data.reward + 0.9 * (1.0 - data.terminal) * future)
    loss, q = sac.action_critic_loss(data, y)
    wanted = sac.action_critics(data.c, data.z_tilde.abs())
    torch.testing.assert_close(q, wanted)
    torch.testing.assert_close(loss, ((wanted - y) ** 2).mean(dim=1).sum())


def test_the_noise_critic_is_fitted_to_the_chunk_critic() -> None:
    sac, data, noise = made(), batch(), drawn()
    assert noise.flow is not None
    wanted = sac.action_critics(data.c, noise.flow.abs()).detach()
    got = sac.critics(data.c, noise.flow)
    torch.testing.assert_close(sac.aliasing_loss(data, noise), ((got - wanted) ** 2).mean(dim=1).sum())


def test_noise_of_one_chunk_comes_to_one_value() -> None:
    sac = made(critic_lr=3e-3)
    for _ in range(300):
        data = batch(64)
        reward = data.z_tilde.abs()[:, 0]
        sac.update(dataclasses.replace(data, reward=reward, terminal=torch.ones(64)), drawn(64))
    c, w = torch.randn(200, C), torch.randn(200, DIM)
    plus, minus = sac.critics(c, w).mean(dim=0), sac.critics(c, -w).mean(dim=0)
    assert (plus - minus).abs().mean() < 0.5 * plus.std(), "the same chunk"
    assert torch.corrcoef(torch.stack([plus, w[:, 0].abs()]))[0, 1] > 0.6, "and the larger, the better"
