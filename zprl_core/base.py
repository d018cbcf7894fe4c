"""What offline training leaves behind: a base policy with its bottleneck, and the file it is kept in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from zprl_core import checkpoint
from zprl_core.bottleneck.vib import Bottleneck
from zprl_core.config import TaskConfig
from zprl_core.data.observation import Observation
from zprl_core.errors import CheckpointError, DataError
from zprl_core.noise import digest
from zprl_core.policy.base_policy import BasePolicy
from zprl_core.provenance import Provenance
from zprl_core.steering.latents import LatentDistribution

KIND = "base policy"


class BaseModel(nn.Module):
    """Base policy and bottleneck of a task, freshly initialised from torch's global generator.

    latents: distribution of z over the demonstrations; None: not known (older checkpoints).
    observations: a few of the demonstrations, on which implementations are compared; none: likewise.
    """

    def __init__(self, task: TaskConfig) -> None:
        super().__init__()
        self.latents: LatentDistribution | None = None
        self.observations: tuple[Observation, ...] = ()
        self.policy = BasePolicy(task)
        settings = task.bottleneck
        self.bottleneck = Bottleneck(self.policy.c_dim, settings.latent_dim, settings.hidden, settings.layers)

    def digest(self) -> str:
        """Sixteen hex digits that identify the weights: what an actor has learned to steer."""
        return digest(*(value.detach().cpu().float().numpy() for value in self.state_dict().values()))


def new_model(task: TaskConfig, seed: int) -> BaseModel:
    """A model whose initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return BaseModel(task)


def save_base(
    path: Path,
    model: BaseModel,
    task: TaskConfig,
    info: dict[str, Any] | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Write the checkpoint in one piece.

    Args:
        path: of the checkpoint.
        model, task: what is kept; L stands in the task.
        info: plain data for people, such as losses and versions.
        provenance: of the demonstrations; None: not known.
    """
    latents = None if model.latents is None else model.latents.to_state()
    state = {
        "model": model.state_dict(),
        "info": info or {},
        "latents": latents,
        "observations": [each.to_state() for each in model.observations],
    }
    checkpoint.save(path, KIND, task.to_dict(), state, provenance)


def load_base(path: Path, task: TaskConfig | None = None) -> tuple[BaseModel, TaskConfig, dict[str, Any]]:
    """The model (eval mode, no gradients), the task it was trained for, and its info.

    Args:
        path: of the checkpoint.
        task: refuse the checkpoint unless it fits this task's observation, action, policy and latent.

    Raises:
        CheckpointError: missing, truncated, of another kind, or of another task; names file and field.
    """
    data = checkpoint.load(path, KIND)
    trained_for = data.task_config()
    if task is not None:
        checkpoint.require_same_task(path, trained_for, task)
    model = BaseModel(trained_for)
    try:
        model.load_state_dict(data.state["model"])
        if data.state.get("latents") is not None:
            model.latents = LatentDistribution.from_state(data.state["latents"])
        model.observations = tuple(map(Observation.from_state, data.state.get("observations", [])))
        info = dict(data.state["info"])
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError, DataError) as error:
        raise CheckpointError(f"{path}: its weights do not fit its own settings: {error}") from error
    return model.eval().requires_grad_(False), trained_for, info
