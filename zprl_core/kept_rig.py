# SPDX-License-Identifier: Apache-2.0
"""Whether the arms that a run moves, by the rig that it keeps, are those of the rig's file today."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zprl_core.config import RigConfig, load_rig, loader
from zprl_core.errors import ConfigError

NAMED = 4
"""Differences that are told; the others are counted."""


def rig_of_today(given: str | None, kept: RigConfig) -> RigConfig:
    """The rig that a run is resumed on: as given, or found by the name of the one that it keeps."""
    if given is not None:
        return load_rig(given)
    try:
        return load_rig(kept.name)
    except ConfigError:  # its file lies elsewhere
        return kept


def require_same_arms(path: Path, kept: RigConfig, present: RigConfig) -> None:
    """A real cell's arms move by the limits that its file has today, or not at all.

    Args:
        path: of the kept rig. kept, present: see `rig_of_today`.

    Raises:
        ConfigError: names what differs.
    """
    if kept.simulated:
        return
    before, today = dict(_of_its_arms(kept)), dict(_of_its_arms(present))
    differ = [key for key in {**before, **today} if before.get(key) != today.get(key)]
    if not differ:
        return
    said = ", ".join(f"{key} {before.get(key)} (today {today.get(key)})" for key in differ[:NAMED])
    more = f" and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
    raise ConfigError(
        f"{path}, by which the run moves its arms, is not what rig '{present.name}' says today: "
        f"{said}{more}. Write there what shall hold, or bring the rig's file back"
    )


def _of_its_arms(rig: RigConfig) -> Iterator[tuple[str, Any]]:
    """Which arms move, and how far and fast. Delays are measured, and compared elsewhere."""
    arms = [dataclasses.replace(arm, delay_s=0.0) for arm in rig.arms]
    yield from loader.flatten({"arms": loader.to_data(arms)})
    yield from (("table_m", rig.table_m), ("tool_distance_m", rig.tool_distance_m))
