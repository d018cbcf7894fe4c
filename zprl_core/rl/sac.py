"""Soft actor-critic on the steering interface, eq. (7) to (11).

Differences from textbook SAC, all the paper's: the critics value the steered latent z~ and not the action
dz, eq. (8); the target has no entropy term. What the paper leaves open is a config key marked ours: how
critics are combined, the temperature's learning rate, clamped targets.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zprl_core.gradients import frozen
from zprl_core.rl.actor import Actor
from zprl_core.rl.critic import CriticEnsemble, aggregated

if TYPE_CHECKING:
    from zprl_core.config import RLConfig


@dataclass(frozen=True)
class Batch:
    """B transitions, float32.

    c, c_next: (B, c_dim), standardised. z, z_tilde, z_next: (B, dim). reward, terminal (0 or 1): (B,).
    """

    c: Tensor
    z: Tensor
    z_tilde: Tensor
    reward: Tensor
    terminal: Tensor
    c_next: Tensor
    z_next: Tensor


@dataclass(frozen=True)
class UpdateNoise:
    """What an update draws: next and now, standard normal (B, dim), for dz' and dz; pair, int64 (2,).

    flow: standard normal (B, dim), for noise aliasing only.
    """

    next: Tensor
    now: Tensor
    pair: Tensor
    flow: Tensor | None = None


class SAC(nn.Module):
    """Actor, critics, target critics and temperature with their optimisers.

    Args:
        c_dim, dim: lengths of c and of dz.
        scale: lambda of eq. (7), or what another `Steering` has in its place.
        config: Table V and our keys.
        dense_reward: of the task; clamped targets are refused then, because returns are not in [0, 1].
    """

    draws = 2
    """Standard normal numbers that an update needs, times (B, dim)."""

    def __init__(
        self,
        c_dim: int,
        dim: int,
        scale: float,
        config: RLConfig,
        dense_reward: bool = False,
    ) -> None:
        super().__init__()
        if config.clamp_targets and dense_reward:
            raise ValueError("clamp_targets needs returns in [0, 1]: set it to false for a dense reward")
        self.config, self.scale = config, scale
        self.target_entropy = config.target_entropy_per_dim * dim
        self.actor = Actor(c_dim, dim, config.hidden, config.layers, config.log_std_min, config.log_std_max)
        self.critics = CriticEnsemble(
            config.critics, c_dim, dim, config.hidden, config.layers, config.layer_norm
        )
        self.target_critics = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.tensor(math.log(config.initial_temperature)))
        self.optimizers = {
            "actor": torch.optim.Adam(self.actor.parameters(), config.actor_lr, fused=True),
            "critics": torch.optim.Adam(self.critics.parameters(), config.critic_lr, fused=True),
            "temperature": torch.optim.Adam([self.log_alpha], config.temperature_lr, fused=True),
        }

    def update(self, batch: Batch, noise: UpdateNoise) -> dict[str, Tensor]:
        """One gradient step of critics, actor and temperature, then of the target critics.

        Returns:
            Scalars: critic_loss, actor_loss, q (mean of the critics on the batch), entropy, temperature.
        """
        critic_loss, q = self.learn_values(batch, noise)
        with frozen(self.critics):
            actor_loss, log_prob = self.actor_loss(batch, noise)
            self._step("actor", actor_loss)
        self._step("temperature", self.temperature_loss(log_prob))
        self.update_target()
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "q": q.detach().mean(),
            "entropy": -log_prob.mean(),
            "temperature": self.log_alpha.detach().exp(),
        }

    def learn_values(self, batch: Batch, noise: UpdateNoise) -> tuple[Tensor, Tensor]:
        """One gradient step of the critics; eq. (10) before it, and q (E, B)."""
        loss, q = self.critic_loss(batch, self.target(batch, noise))
        self._step("critics", loss)
        return loss, q

    @torch.no_grad()
    def target(self, batch: Batch, noise: UpdateNoise) -> Tensor:
        """y of eq. (11), (B,). No entropy term; a terminal state has no future, the horizon has one."""
        dz, _ = self.actor.sample(batch.c_next, batch.z_next, noise.next)
        z_tilde = batch.z_next + self.scale * dz  # eq. (7)
        return self.bootstrapped(batch, self.target_critics, z_tilde, noise)

    def bootstrapped(
        self, batch: Batch, critics: CriticEnsemble, action: Tensor, noise: UpdateNoise
    ) -> Tensor:
        """Eq. (11) with these critics' value of `action`, (B, dim), in the next state."""
        future = aggregated(critics, batch.c_next, action, self.config.target_aggregation, noise.pair)
        y = batch.reward + self.config.gamma * (1.0 - batch.terminal) * future  # eq. (11)
        return y.clamp(0.0, 1.0) if self.config.clamp_targets else y

    def critic_loss(self, batch: Batch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Eq. (10), summed over the critics, and q (E, B)."""
        q = self.critics(batch.c, batch.z_tilde)  # eq. (8): Q(c, z~)
        return (q - y).square().mean(dim=1).sum(), q  # eq. (10)

    def actor_loss(self, batch: Batch, noise: UpdateNoise) -> tuple[Tensor, Tensor]:
        """Eq. (9) and log pi (B,), detached."""
        dz, log_prob = self.actor.sample(batch.c, batch.z, noise.now)
        z_tilde = batch.z + self.scale * dz  # eq. (7)
        q = aggregated(self.critics, batch.c, z_tilde, self.config.actor_aggregation, noise.pair)
        alpha = self.log_alpha.detach().exp()
        return (alpha * log_prob - q).mean(), log_prob.detach()  # eq. (9)

    def temperature_loss(self, log_prob: Tensor) -> Tensor:
        """Raises alpha while the entropy is below its target (Haarnoja et al. 2018, section 5)."""
        return -(self.log_alpha * (log_prob + self.target_entropy)).mean()

    @torch.no_grad()
    def update_target(self) -> None:
        """Q-bar <- (1 - tau) Q-bar + tau Q."""
        self.follow(self.target_critics, self.critics)

    def follow(self, target: CriticEnsemble, critics: CriticEnsemble) -> None:
        """Move a target network by tau."""
        torch._foreach_lerp_(
            [p.detach() for p in target.parameters()],
            [p.detach() for p in critics.parameters()],
            self.config.tau,
        )

    def _step(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()
