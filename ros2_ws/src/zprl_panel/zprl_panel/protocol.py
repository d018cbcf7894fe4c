"""What a page may say, as JSON text, checked before anything looks at it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zprl_core.records import OUTCOMES
from zprl_web import fields
from zprl_web.access import ROLES
from zprl_web.fields import ProtocolError

LABELS = ("success", "failure")
COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear", "correct")
LARGEST_MESSAGE = 2048
"""In bytes."""
LARGEST_EPISODE = 2**31 - 1


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
    data = fields.read_object(text, LARGEST_MESSAGE)
    kind = fields.text(data, "type", 16)
    if kind not in _READERS:
        raise ProtocolError(f"message type {kind!r}, allowed: {', '.join(_READERS)}")
    return _READERS[kind](data)


def _hello(data: dict[str, Any]) -> Hello:
    return Hello(fields.identity(data, "page"), fields.yes_or_no(data, "had_seat"))


def _command(data: dict[str, Any]) -> Command:
    name = fields.choice(data, "name", LABELS + COMMANDS)
    value = fields.choice(data, "value", OUTCOMES) if name == "correct" else ""
    episode = fields.whole(data, "episode", LARGEST_EPISODE)
    return Command(fields.identity(data, "id"), fields.text(data, "run", 80), episode, name, value)


def _seat(data: dict[str, Any]) -> TakeSeat | ReleaseSeat:
    action = fields.choice(data, "action", ("take", "release"))
    return TakeSeat(fields.text(data, "over", 40)) if action == "take" else ReleaseSeat()


_READERS: dict[str, Any] = {
    "hello": _hello,
    "command": _command,
    "seat": _seat,
    "frame": lambda data: WantFrame(fields.text(data, "camera", 64)),
    "invite": lambda data: Invite(fields.choice(data, "role", ROLES)),
}
