# SPDX-License-Identifier: Apache-2.0
"""What the computer of a rig computes with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting
from zprl_core.config.processes import ProcessConfig

BackendName = Literal["cuda", "openvino", "torch"]


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """What policy and learner are computed with, and where processes run. See docs/speed.md."""

    backends: tuple[BackendName, ...] = setting(
        "tried in this order; after them torch's plain float32, the reference", default=("cuda", "torch")
    )
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "of the policy; where a backend has none, or it is too far off, fp32", default="fp32"
    )
    threads: int = setting(
        "of torch, for the policy; the last bits of what is planned depend on it", default=1, low=1, high=256
    )
    tolerance: float = setting(
        "largest error of a chunk in fp32, in normalised actions (their range is -1 to 1)",
        default=1e-4,
        above=0.0,
    )
    reduced_tolerance: float = setting("largest error of a chunk in bf16 and fp16", default=2e-2, above=0.0)
    learner: Literal["cpu", "cuda"] = setting("where updates are computed", default="cpu")
    processes: tuple[ProcessConfig, ...] = setting(
        "processors and priorities; what is not named here runs as the system decides", default=()
    )

    def check(self) -> list[tuple[str, str]]:
        """What contradicts what, as (key, problem)."""
        found = [process.name for process in self.processes]
        return [
            ("processes", f"the name '{name}' stands twice")
            for name in sorted(set(found))
            if found.count(name) > 1
        ]
