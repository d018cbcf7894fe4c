"""The replay buffer: float32 arrays that grow, never images (the encoder is frozen)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        self._removed: list[int] = []
        self._before = np.zeros(0, np.int64)  # how many that are left lie before each removed row, sorted

    def __len__(self) -> int:
        return self._size - len(self._removed)

    def append(self, transition: Transition) -> int:
        """Add one; returns its row."""
        if self._size == len(self._arrays["reward"]):
            self._arrays = {
                name: np.concatenate([array, np.zeros((max(1024, len(array)), *array.shape[1:]), np.float32)])
                for name, array in self._arrays.items()
            }
        for name in FIELDS:
            value = getattr(transition, name)
            if name in ("c", "c_next"):
                value = (value - self.c_mean) / self.c_std
            self._arrays[name][self._size] = value
        self._size += 1
        return self._size - 1

    def correct(self, row: int, reward: float, terminal: bool) -> None:
        """Change the label of a stored transition."""
        self._arrays["reward"][row] = reward
        self._arrays["terminal"][row] = terminal

    def remove(self, row: int) -> None:
        """Learn from a stored transition no more."""
        self._removed.append(row)
        self._look_at_removed()

    def restore(self, row: int) -> None:
        """Learn from a removed transition again."""
        self._removed.remove(row)
        self._look_at_removed()

    def looks_ahead(self, row: int) -> bool:
        """Whether a stored transition has an observation behind its chunk."""
        return not np.array_equal(self._arrays["c"][row], self._arrays["c_next"][row])

    def to_state(self) -> dict[str, Any]:
        """Tensors and plain data; the arrays are shared, not copied."""
        arrays = {name: torch.from_numpy(array[: self._size]) for name, array in self._arrays.items()}
        return {"arrays": arrays, "removed": list(self._removed)}

    def from_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `to_state`."""
        self._arrays = {name: array.numpy().copy() for name, array in state["arrays"].items()}
        self._size, self._removed = len(self._arrays["reward"]), list(state["removed"])
        self._look_at_removed()

    def gather(self, index: NDArray[np.int64]) -> Batch:
        """A batch of transitions, by indices below the buffer's length."""
        rows = index + np.searchsorted(self._before, index, side="right")
        return Batch(**{name: self._tensor(name, rows) for name in FIELDS})

    def _look_at_removed(self) -> None:
        self._before = np.sort(np.array(self._removed, np.int64)) - np.arange(len(self._removed))

    def _tensor(self, name: str, rows: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._arrays[name][rows])
