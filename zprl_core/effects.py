# SPDX-License-Identifier: Apache-2.0
"""What an `EpisodeAgent` is told of an executed chunk, and what it asks to be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zprl_core.steering.guard import GuardState

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zprl_core.planned import Plan
    from zprl_core.rl.transition import Transition


@dataclass(frozen=True)
class ChunkExecution:
    """What became of a chunk: why it was refused, taken over or clamped too much, and why it was cut short.

    Empty texts: executed as commanded.

    labelled: whether what cut it short is its episode's label; it is learned from, as what led to success or
    failure. by_hand: whether a person's taking over is what spoiled it. executed: setpoints sent at the
    waypoints' times, (H, da) in physical units; None: not known.
    """

    spoiled: str = ""
    interrupted: str = ""
    labelled: bool = False
    by_hand: bool = False
    executed: NDArray[np.float64] | None = None

    @property
    def unlike_plan(self) -> bool:
        """Whether the arm may be elsewhere than the plan led."""
        return bool(self.spoiled or self.interrupted or self.by_hand)


def clamped_beyond(limit: float, share: float, reason: str) -> str:
    """Why a chunk is not learned from of whose servo periods this share was clamped; or nothing."""
    if share <= limit:
        return ""
    return f"clamped in {share:.0%} of its servo periods, allowed {limit:.0%} ({reason})"


@dataclass(frozen=True)
class SendChunk:
    """Publish this plan; it was made by the actor of the given version."""

    episode: int
    chunk: int
    plan: Plan
    actor_version: int
    weights: str  # digest of the actor's weights, empty where none were received
    guard: GuardState = field(default_factory=GuardState)  # after this chunk


@dataclass(frozen=True)
class SendInversion:
    """Look for the latent that explains what was executed; it goes to `EpisodeAgent.on_inversion`.

    executed: (H, da), physical units. noise: standard normal (agent.RESTARTS, dim z).
    """

    episode: int
    chunk: int
    plan: Plan
    executed: NDArray[np.float64]
    noise: NDArray[np.float32]


@dataclass(frozen=True)
class SendTransition:
    """Hand this transition to the learner; its answer goes to `EpisodeAgent.on_version`."""

    transition: Transition


@dataclass(frozen=True)
class SendBarrier:
    """Ask the learner which actor an episode starts with; its answer goes to `EpisodeAgent.on_version`.

    It settles the episode before: the updates that its ending owes are made first. So one is sent too as soon
    as a label is final, while the arm is being reset.
    """


@dataclass(frozen=True)
class SendCorrection:
    """Tell the learner that an ending that it was handed has another outcome."""

    episode: int
    chunk: int
    outcome: str


Effect = SendChunk | SendInversion | SendTransition | SendBarrier | SendCorrection
