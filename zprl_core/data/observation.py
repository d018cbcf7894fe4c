# SPDX-License-Identifier: Apache-2.0
"""One observation, as a policy is given it and as checkpoints keep a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig
    from zprl_core.data.dataset import Dataset

KEPT = 4
"""In a checkpoint."""


class Observation(NamedTuple):
    """images {camera: uint8 (S, h, w, 3)}, uncropped, and proprio float32 (S, dq), as measured."""

    images: Mapping[str, NDArray[np.uint8]]
    proprio: NDArray[np.float32]

    def batch(self) -> tuple[dict[str, Tensor], Tensor]:
        """What `BasePolicy.encode` takes, B = 1."""
        images = {name: torch.from_numpy(frames)[None] for name, frames in self.images.items()}
        return images, torch.from_numpy(self.proprio)[None]

    def to_state(self) -> dict[str, Any]:
        """Tensors for a checkpoint."""
        images = {name: torch.from_numpy(frames) for name, frames in self.images.items()}
        return {"images": images, "proprio": torch.from_numpy(self.proprio)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Observation:
        """The inverse of `to_state`."""
        return cls(
            {name: frames.numpy() for name, frames in state["images"].items()}, state["proprio"].numpy()
        )


def some_of(data: Dataset, count: int = KEPT) -> tuple[Observation, ...]:
    """Observations of the demonstrations, evenly spaced over them."""
    ticks = data.history[np.linspace(0, len(data) - 1, count).astype(np.int64)]
    return tuple(
        Observation(
            {name: np.array(frames[each]) for name, frames in data.images.items()}, data.proprio[each]
        )
        for each in ticks
    )


def noise(task: TaskConfig, count: int = KEPT) -> tuple[Observation, ...]:
    """Observations that show nothing, for a policy of which none are known."""
    rng, seen = np.random.default_rng(0), task.observation
    return tuple(
        Observation(
            {
                view.name: rng.integers(0, 256, (seen.steps, view.height, view.width, 3), np.uint8)
                for view in seen.cameras
            },
            rng.standard_normal((seen.steps, seen.proprio_dim), np.float32),
        )
        for _ in range(count)
    )
