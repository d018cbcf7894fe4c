# SPDX-License-Identifier: Apache-2.0
"""The simulator that a benchmark task runs in, what its proprioception is made of, and its demonstrator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

Suite = Literal["metaworld", "adroit", "robomimic"]


@dataclass(frozen=True, kw_only=True)
class DemonstratorConfig:
    """How the medium expert of a benchmark fails. All of it is ours.

    A flaw is an offset that stays the same through an episode and points the same way in all flawed episodes:
    zero-mean noise averages out of a policy that is fitted to it, and leaves nothing to improve.
    """

    flawed_share: float = setting("of the episodes", default=0.0, low=0.0, high=1.0)
    flaw: tuple[float, ...] = setting(
        "offset of the expert's aim in a flawed episode, in the expert's units", default=()
    )
    flaw_spread: float = setting("standard deviation around it, drawn once an episode", default=0.0, low=0.0)
    gives_up_steps: int | None = setting(
        "waypoints after which it gives up, so that waiting does not fill the data; null: the task's horizon",
        default=None,
        low=1,
    )
    noise: float = setting("standard deviation on every action, in the expert's units", default=0.0, low=0.0)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Where a task of the paper's section V-A lives."""

    suite: Suite = setting("the simulator's package")
    environment: str = setting("its name there")
    proprioception: tuple[str, ...] = setting("the parts of q, in order; their lengths add up to dim(q)")
    reward_scale: float = setting("factor on the simulator's dense reward", default=1.0, above=0.0)
    shadows: bool = setting("in the pictures; most of what a frame costs without a GPU", default=True)
    demonstrator: DemonstratorConfig = setting("the medium expert", factory=DemonstratorConfig)
