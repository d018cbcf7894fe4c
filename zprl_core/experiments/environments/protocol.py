# SPDX-License-Identifier: Apache-2.0
"""What every benchmark task looks like to the rest: a waypoint goes in, what happened comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Observation:
    """What the policy sees.

    Attributes:
        images: {camera: uint8 (h, w, 3), RGB}, of the task's views; none for a task from state.
        proprio: float32 (dq,), the parts that the task names, m and rad.
    """

    images: Mapping[str, NDArray[np.uint8]]
    proprio: NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """What a waypoint led to.

    Attributes:
        reward: 1 at success and 0 otherwise, or the simulator's dense reward, unscaled, where the task has
            one; summed over the waypoint's repeats.
        success: the simulator's own test, at any of the repeats.
    """

    reward: float
    success: bool


class Environment(Protocol):
    """One simulated task. Everything random comes from the seed of `reset`.

    The horizon is the caller's: an environment never ends by itself.
    """

    def reset(self, seed: int) -> None:
        """Lay out the scene of this seed, the same each time."""
        ...

    def observe(self) -> Observation:
        """What is seen now. Renders, where the task has cameras."""
        ...

    def step(self, action: NDArray[np.float32]) -> Step:
        """Execute one waypoint (da,), absolute, in physical units, for the task's `action.repeat` steps."""
        ...

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Everything that an expert may know, float64 vectors by name; proprioception is made of them."""
        ...

    def close(self) -> None:
        """Free the simulator."""
        ...


class Expert(Protocol):
    """A scripted or trained demonstrator of one task, for one episode."""

    def act(self, state: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The next waypoint (da,)."""
        ...
