# SPDX-License-Identifier: Apache-2.0
"""On which path of the policy an episode is replayed."""

from __future__ import annotations

from zprl_core.errors import ConfigError
from zprl_core.policy_modes import BASES

AUTO, RECORDED = "auto", "recorded"
MODES = (AUTO, RECORDED, *BASES, "steer")
"""Paths of the policy that a replay can be told: "auto" steers where there is an actor."""


def replayed_mode(wanted: str, recorded: str, *, steers: bool) -> str:
    """The path of the policy that an episode is replayed on.

    Args:
        wanted: of MODES. recorded: that of the episode, empty where nobody knows.
        steers: whether the policy has an actor.

    Raises:
        ConfigError: a base policy cannot steer.
    """
    if wanted == RECORDED:
        if recorded in BASES:
            return recorded
        wanted = AUTO
    if wanted == AUTO:
        return "steer" if steers else "base_c"
    if wanted == "steer" and not steers:
        raise ConfigError("--mode steer: a base policy has no actor; name a run, or another mode")
    return wanted
