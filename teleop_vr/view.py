"""What a teleoperation page shows, as plain data. Pure; time comes in as an argument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zprl_core.config.region import RegionConfig
from zprl_core.teleop.clutch import AXES
from zprl_core.teleop.teleoperation import HandView, Teleoperation
from zprl_web.outlines import Corners, overlay
from zprl_web.session_words import possible_now, words


@dataclass(frozen=True)
class Cell:
    """What the page is told at its start and never changes.

    Attributes:
        run_id: messages of another run are not looked at.
        task, rig: names, for people.
        arms, cameras: names in the rig and in the task.
        reset: how the scene comes to its start, see the task's key.
        region: where a person lays the objects out; None where nobody does.
        corners: of that region in the pictures of each camera that knows them.
    """

    run_id: str
    task: str
    rig: str
    arms: tuple[str, ...]
    cameras: tuple[str, ...]
    reset: str = "manual"
    region: RegionConfig | None = None
    corners: Mapping[str, Corners] = field(default_factory=dict)


def view(
    cell: Cell,
    session: Any,
    teleoperation: Teleoperation,
    driver: str,
    collected: Mapping[str, Any],
    wall_s: float,
) -> dict[str, Any]:
    """Everything that changes.

    Args:
        cell: see there.
        session: `zprl_interfaces/msg/SessionState`, the newest; None before the first.
        teleoperation: what the hands do.
        driver: who has the hands, empty for nobody.
        collected: what was collected so far.
        wall_s: Unix time.
    """
    settings = teleoperation.settings
    return {
        "run": {"id": cell.run_id, "task": cell.task, "rig": cell.rig},
        "session": _session(cell, session, wall_s),
        "arms": {name: _hand(hand) for name, hand in teleoperation.view().items()},
        "driver": driver,
        "settings": {
            "scale": settings.scale,
            "yaw_deg": round(math.degrees(settings.yaw_rad), 1),
            "locked": [axis for axis in AXES if axis in settings.locked],
        },
        "collected": dict(collected),
    }


def _session(cell: Cell, message: Any, wall_s: float) -> dict[str, Any]:
    word, hint = words(message, cell.reset)
    if message is None:
        return {"state": "", "word": word, "hint": hint, "episode": None, "possible": []}
    return {
        "state": message.state,
        "word": word,
        "hint": hint,
        "episode": message.episode,
        "outcome": message.outcome,
        "layout": message.layout,
        "overlay": overlay(cell.region, cell.corners, message.state, int(message.layout_seed)),
        "possible": possible_now(message),
        "since_s": round(max(0.0, wall_s - message.since.sec - 1e-9 * message.since.nanosec), 1),
    }


def _hand(hand: HandView) -> dict[str, Any]:
    return {
        "hand": hand.hand,
        "closed": hand.closed,
        "why": hand.why,
        "width_mm": None if hand.width_m is None else round(1e3 * hand.width_m),
        "latency_ms": None if hand.latency_s is None else round(1e3 * hand.latency_s),
    }
