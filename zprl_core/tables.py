# SPDX-License-Identifier: Apache-2.0
"""Rows as CSV and as Markdown, and numbers for JSON."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def or_none(value: float) -> float | None:
    """For JSON, which has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def flat(row: Any, prefix: str = "") -> dict[str, Any]:
    """A dataclass as one mapping: nested ones by "outer.inner", sequences by "name_0", NaN and None empty."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value, name = getattr(row, field.name), prefix + field.name
        if dataclasses.is_dataclass(value):
            found |= flat(value, f"{name}.")
        elif isinstance(value, tuple):
            found |= {f"{name}_{index}": each for index, each in enumerate(value)}
        else:
            found[name] = "" if value is None or (isinstance(value, float) and math.isnan(value)) else value
    return found


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows with the union of their columns, in the order in which these first appear."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a | inside a cell is escaped, and a line's end is a space."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.splitlines()).replace("|", "\\|")
