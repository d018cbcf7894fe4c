# SPDX-License-Identifier: Apache-2.0
"""A dataset of another library, as `importing` reads it: keys and episodes, in the source's own names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.episode import UNKNOWN, EpisodeInfo
from zprl_core.data.formats.choices import RotationForm
from zprl_core.data.formats.own import OwnHeader


@dataclass(frozen=True, eq=False)
class SourceEpisode:
    """One episode of T ticks.

    Attributes:
        name: in the source, such as "demo_3".
        images: {key: (T, h, w, 3)}, as stored.
        vectors: {key: (T, d)}, as stored.
        stamp_ns: int64 (T,), or None where the source has no clock.
        rewards, dones: (T,), or None where the source has none.
        outcome: success, failure, or unknown.
        splits: names of parts of the dataset that it belongs to.
        info: what we knew of it when it was exported; None: not ours.
        facts: what only this source knows.
    """

    name: str
    images: Mapping[str, NDArray[Any]]
    vectors: Mapping[str, NDArray[Any]]
    stamp_ns: NDArray[np.int64] | None = None
    rewards: NDArray[Any] | None = None
    dones: NDArray[Any] | None = None
    outcome: str = UNKNOWN
    splits: tuple[str, ...] = ()
    info: EpisodeInfo | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Which keys are which where the user does not say; None: has to be said.

    Attributes:
        cameras: {the task's camera: key}; those that are not found are missing.
        proprio: keys that make q, in this order.
        action: keys that make the action, in this order.
        rotation: how the action is written.
    """

    cameras: Mapping[str, str]
    proprio: tuple[str, ...] | None
    action: tuple[str, ...] | None
    rotation: RotationForm | None


class Source(Protocol):
    """A dataset of another library, opened for reading."""

    @property
    def path(self) -> Path:
        """Of the file or folder."""
        ...

    @property
    def rate_hz(self) -> float | None:
        """Ticks per second; None: it does not say."""
        ...

    @property
    def own(self) -> OwnHeader | None:
        """What this library wrote into it; None: it is another's."""
        ...

    def __len__(self) -> int:
        """Episodes."""
        ...

    def available(self) -> list[str]:
        """What can be asked of an episode."""
        ...

    def defaults(self, task: TaskConfig) -> Defaults:
        """Which keys are which, by the names that this format's datasets usually have."""
        ...

    def check_actions(self, action: Sequence[str]) -> None:
        """Refuse actions that are not absolute.

        Raises:
            DataError: says what to do.
        """
        ...

    def episodes(self, images: Sequence[str], vectors: Sequence[str]) -> Iterator[SourceEpisode]:
        """Episodes in order, with what these keys hold; one at a time is in memory.

        Raises:
            DataError: a key is missing, or what it holds is damaged; names file, episode and key.
        """
        ...
