# SPDX-License-Identifier: Apache-2.0
"""Numbers of an episode that show at once where it is unlike the others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec
from zprl_core.data.episode import Episode, Header

OUTLIER = 4.0
"""Robust standard deviations from the median at which an episode stands out."""
_NORMAL = 1.4826
"""Standard deviations of a normal distribution per median absolute deviation."""
_FLOORS = {"s": 0.03, "m": 0.003, "m/s": 0.02}
"""Spreads by unit below which equal episodes would make an outlier of next to nothing."""


@dataclass(frozen=True)
class Outlier:
    """An episode that stands out.

    Attributes:
        episode: its number.
        score: robust standard deviations from the median.
        feature: in which number, with its unit.
        value, median: of it.
    """

    episode: int
    score: float
    feature: str
    value: float
    median: float

    def __str__(self) -> str:
        return f"{self.feature}: {self.value:.3g}, median {self.median:.3g}"


def positions(header: Header, action: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The tool's way of each arm, (T, 3) m in its base frame; none where actions are no poses."""
    codec = header.action
    if codec is None or codec.rotation == "none":
        return []
    return [action[:, arm * codec.arm_dim :][:, :3] for arm in range(codec.arms)]


def features(header: Header, episode: Episode) -> dict[str, float]:
    """What is compared between episodes: name with unit -> value."""
    found = {"duration, s": len(episode) / header.rate_hz}
    for arm, way in enumerate(positions(header, episode.action)):
        steps = np.linalg.norm(np.diff(way, axis=0), axis=1) if len(way) > 1 else np.zeros(1)
        of = f" of arm {arm}" if header.action is not None and header.action.arms > 1 else ""
        found[f"way of the tool{of}, m"] = float(steps.sum())
        found[f"top speed of the tool{of}, m/s"] = float(steps.max()) * header.rate_hz
        for end, at in (("begins", 0), ("ends", -1)):
            found |= {
                f"{axis} where it {end}{of}, m": float(v) for axis, v in zip("xyz", way[at], strict=True)
            }
    found |= {f"longest gap of {name}, s": gap for name, gap in episode.info.gaps_s.items()}
    return found


def outliers(found: Sequence[dict[str, float]]) -> list[Outlier]:
    """Episodes that stand out, the furthest first, each by the number in which it does most.

    Args:
        found: features of each episode.
    """
    worst: dict[int, Outlier] = {}
    for name in sorted({name for each in found for name in each}):
        having = [(number, each[name]) for number, each in enumerate(found) if name in each]
        values = np.array([value for _, value in having])
        median = float(np.median(values))
        spread = _NORMAL * float(np.median(np.abs(values - median)))
        spread = max(spread, _FLOORS[name.rpartition(", ")[2]])
        for number, value in having:
            score = abs(value - median) / spread
            if score > OUTLIER and (number not in worst or score > worst[number].score):
                worst[number] = Outlier(number, score, name, value, median)
    return sorted(worst.values(), key=lambda each: (-each.score, each.episode))


def dimension_names(codec: ActionCodec | None, dim: int) -> list[str]:
    """Names of an action's numbers with their units, arm after arm."""
    if codec is None or codec.rotation == "none":
        return [f"action {n}" for n in range(dim)]
    turns = {"rotvec": ["rx, rad", "ry, rad", "rz, rad"], "quat": ["qw", "qx", "qy", "qz"]}
    rotation = turns.get(codec.rotation, [f"r{row}{column}" for column in "12" for row in "123"])
    own = ["x, m", "y, m", "z, m", *rotation, *(["width, m"] if codec.gripper else [])]
    return [f"arm {arm} {name}" if codec.arms > 1 else name for arm in range(codec.arms) for name in own]


def all_features(header: Header, episodes: Iterable[Episode]) -> list[dict[str, float]]:
    """`features` of each episode."""
    return [features(header, episode) for episode in episodes]
