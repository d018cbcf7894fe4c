# SPDX-License-Identifier: Apache-2.0
"""What a config key is: its range, unit, meaning, and whether the paper or we chose its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

METADATA_KEY = "zprl"
OURS = "ours"


@dataclass(frozen=True)
class Setting:
    """Metadata of one config key.

    Attributes:
        doc: one line of meaning.
        source: "paper <where>" when the paper gives the value, else "ours".
        unit: SI unit, empty where there is none.
        low, high: inclusive bounds; of every element where the value is a list of numbers.
        above: exclusive lower bound.
        key: name in YAML when Python reserves it ("lambda").
    """

    doc: str
    source: str = OURS
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    key: str = ""

    def range_text(self) -> str:
        """The allowed interval in words, empty when everything is allowed."""
        bounds = []
        if self.above is not None:
            bounds.append(f"more than {self.above:g}")
        if self.low is not None:
            bounds.append(f"at least {self.low:g}")
        if self.high is not None:
            bounds.append(f"at most {self.high:g}")
        text = " and ".join(bounds)
        return f"{text} {self.unit}".strip() if text else ""

    def contains(self, number: float) -> bool:
        """Whether a number lies in the allowed interval."""
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
        )


def setting(
    doc: str,
    *,
    default: Any = dataclasses.MISSING,
    factory: Callable[[], Any] | None = None,
    source: str = OURS,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    key: str = "",
) -> Any:
    """A dataclass field that carries a `Setting`; without `default` or `factory` the key is required."""
    metadata = {METADATA_KEY: Setting(doc, source, unit, low, high, above, key)}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def setting_of(field: dataclasses.Field[Any]) -> Setting:
    """The metadata of a dataclass field; a field without any is described by its name."""
    found = field.metadata.get(METADATA_KEY)
    return found if isinstance(found, Setting) else Setting(field.name)


def yaml_key(field: dataclasses.Field[Any]) -> str:
    """The name of a field in YAML."""
    return setting_of(field).key or field.name
