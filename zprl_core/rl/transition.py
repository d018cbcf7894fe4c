"""One chunk as the learner sees it (torch-free)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REWARDS = {"success": 1.0, "failure": 0.0, "horizon": 0.0}
"""r of an episode's ending."""
TERMINAL = {"success", "failure"}
"""Outcomes behind which nothing is bootstrapped; our reading for the horizon, eq. (11) has no mask."""


@dataclass(frozen=True)
class Transition:
    """(c, z, z~, r, c', z') of eq. (10) and (11), with where it comes from and how it ended.

    c, c_next: float32 (c_dim,), raw embeddings. z, z_tilde, z_next: float32 (dim(z),); z_next is the very
    draw that the next chunk uses. reward: sum over the chunk's steps. terminal: no bootstrap from the next
    state (success or irrecoverable failure; never the horizon). last: the episode ends here. excluded: empty,
    or why the transition is stored and not learned from.
    """

    episode: int
    chunk: int
    c: NDArray[np.float32]
    z: NDArray[np.float32]
    z_tilde: NDArray[np.float32]
    reward: float
    terminal: bool
    last: bool
    c_next: NDArray[np.float32]
    z_next: NDArray[np.float32]
    excluded: str = ""


def outcome_of(ending: Transition) -> str:
    """The outcome that an episode's last transition was labelled with."""
    if not ending.terminal:
        return "horizon"
    return "success" if ending.reward > 0.0 else "failure"
