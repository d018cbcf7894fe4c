"""What pages of both kinds say, as JSON text, checked before anything looks at it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from zprl_web import fields
from zprl_web.fields import ProtocolError

LARGEST_MESSAGE = 2048
"""In bytes."""
LARGEST_EPISODE = 2**31 - 1
Said = TypeVar("Said")


@dataclass(frozen=True)
class Hello:
    """The first message of a connection: which page it is."""

    page: str


@dataclass(frozen=True)
class Command:
    """A label or a command, for the run and the episode that the page showed.

    Attributes:
        id: names it for good; sent again it counts once.
        run, episode: that the page showed; of "correct": the episode to correct.
        name: of the label or the command.
        value: of "correct": the outcome.
    """

    id: str
    run: str
    episode: int
    name: str
    value: str = ""


@dataclass(frozen=True)
class WantFrame:
    """The page has shown the camera's last picture, and has room for one more."""

    camera: str


def read(text: str, readers: Mapping[str, Callable[[dict[str, Any]], Said]]) -> Said:
    """A page's message, by a reader for each type.

    Raises:
        ProtocolError: names the field, the value, and what is allowed.
    """
    data = fields.read_object(text, LARGEST_MESSAGE)
    kind = fields.text(data, "type", 16)
    if kind not in readers:
        raise ProtocolError(f"message type {kind!r}, allowed: {', '.join(readers)}")
    return readers[kind](data)


def read_command(data: dict[str, Any], names: tuple[str, ...], values: tuple[str, ...] = ()) -> Command:
    """A command of one of these names; `values` are what "correct" may have.

    Raises:
        ProtocolError: see `read`.
    """
    name = fields.choice(data, "name", names)
    value = fields.choice(data, "value", values) if name == "correct" else ""
    episode = fields.whole(data, "episode", LARGEST_EPISODE)
    return Command(fields.identity(data, "id"), fields.text(data, "run", 80), episode, name, value)


def read_frame(data: dict[str, Any]) -> WantFrame:
    """A credit for a picture.

    Raises:
        ProtocolError: see `read`.
    """
    return WantFrame(fields.text(data, "camera", 64))
