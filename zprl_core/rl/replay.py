"""The replay buffer: float32 arrays that grow, never images (the encoder is frozen)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zprl_core.rl.sac import Batch
from zprl_core.rl.transition import Transition

FIELDS = ("c", "z", "z_tilde", "reward", "terminal", "c_next", "z_next")


class ReplayBuffer:
    """All transitions of a run that may be learned from; c is standardised on its way in.

    Args:
        c_mean, c_std: float32 (c_dim,), moments of c over the demonstrations.
        dim: length of z.
    """

    def __init__(self, c_mean: NDArray[np.float32], c_std: NDArray[np.float32], dim: int) -> None:
        self.c_mean, self.c_std, self.dim = c_mean, c_std, dim
        widths = {"c": len(c_mean), "c_next": len(c_mean), "reward": 0, "terminal": 0}
        self._arrays = {
            name: np.zeros((1024, width) if (width := widths.get(name, dim)) else 1024, np.float32)
            for name in FIELDS
        }
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, transition: Transition) -> int:
        """Add one; returns its index."""
        if self._size == len(self._arrays["reward"]):
            self._arrays = {
                name: np.concatenate([array, np.zeros_like(array)]) for name, array in self._arrays.items()
            }
        for name in FIELDS:
            value = getattr(transition, name)
            if name in ("c", "c_next"):
                value = (value - self.c_mean) / self.c_std
            self._arrays[name][self._size] = value
        self._size += 1
        return self._size - 1

    def correct(self, index: int, reward: float, terminal: bool) -> None:
        """Change the label of a stored transition."""
        self._arrays["reward"][index] = reward
        self._arrays["terminal"][index] = terminal

    def gather(self, index: NDArray[np.int64]) -> Batch:
        """The transitions at these indices as a batch."""
        return Batch(**{name: self._tensor(name, index) for name in FIELDS})

    def _tensor(self, name: str, index: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._arrays[name][index])
