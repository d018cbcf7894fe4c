# SPDX-License-Identifier: Apache-2.0
"""The steering methods by name."""

from __future__ import annotations

from torch import Tensor

from zprl_core.base import BaseModel
from zprl_core.config import TaskConfig
from zprl_core.errors import ConfigError
from zprl_core.experiments.cells import FROM_NOISE, CellConfig, scale_of
from zprl_core.rl.noise_aliasing import NoiseAliasedSAC
from zprl_core.rl.sac import SAC
from zprl_core.steering.action_residual import ActionResidual, progressive_share
from zprl_core.steering.embedding import EmbeddingSteering
from zprl_core.steering.latent import LatentSteering
from zprl_core.steering.noise_steering import NoiseSteering
from zprl_core.steering.protocol import Steering


def make_steering(cell: CellConfig, task: TaskConfig, model: BaseModel) -> Steering:
    """Where a cell's method steers the base policy.

    Raises:
        ConfigError: the method needs a scale and the cell has none.
    """
    scale = scale_of(cell, task)
    if scale is None:
        raise ConfigError(f"cell {cell.name}: scale is missing; method {cell.method} needs one")
    policy, bottleneck = model.policy, model.bottleneck
    match cell.method:
        case "zprl":
            return LatentSteering(policy, bottleneck, scale)
        case "action_residual":
            return ActionResidual(policy, scale)
        case "noise_steering" | "noise_aliasing":
            return NoiseSteering(policy, scale)
        case "embedding_steering":
            return EmbeddingSteering(policy, bottleneck, scale)
        case _:
            raise ConfigError(
                f"cell {cell.name}: method {cell.method} fine-tunes the policy, it steers nothing"
            )


def make_sac(cell: CellConfig, task: TaskConfig, model: BaseModel, steering: Steering) -> SAC:
    """The learner of a cell's method, with initial weights from torch's global generator."""
    sizes = model.policy.c_dim, steering.dim
    if cell.method != "noise_aliasing":
        return SAC(*sizes, steering.scale, task.rl, task.dense_reward)
    policy, bottleneck = model.policy, model.bottleneck

    def decode(standard: Tensor, w: Tensor) -> Tensor:
        c = bottleneck.unstandardise(standard)
        return policy.actions(policy.act(c, w.view(-1, policy.chunk, policy.action_dim))).flatten(1)

    return NoiseAliasedSAC(*sizes, steering.scale, task.rl, task.dense_reward, decode)


def steered_share(cell: CellConfig, task: TaskConfig, steps: int, chunks: int) -> float:
    """Probability that a training chunk is steered, after so many environment steps and chunks."""
    if cell.method in FROM_NOISE:
        return float(chunks >= task.rl.warmup_chunks)
    return progressive_share(steps, cell.progressive_steps)
