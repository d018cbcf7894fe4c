# SPDX-License-Identifier: Apache-2.0
"""The definitions of message types, as rosbag2 puts them into a bag, read from installed packages."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zprl_core.errors import DataError

ENCODING = "ros2msg"
"""What an MCAP schema calls these definitions."""
_SEPARATOR = "=" * 80
_TYPE = re.compile(r"^\s*(?P<type>[A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")
_PRIMITIVES = re.compile(r"bool|byte|char|float(32|64)|u?int(8|16|32|64)|w?string")


@dataclass(frozen=True)
class Definition:
    """A message type.

    Attributes:
        type_name: such as std_msgs/msg/Header.
        text: its .msg file, then those of every type that it needs, each behind a line of 80 "=" and one
            that says "MSG: package/Name".
        hash: REP 2016's, "RIHS01_..."; empty where the package was installed without.
    """

    type_name: str
    text: str
    hash: str


def prefixes() -> tuple[Path, ...]:
    """Where packages are installed: the folders of AMENT_PREFIX_PATH, then this Python's environment."""
    named = [Path(entry) for entry in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if entry]
    return (*named, Path(sys.prefix))


def find_definition(type_name: str, folders: Sequence[Path] | None = None) -> Definition:
    """The definition of a message type.

    Args:
        type_name: such as std_msgs/msg/Header.
        folders: installation prefixes, the first that has a type counts; None: `prefixes()`.

    Raises:
        DataError: it, or a type that it needs, is installed in none of them.
    """
    folders = prefixes() if folders is None else folders
    parts = type_name.split("/")
    if len(parts) != 3 or parts[1] != "msg":
        raise DataError(f"type '{type_name}': is not of the form package/msg/Name")
    file = _file(parts[0], parts[2], folders)
    texts = [file.read_text(encoding="utf-8")]
    known = [(parts[0], parts[2])]
    for package, name in known:  # grows while it is walked
        for needed in _needed(_file(package, name, folders).read_text(encoding="utf-8"), package):
            if needed not in known:
                known.append(needed)
    for package, name in known[1:]:
        text = _file(package, name, folders).read_text(encoding="utf-8")
        texts.append(f"{_SEPARATOR}\nMSG: {package}/{name}\n{text}")
    return Definition(type_name, "\n".join(texts), _hash(file))


def _file(package: str, name: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        path = folder / "share" / package / "msg" / f"{name}.msg"
        if path.is_file():
            return path
    where = ", ".join(map(str, folders))
    raise DataError(f"type '{package}/msg/{name}': no {name}.msg in share/{package}/msg of {where}")


def _needed(text: str, package: str) -> Iterator[tuple[str, str]]:
    """(package, name) of the message types that the fields of a definition have."""
    for line in text.splitlines():
        match = _TYPE.match(line.partition("#")[0])
        if match is None or _PRIMITIVES.fullmatch(match["type"]):
            continue
        parts = match["type"].split("/")
        yield (parts[0] if len(parts) > 1 else package, parts[-1])


def _hash(file: Path) -> str:
    described = file.with_suffix(".json")
    if not described.is_file():
        return ""
    own = f"{file.parent.parent.name}/msg/{file.stem}"
    for entry in json.loads(described.read_text(encoding="utf-8"))["type_hashes"]:
        if entry["type_name"] == own:
            return str(entry["hash_string"])
    return ""
