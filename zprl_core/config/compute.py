# SPDX-License-Identifier: Apache-2.0
"""What the computer of a rig computes with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from zprl_core.config.fields import setting

BackendName = Literal["cuda", "openvino", "torch"]


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """What policy and learner are computed with. See docs/speed.md."""

    backends: tuple[BackendName, ...] = setting(
        "tried in this order; after them torch's plain float32, the reference", default=("cuda", "torch")
    )
    precision: Literal["fp32", "bf16", "fp16"] = setting(
        "of the policy; where a backend has none, or it is too far off, fp32", default="fp32"
    )
    tolerance: float = setting(
        "largest error of a chunk in fp32, in normalised actions (their range is -1 to 1)",
        default=1e-4,
        above=0.0,
    )
    reduced_tolerance: float = setting("largest error of a chunk in bf16 and fp16", default=2e-2, above=0.0)
    learner: Literal["cpu", "cuda"] = setting("where updates are computed", default="cpu")
