# SPDX-License-Identifier: Apache-2.0
"""Trials of two policies on the same layouts, brought together. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zprl_core.errors import DataError
from zprl_core.records import EpisodeRecord
from zprl_core.stats import Pairs

Key = tuple[str, int]
"""A robustness case, empty for none, and what drew the layout."""


def pair(a: Iterable[EpisodeRecord], b: Iterable[EpisodeRecord]) -> Pairs:
    """The layouts that both had, by who succeeded there; other layouts are left out.

    The lists may be of one evaluation or of two that were made with one seed (of three checkpoints, say).
    Episodes that do not count are left out.

    Args:
        a, b: episodes, each of one policy.

    Raises:
        DataError: one list has a layout twice in the same case; names the episodes.
    """
    first, second = _by_layout(a), _by_layout(b)
    seen = [(first[key], second[key]) for key in first.keys() & second.keys()]
    return Pairs(
        both=seen.count((True, True)),
        only_a=seen.count((True, False)),
        only_b=seen.count((False, True)),
        neither=seen.count((False, False)),
    )


def _by_layout(records: Iterable[EpisodeRecord]) -> dict[Key, bool]:
    found: dict[Key, EpisodeRecord] = {}
    for record in records:
        if not record.counts:
            continue
        key = (record.case, record.layout_seed)
        if key in found:
            raise DataError(
                f"episodes {found[key].episode} and {record.episode} have one layout, {record.layout_seed}; "
                "pair the episodes of one policy, from one evaluation, with those of another"
            )
        found[key] = record
    return {key: record.success for key, record in found.items()}
