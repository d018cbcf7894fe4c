"""What a teleoperation page may say, as JSON text, checked before anything looks at it. Pure.

Poses are in the page's reference space (WebXR "local-floor": x right, y up, z towards the wearer), m and unit
quaternions; the wire has WebXR's order x, y, z, w.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zprl_core.teleop.clutch import AXES, ClutchSettings
from zprl_core.teleop.teleoperation import HANDS, Hand
from zprl_core.transforms import Pose
from zprl_web import fields, messages
from zprl_web.fields import ProtocolError
from zprl_web.messages import Command, Hello, WantFrame

COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear", "success", "failure")
FARTHEST_M, LATEST_MS = 50.0, 1e13
SCALES = (0.1, 3.0)
_NORM = (0.9, 1.1)


@dataclass(frozen=True)
class Hands:
    """Where the hands are.

    Attributes:
        at_ms: when, by the page's clock.
        hands: left and right, those that there are.
    """

    at_ms: float
    hands: Mapping[str, Hand]


@dataclass(frozen=True)
class LetGo:
    """The page cannot follow the hands any more, and says why."""

    why: str


@dataclass(frozen=True)
class Settings:
    """How the hands move the arms; `hand` moves the only arm of a rig."""

    clutch: ClutchSettings
    hand: str


@dataclass(frozen=True)
class TakeHands:
    """Take the hands, from whoever has them."""


Message = Hello | Hands | LetGo | Settings | Command | TakeHands | WantFrame


def parse(text: str) -> Message:
    """A page's message.

    Raises:
        ProtocolError: names the field, the value, and what is allowed.
    """
    return messages.read(text, _READERS)


def _hands(data: dict[str, Any]) -> Hands:
    hands = data.get("hands")
    if not isinstance(hands, dict) or not set(hands) <= set(HANDS):
        raise ProtocolError(f"hands: {hands!r:.60}, allowed: an object with {' and '.join(HANDS)}")
    return Hands(
        fields.number(data, "at", 0.0, LATEST_MS), {name: _hand(value) for name, value in hands.items()}
    )


def _hand(data: Any) -> Hand:
    if not isinstance(data, dict):
        raise ProtocolError(f"a hand is an object, not {type(data).__name__}")
    position = fields.numbers(data, "p", 3, FARTHEST_M)
    x, y, z, w = fields.numbers(data, "q", 4, 2.0)
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    if not _NORM[0] <= norm <= _NORM[1]:
        raise ProtocolError(f"q: norm {norm:.3f}, allowed: a unit quaternion x, y, z, w")
    return Hand(
        Pose(np.array(position), np.array([w, x, y, z]) / norm),
        fields.number(data, "grip", 0.0, 1.0),
        fields.number(data, "trigger", 0.0, 1.0),
        fields.yes_or_no(data, "tracked"),
    )


def _settings(data: dict[str, Any]) -> Settings:
    locked = data.get("locked")
    if not isinstance(locked, list) or not all(isinstance(x, str) and x in AXES for x in locked):
        raise ProtocolError(f"locked: {locked!r:.60}, allowed: a list of {', '.join(AXES)}")
    clutch = ClutchSettings(
        scale=fields.number(data, "scale", *SCALES),
        yaw_rad=math.radians(fields.number(data, "yaw_deg", -360.0, 360.0)),
        locked=frozenset(locked),
    )
    return Settings(clutch, fields.choice(data, "hand", HANDS))


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "hello": lambda data: Hello(fields.identity(data, "page")),
    "hands": _hands,
    "let_go": lambda data: LetGo(fields.text(data, "why", 80)),
    "settings": _settings,
    "command": lambda data: messages.read_command(data, COMMANDS),
    "take": lambda data: TakeHands(),
    "frame": messages.read_frame,
}
