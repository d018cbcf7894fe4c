# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a bag that a dataset is built from, and what can be done about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from zprl_core.errors import ConfigError, DataError

REPAIRS: dict[str, str] = {
    "truncated": "what a bag that was cut off still holds is used",
    "gap": "over a gap in a stream its last sample is held, for up to 1 s",
    "paused": "the ticks of a pause are left out",
    "several": "each episode of a bag with several becomes one",
    "lead": "bags recorded with another L than the task's are used with the task's",
    "size": "pictures of another size are cut and resized as a camera node does it",
    "numbers": "samples that are not finite are left out",
}
"""Kinds of problems that --repair takes, and what it then does."""
HOPELESS: dict[str, str] = {
    "unreadable": "is no bag, or a message in it cannot be read",
    "version": "was recorded with another definition of a message than the installed one",
    "stream": "lacks a topic that the task needs",
    "clock": "its clock jumped",
    "lockstep": "was recorded in lockstep, where cameras are seen once a chunk",
    "label": "its episode has no outcome",
    "shadow": "was recorded with the motors off",
    "rig": "comes from another rig or calibration than the first bag, or from one that does not fit the task",
    "short": "has not a single whole tick",
}
"""Kinds of problems that only --skip-bad gets past."""
HOLD_S = 1.0
"""How long --repair gap holds a sample."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a bag.

    Attributes:
        kind: of REPAIRS or HOPELESS.
        text: the value that was seen, and what is allowed.
    """

    kind: str
    text: str

    def __str__(self) -> str:
        cure = f"--repair {self.kind}: {REPAIRS[self.kind]}" if self.kind in REPAIRS else "--skip-bad"
        return f"{self.kind}: {self.text} [{cure}]"


class BadBagError(DataError):
    """A bag cannot become part of a dataset.

    Attributes:
        problems: why; at least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def refuse(kind: str, text: str) -> BadBagError:
    """The error of a bag with one problem."""
    return BadBagError([Problem(kind, text)])


def check_repairs(kinds: Collection[str]) -> frozenset[str]:
    """The kinds that are to be repaired.

    Raises:
        ConfigError: one of them is none.
    """
    for kind in kinds:
        if kind not in REPAIRS:
            hint = f" ({kind} cannot be repaired, --skip-bad leaves the bag out)" if kind in HOPELESS else ""
            raise ConfigError(f"--repair {kind}: allowed: {', '.join(REPAIRS)}{hint}")
    return frozenset(kinds)


def listed(bad: Collection[tuple[Path, BadBagError]]) -> str:
    """All bad bags and their problems, a line each."""
    return "\n".join(f"  {path}: {problem}" for path, error in bad for problem in error.problems)
