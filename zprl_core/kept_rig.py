# SPDX-License-Identifier: Apache-2.0
"""Whether the arms that a run moves, by the rig that it keeps, are those of the rig's file today."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zprl_core.config import RigConfig, load_rig, loader, rig_names
from zprl_core.errors import ConfigError

NAMED = 4
"""Differences that are told; the others are counted."""


def rig_of_today(given: str | None, kept: RigConfig) -> RigConfig | None:
    """The rig that a run is resumed on: as given, or found by the name of the one that it keeps; None where
    its file lies elsewhere.

    Raises:
        ConfigError: what is in that file.
    """
    if given is not None:
        return load_rig(given)
    return load_rig(kept.name) if kept.name in rig_names() else None


def require_same_arms(path: Path, kept: RigConfig, present: RigConfig | None) -> str:
    """A real cell's arms move by the limits that its file has today, or not at all.

    Args:
        path: of the kept rig. kept, present: see `rig_of_today`.

    Returns:
        A warning where they cannot be compared, else nothing.

    Raises:
        ConfigError: names what differs.
    """
    if kept.simulated:
        return ""
    if present is None:
        return (
            f"the arms move by {path}, which the run keeps; there is no rig '{kept.name}' to compare it with "
            "(--rig FILE would name one)"
        )
    before, today = dict(_of_its_arms(kept)), dict(_of_its_arms(present))
    differ = [key for key in {**before, **today} if before.get(key) != today.get(key)]
    if not differ:
        return ""
    said = ", ".join(f"{key} {before.get(key)} (today {today.get(key)})" for key in differ[:NAMED])
    more = f" and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
    raise ConfigError(
        f"{path}, by which the run moves its arms, is not what rig '{present.name}' says today: "
        f"{said}{more}. Write there what shall hold, bring the rig's file back, or name another with --rig"
    )


def _of_its_arms(rig: RigConfig) -> Iterator[tuple[str, Any]]:
    """Which arms move, and how far and fast. Delays are measured, and compared elsewhere."""
    arms = [dataclasses.replace(arm, delay_s=0.0) for arm in rig.arms]
    yield from loader.flatten({"arms": loader.to_data(arms)})
    yield from (("table_m", rig.table_m), ("tool_distance_m", rig.tool_distance_m))
