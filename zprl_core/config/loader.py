# SPDX-License-Identifier: Apache-2.0
"""Plain data to frozen dataclasses and back, with errors that name file, key, value and what is allowed."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union

from zprl_core.config.fields import Setting, setting_of, yaml_key
from zprl_core.errors import ConfigError

T = TypeVar("T")
Origin = Callable[[str], str]  # dotted key -> the file that set it


def did_you_mean(name: object, known: Sequence[object], label: str = "Known") -> str:
    """The end of an error about a name: the closest known one, if any is close, and all of them."""
    texts = [str(item) for item in known]
    close = difflib.get_close_matches(str(name), texts, n=1, cutoff=0.6)
    guess = f"; did you mean '{close[0]}'?" if close else "."
    return f"{guess} {label}: {', '.join(texts) or 'none'}"


@dataclass(frozen=True)
class Place:
    """Where in which file a value stands; raises the errors about it."""

    origin: Origin
    key: str = ""

    def child(self, name: str | int) -> Place:
        """The place of a key or a list element inside this one."""
        text = f"[{name}]" if isinstance(name, int) else f".{name}" if self.key else name
        return Place(self.origin, self.key + text)

    def error(self, problem: str) -> ConfigError:
        """An error about this place."""
        return ConfigError(f"{self.origin(self.key)}: {self.key or 'the file'}: {problem}")


def from_data(cls: type[T], data: object, place: Place) -> T:
    """Build a config dataclass from a mapping.

    Raises:
        ConfigError: unknown or missing key, wrong type, value out of range, or a failed cross check
            (a dataclass's `check()` returns (key, problem) pairs).
    """
    if not isinstance(data, Mapping):
        raise place.error(f"{_shown(data)} is not a mapping of keys to values, known here: {_keys_of(cls)}")
    fields = {yaml_key(f): f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for name in data:
        if name not in fields and name not in getattr(cls, "RETIRED", ()):
            raise place.child(str(name)).error(f"unknown key{did_you_mean(name, list(fields), 'Known here')}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        where = place.child(name)
        if name in data:
            values[field.name] = _convert(hints[field.name], data[name], where, setting_of(field))
        elif _is_required(field):
            raise where.error(f"missing; it is required: {setting_of(field).doc}")
    built = cls(**values)
    problems: list[tuple[str, str]] = built.check() if hasattr(built, "check") else []
    for name, problem in problems:
        raise (place.child(name) if name else place).error(problem)
    return built


def _keys_of(cls: type[Any]) -> str:
    """The keys of a config dataclass, and whether they must be there."""
    fields = dataclasses.fields(cls)
    return ", ".join(f"{yaml_key(f)}{' (required)' if _is_required(f) else ''}" for f in fields)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _shown(value: object) -> str:
    return "null" if value is None else repr(value)


def _convert(hint: Any, value: object, place: Place, meta: Setting) -> Any:
    """One value, converted to its annotated type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, place, meta)
    if dataclasses.is_dataclass(hint):
        return from_data(typing.cast("type[Any]", hint), value, place)
    if origin is Literal:
        return _convert_choice(args, value, place)
    if origin is tuple:
        return _convert_tuple(args, value, place, meta)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise place.error(f"{value!r} is not a mapping of keys to values")
        return dict(value)
    return _convert_scalar(hint, value, place, meta)


def _convert_choice(choices: tuple[Any, ...], value: object, place: Place) -> Any:
    if value not in choices or isinstance(value, bool):
        raise place.error(f"{value!r} is not allowed{did_you_mean(value, choices, 'Allowed')}")
    return value


def _convert_tuple(args: tuple[Any, ...], value: object, place: Place, meta: Setting) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise place.error(f"{value!r} is not a list")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(args[0], item, place.child(i), meta) for i, item in enumerate(value))
    if len(value) != len(args):
        raise place.error(f"{list(value)!r} has {len(value)} elements, allowed: {len(args)}")
    return tuple(
        _convert(a, item, place.child(i), meta) for i, (a, item) in enumerate(zip(args, value, strict=True))
    )


def _convert_scalar(hint: Any, value: object, place: Place, meta: Setting) -> Any:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if hint is bool or hint is str:
        fits = isinstance(value, hint)
    elif hint is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    elif hint is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        raise TypeError(f"no rule for config type {hint!r} at {place.key}")
    if not fits:
        raise place.error(f"{value!r} is not {names[hint]}")
    if hint is bool or hint is str:
        return value
    try:
        number = hint(value)
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise place.error(f"{value!r} is not finite")
    if not meta.contains(number):
        raise place.error(f"{value!r} is out of range, allowed: {meta.range_text()}")
    return number


def to_data(config: object) -> Any:
    """Plain dicts, lists, numbers and text, with YAML's keys; `from_data` reads it back."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {yaml_key(f): to_data(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, (tuple, list)):
        return [to_data(item) for item in config]
    if isinstance(config, dict):
        return {key: to_data(item) for key, item in config.items()}
    return config


def flatten(data: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of plain data, in order."""
    if isinstance(data, dict):
        for name, item in data.items():
            yield from flatten(item, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(data, list) and any(isinstance(item, dict) for item in data):
        for index, item in enumerate(data):
            yield from flatten(item, f"{prefix}[{index}]")
    else:
        yield prefix, data


def select(data: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The subtrees at dotted keys; all of it when no key is given."""
    if not keys:
        return dict(data)
    chosen: dict[str, Any] = {}
    for key in keys:
        node: Any = data
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise ConfigError(f"no config key '{key}' to select")
            node = node[part]
        chosen[key] = node
    return chosen


def fingerprint(data: Mapping[str, Any], keys: Sequence[str] = ()) -> str:
    """Sixteen hex digits that identify the values at the given dotted keys (all when none is given)."""
    text = json.dumps(select(data, keys), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def differences(mine: Mapping[str, Any], other: Mapping[str, Any], keys: Sequence[str] = ()) -> list[str]:
    """ "key: mine, other" for every leaf that differs below the given dotted keys."""
    left, right = dict(flatten(select(mine, keys))), dict(flatten(select(other, keys)))
    lines = []
    for key in sorted(left.keys() | right.keys()):
        a, b = left.get(key, "absent"), right.get(key, "absent")
        if a != b:
            lines.append(f"{key}: {a!r}, {b!r}")
    return lines
