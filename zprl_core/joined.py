# SPDX-License-Identifier: Apache-2.0
"""One account of a chunk from the accounts of all arms that executed a part of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class JoinedReports(Generic[T]):
    """Collects the arms' reports of one chunk after another.

    Args:
        arms: names of all arms, in the order in which an action has them.
    """

    def __init__(self, arms: Iterable[str]) -> None:
        self._arms = tuple(arms)
        self._reports: dict[tuple[int, int], dict[str, T]] = {}

    def add(self, arm: str, episode: int, chunk: int, report: T) -> list[T] | None:
        """Takes one arm's report; returns those of all arms, in their order, once the last one has come.

        Reports of earlier episodes that never became complete are forgotten.
        """
        self._reports = {key: found for key, found in self._reports.items() if key[0] >= episode}
        found = self._reports.setdefault((episode, chunk), {})
        found[arm] = report
        if not found.keys() >= set(self._arms):
            return None
        del self._reports[episode, chunk]
        return [found[name] for name in self._arms]
