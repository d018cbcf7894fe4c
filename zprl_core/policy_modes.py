# SPDX-License-Identifier: Apache-2.0
"""Paths of the policy, by name. Torch-free."""

from __future__ import annotations

from typing import Literal

Mode = Literal["base_c", "base_z", "explore", "steer"]
"""base_c: through c. base_z: through z, not steered. explore: the actor samples and the learner learns.
steer: the actor's mean, nothing is learned."""
BlockMode = Literal[Mode, "human"]
"""What drives an episode; human: no policy, a person does."""
BASES: tuple[Mode, ...] = ("base_c", "base_z")
"""Those of the base policy, which are also the names of the blocks that measure them."""
STEERED: tuple[Mode, ...] = ("explore", "steer")
