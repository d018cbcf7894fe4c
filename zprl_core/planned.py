# SPDX-License-Identifier: Apache-2.0
"""A planned chunk with all that it was planned from. No torch: bags and messages hold it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from zprl_core.steering.guard import GuardValues

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Plan:
    """One planned chunk. dz is 0 where nothing steers (base_c, base_z); z_tilde = z + scale * lambda * dz.

    scale: of lambda, 1 unless the guard backs off. guard: how far the chunk was steered.
    """

    c: Array
    z: Array
    dz: Array
    z_tilde: Array
    w: Array
    actions: Array
    scale: float = 1.0
    guard: GuardValues = field(default_factory=GuardValues)


PLAN_ARRAYS = ("c", "z", "dz", "z_tilde", "w", "actions")
"""What a plan holds, for logs and messages."""


def plan_of(arrays: Mapping[str, Array], scale: float) -> Plan:
    """A plan from the arrays that PLAN_ARRAYS names; the guard's values are not known."""
    c, z, dz, z_tilde, w, actions = (arrays[name] for name in PLAN_ARRAYS)
    return Plan(c, z, dz, z_tilde, w, actions, scale)
