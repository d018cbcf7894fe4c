"""Reads what a page says, as JSON text, field by field. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class ProtocolError(ValueError):
    """A message that no page of ours sends; says what is wrong with it."""


def read_object(text: str, largest: int) -> dict[str, Any]:
    """A message as an object.

    Args:
        text: JSON. largest: in bytes.

    Raises:
        ProtocolError: too long, not JSON, or something else than an object.
    """
    if len(text.encode(errors="replace")) > largest:
        raise ProtocolError(f"a message of {len(text)} characters, allowed: {largest} bytes")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a message that is not JSON") from error
    if not isinstance(data, dict):
        raise ProtocolError(f"a message is an object, not {type(data).__name__}")
    return data


def text(data: dict[str, Any], key: str, longest: int) -> str:
    """A printable text of up to so many characters."""
    value = data.get(key)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ProtocolError(f"{key}: {value!r:.60}, allowed: a text of up to {longest} printable characters")
    return value


def identity(data: dict[str, Any], key: str) -> str:
    """A random UUID."""
    value = text(data, key, 36)
    if not _ID.fullmatch(value):
        raise ProtocolError(f"{key}: {value!r}, allowed: a random UUID in lower case")
    return value


def choice(data: dict[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    """One of some words."""
    value = text(data, key, 32)
    if value not in allowed:
        raise ProtocolError(f"{key}: {value!r}, allowed: {', '.join(allowed)}")
    return value


def yes_or_no(data: dict[str, Any], key: str) -> bool:
    """A truth value."""
    value = data.get(key)
    if not isinstance(value, bool):
        raise ProtocolError(f"{key}: {value!r:.60}, allowed: true, false")
    return value


def whole(data: dict[str, Any], key: str, largest: int) -> int:
    """A whole number from 0."""
    value = data.get(key)
    if type(value) is not int or not 0 <= value <= largest:
        raise ProtocolError(f"{key}: {value!r:.60}, allowed: a whole number from 0 to {largest}")
    return value


def number(data: dict[str, Any], key: str, low: float, high: float) -> float:
    """A finite number within bounds."""
    value: Any = data.get(key)
    if type(value) not in (int, float) or not low <= value <= high:
        raise ProtocolError(f"{key}: {value!r:.60}, allowed: a number from {low:g} to {high:g}")
    return float(value)


def numbers(data: dict[str, Any], key: str, count: int, most: float) -> tuple[float, ...]:
    """So many finite numbers, each of at most this size."""
    value: Any = data.get(key)
    good = isinstance(value, list) and len(value) == count
    if not good or not all(type(x) in (int, float) and abs(x) <= most for x in value):
        raise ProtocolError(f"{key}: {value!r:.80}, allowed: {count} numbers of up to {most:g}")
    return tuple(map(float, value))
