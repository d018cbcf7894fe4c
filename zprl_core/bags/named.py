# SPDX-License-Identifier: Apache-2.0
"""Bags as users name them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zprl_core.bags.labels import SUPERSEDED


def bags_named(named: Iterable[Path]) -> list[Path]:
    """The bags that were named, or in a folder that was named; each once, and superseded ones not."""
    found: dict[Path, None] = {}
    for path in named:
        if path.name == SUPERSEDED:  # RUN/bags/* names it too
            continue
        inside: list[Path] = []
        if path.is_dir() and not _is_bag(path):
            folders = [each for each in sorted(path.iterdir()) if each.is_dir() and each.name[0] != "."]
            inside = [each for each in folders if _is_bag(each)]
        for bag in inside or [path]:
            found[bag] = None
    return list(found)


def _is_bag(folder: Path) -> bool:
    return any(folder.glob("*.mcap")) or any(folder.glob("*.db3")) or any(folder.glob("*.db3.zstd"))
