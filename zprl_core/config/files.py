# SPDX-License-Identifier: Apache-2.0
"""Reading YAML: where the files are, what a name means, and `extends`."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from zprl_core.config.loader import Origin, did_you_mean, flatten
from zprl_core.errors import ConfigError

Kind = Literal["tasks", "rigs", "experiments"]
_MAX_EXTENDS = 8
_LARGEST = 2**63 - 1


class _Loader(yaml.SafeLoader):
    """YAML without traps: `1e-4` is a number, and a key that stands twice or a number that no computer word
    holds is an error.
    """


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)$"),
    list("-+0123456789."),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        problem = ""
        if not isinstance(key_node, yaml.ScalarNode):
            problem = "a key is a text or a number"
        elif key in seen:
            problem = f"the key '{key}' stands twice"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        seen[key] = loader.construct_object(value_node, deep=True)
    return seen


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    number: int = loader.construct_yaml_int(node)
    if not -_LARGEST <= number <= _LARGEST:
        raise yaml.constructor.ConstructorError(
            None, None, "a whole number is beyond 64 bits", node.start_mark
        )
    return number


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def config_dirs() -> tuple[Path, ...]:
    """Folders that hold `tasks/` and `rigs/`, first match wins.

    ZPRL_CONFIG_DIR, the repository's hardware_config, and the one that zprl_bringup installed.
    """
    candidates = [
        *(Path(p) for p in os.environ.get("ZPRL_CONFIG_DIR", "").split(os.pathsep) if p),
        Path(__file__).resolve().parents[2] / "hardware_config",
        *(Path(p) / "share/zprl_bringup/hardware_config" for p in _prefixes()),
    ]
    return tuple(dict.fromkeys(p for p in candidates if p.is_dir()))


def _prefixes() -> Iterator[str]:
    yield from (p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p)
    yield sys.prefix


def names(kind: Kind) -> tuple[str, ...]:
    """All names of a kind that can be loaded, sorted."""
    return tuple(sorted({p.stem for folder in config_dirs() for p in (folder / kind).glob("*.yaml")}))


def find(kind: Kind, name_or_path: str | os.PathLike[str]) -> Path:
    """The file that a name or a path means.

    Raises:
        ConfigError: there is none; lists the names that exist.
    """
    text = os.fspath(name_or_path)
    if text.endswith((".yaml", ".yml")) or os.sep in text:
        path = Path(text)
        with contextlib.suppress(RuntimeError):  # nobody of that name has a home here
            path = path.expanduser()
        if not _is_file(path):
            raise ConfigError(f"{path}: no such {kind[:-1]} file")
        return path
    for folder in config_dirs():
        path = folder / kind / f"{text}.yaml"
        if _is_file(path):
            return path
    known = names(kind)
    where = ", ".join(str(d) for d in config_dirs()) or "no config folder was found: set ZPRL_CONFIG_DIR"
    raise ConfigError(
        f"unknown {kind[:-1]} '{text}'{did_you_mean(text, known)} (from {where}). "
        "A path to a .yaml file works too"
    )


def _is_file(path: Path) -> bool:
    """Also of what cannot be a path: a NUL in it, or a name that is too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping.

    Raises:
        ConfigError: unreadable, not YAML, or not a mapping.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold keys and values, holds {type(data).__name__}")
    return data


def read_extended(kind: Kind, path: Path) -> tuple[dict[str, Any], Origin]:
    """A file merged over what it `extends`, and which file each key came from.

    Mappings merge key by key, and so do lists of things with a name where the child gives a mapping from
    their names: `arms: {left: {address: 127.0.0.2}}`. Everything else replaces.

    Raises:
        ConfigError: unreadable, not YAML, a circle, or a name that the parent's list does not have.
    """
    chain: list[tuple[Path, dict[str, Any]]] = []
    following: Path | None = path
    while following is not None:
        if len(chain) == _MAX_EXTENDS or any(following.samefile(p) for p, _ in chain):
            raise ConfigError(f"{path}: extends: goes in a circle: {', '.join(p.stem for p, _ in chain)}")
        data = read_yaml(following)
        parent = data.pop("extends", None)
        chain.append((following, data))
        following = _parent(kind, following, parent)
    merged: dict[str, Any] = {}
    setter: dict[str, Path] = {}
    for file, data in reversed(chain):
        setter.update((key, file) for key in _leaves(merged, data, file))
        merged = _merge(merged, data)
    return merged, lambda key: str(_setter(setter, key) or path)


def _parent(kind: Kind, child: Path, name: object) -> Path | None:
    if name is None:
        return None
    if not isinstance(name, str):
        raise ConfigError(f"{child}: extends: {name!r} is not the name of a {kind[:-1]}")
    beside = child.parent / f"{name}.yaml"
    if _is_file(beside):
        return beside
    try:
        return find(kind, name)
    except ConfigError as error:
        raise ConfigError(f"{child}: extends: {error}") from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
        elif _by_name(old, value):
            merged[key] = [_merge(item, _of_name(value, item["name"])) for item in old or ()]
        else:
            merged[key] = value
    return merged


def _of_name(changes: Mapping[Any, Any], name: object) -> Mapping[str, Any]:
    return next((value for key, value in changes.items() if str(key) == str(name)), {})


def _by_name(base: object, over: object) -> bool:
    """Whether a list of named mappings is changed by a mapping from their names."""
    named = isinstance(base, list) and all(isinstance(item, dict) and "name" in item for item in base)
    return named and isinstance(over, dict) and all(isinstance(item, dict) for item in over.values())


def _leaves(base: Mapping[str, Any], over: Mapping[str, Any], file: Path, prefix: str = "") -> Iterator[str]:
    """Dotted keys, as they stand after the merge, of everything that `over` sets."""
    for key, value in over.items():
        name, old = f"{prefix}.{key}" if prefix else str(key), base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            yield from _leaves(old, value, file, name)
        elif isinstance(old, list) and _by_name(old, value):
            names = [str(item["name"]) for item in old]
            for item, changes in value.items():
                if item not in names:
                    raise ConfigError(
                        f"{file}: {name}.{item}: there is none of that name{did_you_mean(str(item), names)}"
                    )
                index = names.index(item)
                yield from _leaves(old[index], changes, file, f"{name}[{index}]")
        else:
            yield from (leaf for leaf, _ in flatten(value, name))


def _setter(setter: Mapping[str, Path], key: str) -> Path | None:
    """The file that set a key, or the last one that set something below or above it."""
    if key in setter:
        return setter[key]
    below = [file for name, file in setter.items() if name.startswith((key + ".", key + "["))]
    if below:
        return below[-1]
    above = [file for name, file in setter.items() if key.startswith((name + ".", name + "["))]
    return above[-1] if above else None
