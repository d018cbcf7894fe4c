# SPDX-License-Identifier: Apache-2.0
"""Which processors a process of the graph runs on, and before what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

ProcessName = Literal[
    "arm_bridge",
    "auto_judge",
    "camera_node",
    "learner_node",
    "panel_node",
    "player_node",
    "policy_node",
    "proprioception_node",
    "recorder_node",
    "session_node",
    "teleop_node",
    "world_node",
]


@dataclass(frozen=True, kw_only=True)
class ProcessConfig:
    """How the operating system treats every process that runs one executable."""

    name: ProcessName = setting("the executable")
    cpus: tuple[int, ...] = setting("processors it may use, from 0; empty: all", default=(), low=0, high=4095)
    realtime_priority: int | None = setting(
        "SCHED_FIFO with this priority, which whoever starts it must be allowed to use; null: not",
        default=None,
        low=1,
        high=99,
    )
    nice: int = setting(
        "priority among the usual processes, 0 is usual, 19 lowest", default=0, low=0, high=19
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        problems = []
        if len(set(self.cpus)) != len(self.cpus):
            problems.append(("cpus", f"{list(self.cpus)}: one stands twice"))
        if self.realtime_priority is not None and self.nice:
            problems.append(("nice", f"{self.nice} means nothing beside realtime_priority: drop one"))
        return problems
