"""What a page may say, as JSON text, checked before anything looks at it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from zprl_core.records import OUTCOMES
from zprl_panel.access import ROLES

LABELS = ("success", "failure")
COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear", "correct")
LARGEST_MESSAGE = 2048
"""In bytes."""
LARGEST_EPISODE = 2**31 - 1
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ProtocolError(ValueError):
    """A message that no page of ours sends; says what is wrong with it."""


@dataclass(frozen=True)
class Hello:
    """The first message of a connection: which page it is, and whether it had the control seat."""

    page: str
    had_seat: bool


@dataclass(frozen=True)
class Command:
    """A label or a command, for the run and the episode that the page showed.

    Attributes:
        id: names it for good; sent again it counts once.
        run: the run that the page showed.
        episode: the episode that the page showed; of "correct": the one to correct.
        name: one of LABELS and COMMANDS.
        value: of "correct": the outcome.
    """

    id: str
    run: str
    episode: int
    name: str
    value: str = ""


@dataclass(frozen=True)
class TakeSeat:
    """Take control; `over` names the person from whom, empty where the seat is free."""

    over: str


@dataclass(frozen=True)
class ReleaseSeat:
    """Give control back."""


@dataclass(frozen=True)
class WantFrame:
    """The page has shown the camera's last picture, and has room for one more."""

    camera: str


@dataclass(frozen=True)
class Invite:
    """A one-time link for somebody else."""

    role: str


Message = Hello | Command | TakeSeat | ReleaseSeat | WantFrame | Invite


def parse(text: str) -> Message:
    """A page's message.

    Raises:
        ProtocolError: names the field, the value, and what is allowed.
    """
    if len(text.encode(errors="replace")) > LARGEST_MESSAGE:
        raise ProtocolError(f"a message of {len(text)} characters, allowed: {LARGEST_MESSAGE} bytes")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a message that is not JSON") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"a message is an object, not {type(data).__name__}")
    kind = _text(data, "type", 16)
    if kind not in _READERS:
        raise ProtocolError(f"message type {kind!r}, allowed: {', '.join(_READERS)}")
    return _READERS[kind](data)


def _text(data: dict[str, Any], key: str, longest: int) -> str:
    value = data.get(key)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ProtocolError(f"{key}: {value!r:.60}, allowed: a text of up to {longest} printable characters")
    return value


def _identity(data: dict[str, Any], key: str) -> str:
    value = _text(data, key, 36)
    if not _ID.fullmatch(value):
        raise ProtocolError(f"{key}: {value!r}, allowed: a random UUID in lower case")
    return value


def _choice(data: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = _text(data, key, 32)
    if value not in allowed:
        raise ProtocolError(f"{key}: {value!r}, allowed: {', '.join(allowed)}")
    return value


def _hello(data: dict[str, Any]) -> Hello:
    had = data.get("had_seat")
    if not isinstance(had, bool):
        raise ProtocolError(f"had_seat: {had!r:.60}, allowed: true, false")
    return Hello(_identity(data, "page"), had)


def _command(data: dict[str, Any]) -> Command:
    episode = data.get("episode")
    if type(episode) is not int or not 0 <= episode <= LARGEST_EPISODE:
        raise ProtocolError(f"episode: {episode!r:.60}, allowed: a whole number from 0 to {LARGEST_EPISODE}")
    name = _choice(data, "name", LABELS + COMMANDS)
    value = _choice(data, "value", OUTCOMES) if name == "correct" else ""
    return Command(_identity(data, "id"), _text(data, "run", 80), episode, name, value)


def _seat(data: dict[str, Any]) -> TakeSeat | ReleaseSeat:
    action = _choice(data, "action", ("take", "release"))
    return TakeSeat(_text(data, "over", 40)) if action == "take" else ReleaseSeat()


_READERS: dict[str, Any] = {
    "hello": _hello,
    "command": _command,
    "seat": _seat,
    "frame": lambda data: WantFrame(_text(data, "camera", 64)),
    "invite": lambda data: Invite(_choice(data, "role", ROLES)),
}
