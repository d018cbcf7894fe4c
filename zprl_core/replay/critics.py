# SPDX-License-Identifier: Apache-2.0
"""What the critics of a checkpoint say of chunks: Q(c, z~), eq. (8)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zprl_core import checkpoint
from zprl_core.config import TaskConfig
from zprl_core.rl.critic import CriticEnsemble
from zprl_core.rl.learner import CHECKPOINT, KIND

Array = NDArray[np.float32]


class Critics:
    """The critics of a learner's checkpoint.

    Args:
        path: a learner's checkpoint, or a run folder with one.
        task: what the chunks are of.

    Raises:
        CheckpointError: see `checkpoint.load`; another task.
    """

    def __init__(self, path: Path, task: TaskConfig) -> None:
        path = path / CHECKPOINT if path.is_dir() else path
        data = checkpoint.load(path, KIND)
        trained_for = data.task_config()
        checkpoint.require_same_task(path, trained_for, task)
        rl, state = trained_for.rl, data.state
        self._mean, self._std = state["c_mean"], state["c_std"]
        self._ensemble = CriticEnsemble(
            rl.critics, len(self._mean), int(state["dim"]), rl.hidden, rl.layers, rl.layer_norm
        )
        prefix = "critics."
        weights = {k.removeprefix(prefix): v for k, v in state["sac"].items() if k.startswith(prefix)}
        self._ensemble.load_state_dict(weights)

    @torch.inference_mode()
    def values(self, c: Array, z_tilde: Array) -> Array:
        """Q of every critic, (E, N), for c (N, c_dim) and z~ (N, dim z)."""
        standard = (torch.from_numpy(c) - self._mean) / self._std
        return np.asarray(self._ensemble(standard, torch.from_numpy(z_tilde)).numpy())
