"""What a page may say, as JSON text, checked before anything looks at it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zprl_core.records import OUTCOMES
from zprl_web import fields, messages
from zprl_web.access import ROLES
from zprl_web.messages import Command, WantFrame

LABELS = ("success", "failure")
COMMANDS = ("start", "begin", "pause", "resume", "stop", "abort", "undo", "clear", "correct")


@dataclass(frozen=True)
class Hello(messages.Hello):
    """Which page it is, and whether it had the control seat."""

    had_seat: bool


@dataclass(frozen=True)
class TakeSeat:
    """Take control; `over` names the person from whom, empty where the seat is free."""

    over: str


@dataclass(frozen=True)
class ReleaseSeat:
    """Give control back."""


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
    return messages.read(text, _READERS)


def _hello(data: dict[str, Any]) -> Hello:
    return Hello(fields.identity(data, "page"), fields.yes_or_no(data, "had_seat"))


def _seat(data: dict[str, Any]) -> TakeSeat | ReleaseSeat:
    action = fields.choice(data, "action", ("take", "release"))
    return TakeSeat(fields.text(data, "over", 40)) if action == "take" else ReleaseSeat()


_READERS: dict[str, Callable[[dict[str, Any]], Message]] = {
    "hello": _hello,
    "command": lambda data: messages.read_command(data, LABELS + COMMANDS, OUTCOMES),
    "seat": _seat,
    "frame": messages.read_frame,
    "invite": lambda data: Invite(fields.choice(data, "role", ROLES)),
}
