# SPDX-License-Identifier: Apache-2.0
"""One recorded episode, and what a dataset says about all of its episodes. Pure; no torch, no ROS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.actions import ActionCodec
from zprl_core.errors import DataError
from zprl_core.provenance import Provenance
from zprl_core.records import OUTCOMES

UNKNOWN = "unknown"
"""Outcome of an episode that nobody judged, such as one from a dataset without labels."""
ARRAYS: dict[str, type[np.generic]] = {"proprio": np.float32, "action": np.float32, "stamp_ns": np.int64}
"""Arrays of every episode beside its images, and their types."""


MOST_TURN_RAD = math.radians(165.0)
"""How far an action may be turned from the reference of rotations that change their sign at half a turn."""


def image_key(camera: str) -> str:
    """What the array of a camera's images is called."""
    return f"image_{camera}"


@dataclass(frozen=True, kw_only=True)
class EpisodeInfo:
    """What is known about an episode beside its arrays.

    Attributes:
        length: ticks.
        outcome: success, failure, horizon, or unknown. Void episodes are in no dataset.
        source: where it comes from: a bag, a file, the seed of a layout.
        label_author: who gave the outcome.
        layout: where the objects lay, for people.
        helped_chunks: chunks in which a person had the arm.
        repairs: what was repaired when the dataset was built, for people.
        gaps_s: for each recorded stream the longest time between two of its samples, s.
        facts: what only this source knows; anything that JSON can say.
    """

    length: int
    outcome: str = UNKNOWN
    source: str = ""
    label_author: str = ""
    layout: str = ""
    helped_chunks: int = 0
    repairs: tuple[str, ...] = ()
    gaps_s: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed = (*(each for each in OUTCOMES if each != "void"), UNKNOWN)
        if self.outcome not in allowed:
            raise DataError(
                f"episode of {self.source}: outcome is {self.outcome!r}, allowed: {', '.join(allowed)}"
            )
        if self.length < 1:
            raise DataError(f"episode of {self.source}: has {self.length} ticks, allowed: 1 or more")

    @property
    def success(self) -> bool:
        """Whether r was 1."""
        return self.outcome == "success"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with "success" for whoever reads dataset.json without this library."""
        return {**asdict(self), "repairs": list(self.repairs), "success": self.success}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EpisodeInfo:
        """The inverse of `to_dict`; keys of other versions are left out.

        Raises:
            DataError: no length, or a value that makes no sense.
        """
        known = {each.name for each in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        if not isinstance(values.get("length"), int):
            raise DataError(f"an episode's length is {values.get('length')!r}, must be a whole number")
        return cls(**{**values, "repairs": tuple(values.get("repairs", ()))})


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode's arrays, T ticks. Tick t begins at stamp_ns[t], which is when its observation was taken.

    Attributes:
        images: {camera: uint8 (T, height, width, 3), RGB}.
        proprio: float32 (T, dq): rad and m, as the task's proprioception has it.
        action: float32 (T, da): absolute setpoint at the tick's end, as the task's `ActionCodec` writes it
            (m, rad, m of gripper width; in each arm's base frame).
        stamp_ns: int64 (T,), strictly increasing, of one clock.
        info: about the episode.
    """

    images: Mapping[str, NDArray[np.uint8]]
    proprio: NDArray[np.float32]
    action: NDArray[np.float32]
    stamp_ns: NDArray[np.int64]
    info: EpisodeInfo

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by their names in a dataset: image_<camera>, proprio, action, stamp_ns."""
        images: dict[str, NDArray[Any]] = {image_key(name): frames for name, frames in self.images.items()}
        return {**images, "proprio": self.proprio, "action": self.action, "stamp_ns": self.stamp_ns}


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a dataset says about all of its episodes.

    Attributes:
        task: name of the task that it was made for.
        rate_hz: ticks per second.
        lead_steps: L, the ticks between an observation and the first action of its window.
        cameras: {name: (height, width)} in pixels, in the order of the task's views.
        proprio_dim: dq.
        action: how the numbers of an action become poses; its `dim` is da. None: an older dataset, which
            does not say.
        action_dim: da.
        provenance: the cell, its calibration and delays; None: not known.
        facts: what only its maker knows, such as a seed or the command; anything that JSON can say.
    """

    task: str
    rate_hz: float
    lead_steps: int
    cameras: Mapping[str, tuple[int, int]]
    proprio_dim: int
    action_dim: int
    action: ActionCodec | None = None
    provenance: Provenance | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action is not None and self.action.dim != self.action_dim:
            raise DataError(
                f"dataset of task {self.task}: action_dim is {self.action_dim}, its layout has "
                f"{self.action.dim} numbers"
            )
        if not (math.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise DataError(f"dataset of task {self.task}: rate_hz is {self.rate_hz}, allowed: above 0")

    def shapes(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """(dtype, shape of one tick) of each array."""
        tails: dict[str, tuple[int, ...]] = {"proprio": (self.proprio_dim,), "action": (self.action_dim,)}
        images = {image_key(name): (np.dtype(np.uint8), (*size, 3)) for name, size in self.cameras.items()}
        return images | {name: (np.dtype(kind), tails.get(name, ())) for name, kind in ARRAYS.items()}


def check_episode(header: Header, episode: Episode) -> None:
    """Hold an episode against a header.

    Raises:
        DataError: an array is missing, or has another type, shape or length; numbers that are not finite;
            stamps that do not increase. Names the episode's source, the array and the tick.
    """
    source, arrays = f"episode of {episode.info.source}", episode.arrays()
    expected = header.shapes()
    if set(arrays) != set(expected):
        raise DataError(f"{source}: has {', '.join(sorted(arrays))}, must have {', '.join(sorted(expected))}")
    for name, (dtype, tail) in expected.items():
        check_array(source, name, arrays[name], dtype, (episode.info.length, *tail))
    check_stamps(source, episode.stamp_ns)
    check_turns(source, header.action, episode.action)


def check_array(
    source: str, name: str, array: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    """Refuse another type or shape, and numbers that are not finite.

    Raises:
        DataError: names `source`, the array and the first bad tick.
    """
    if array.dtype != dtype or array.shape != shape:
        raise DataError(f"{source}: '{name}' is {array.dtype} {array.shape}, must be {dtype} {shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        tick = int(np.argmin(np.isfinite(array).reshape(len(array), -1).all(axis=1)))
        raise DataError(f"{source}: '{name}' is not finite at tick {tick}; leave the episode out")


def check_turns(source: str, codec: ActionCodec | None, action: NDArray[np.float32]) -> None:
    """Refuse actions (T, da) that come near the place where their rotations change sign: of two ways of
    saying nearly the same orientation, a policy that learns both says neither.

    Raises:
        DataError: names `source`, the tick, the arm, its angle and a better reference.
    """
    if codec is None or not (turns := codec.turns(action)).size or turns.max() <= MOST_TURN_RAD:
        return
    tick, arm = (int(i) for i in np.unravel_index(turns.argmax(), turns.shape))
    middle = ", ".join(f"{value:.3f}" for value in codec.middle(action, arm).round(3) + 0.0)
    which = f"arm {arm} is " if codec.arms > 1 else ""
    raise DataError(
        f"{source}: tick {tick}: {which}turned by {math.degrees(turns[tick, arm]):.0f} degrees from "
        f"action.reference_quat_wxyz; {codec.rotation} changes its sign at 180, allowed: "
        f"{math.degrees(MOST_TURN_RAD):.0f}. In the task, set that reference to the middle of what the arm "
        f"does, here [{middle}], or action.rotation: rot6d"
    )


def check_stamps(source: str, stamp_ns: NDArray[np.int64]) -> None:
    """Refuse stamps (T,) that do not increase.

    Raises:
        DataError: names `source` and the first bad tick.
    """
    if np.any(np.diff(stamp_ns) <= 0):
        tick = int(np.argmax(np.diff(stamp_ns) <= 0)) + 1
        raise DataError(f"{source}: stamp_ns does not increase at tick {tick}")
