# SPDX-License-Identifier: Apache-2.0
"""What a dataset takes from a bag: streams of stamped samples, and when which episode was running. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import RigConfig

RUNNING = "running"


@dataclass(frozen=True, eq=False)
class Stream:
    """The samples of one topic in the order of their arrival.

    Attributes:
        topic: its name.
        stamp_ns: int64 (N,), when the content was true.
        log_ns: int64 (N,), when it was recorded.
        samples: N of them: images uint8 (h, w, 3) RGB; rows of proprioception float64 (dq,); or rows of
            setpoints float64 (8,): position m, quaternion w x y z, gripper width m (NaN without a gripper),
            in the arm's base frame.
    """

    topic: str
    stamp_ns: NDArray[np.int64]
    log_ns: NDArray[np.int64]
    samples: Sequence[NDArray[Any]]

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def only(self, keep: NDArray[np.bool_]) -> Stream:
        """The samples for which `keep` (N,) is true."""
        samples = [sample for sample, kept in zip(self.samples, keep, strict=True) if kept]
        return Stream(self.topic, self.stamp_ns[keep], self.log_ns[keep], samples)


@dataclass(frozen=True)
class SessionEvent:
    """One message of /session/state.

    Attributes:
        state, episode, block, mode, outcome, author, layout: as there.
        since_ns: when the state began.
        log_ns: when the message was recorded.
    """

    state: str
    episode: int
    since_ns: int
    log_ns: int
    outcome: str = ""
    author: str = ""
    layout: str = ""
    block: str = ""
    mode: str = ""


@dataclass(frozen=True)
class RunningEpisode:
    """When an episode was running, and how it ended.

    Attributes:
        episode: its number.
        intervals: (begin, end) of each time that it was running, ns; more than one where it was paused.
        outcome, author, layout, block, mode: as the session said last; the outcome is empty where it said
            none.
    """

    episode: int
    intervals: tuple[tuple[int, int], ...]
    outcome: str = ""
    author: str = ""
    layout: str = ""
    block: str = ""
    mode: str = ""


@dataclass(frozen=True, eq=False)
class Recording:
    """One bag, as far as a dataset needs it.

    Attributes:
        path: of the bag.
        label: what its metadata says of run and episode, every value a text; see docs/bags.md.
        rig: as it was recorded, with its calibration.
        cameras: streams of images by the camera's name, around the times when an episode was running.
        proprioception: stream of vectors.
        setpoints: streams of setpoints by the arm's name.
        events: of the session, in order.
        damage: what the file lacks, for people; empty where it is whole.
        end_ns: the last arrival.
    """

    path: Path
    label: Mapping[str, str]
    rig: RigConfig
    cameras: Mapping[str, Stream]
    proprioception: Stream
    setpoints: Mapping[str, Stream]
    events: Sequence[SessionEvent]
    damage: str = ""
    end_ns: int = 0
    streams: tuple[Stream, ...] = field(init=False)

    def __post_init__(self) -> None:
        streams = (*self.cameras.values(), self.proprioception, *self.setpoints.values())
        object.__setattr__(self, "streams", streams)


def running_episodes(events: Iterable[SessionEvent], end_ns: int) -> list[RunningEpisode]:
    """The episodes that were running, in order; one that was cut off ends at `end_ns`."""
    begun: dict[int, list[list[int]]] = {}
    last: dict[int, SessionEvent] = {}
    open_episode: int | None = None
    for event in events:
        running = event.episode if event.state == RUNNING else None
        if open_episode is not None and running != open_episode:
            begun[open_episode][-1][1] = event.since_ns
        if running is not None and running != open_episode:
            begun.setdefault(running, []).append([event.since_ns, end_ns])
        open_episode = running
        last[event.episode] = event
    return [
        RunningEpisode(
            episode,
            tuple((begin, end) for begin, end in intervals),
            last[episode].outcome,
            last[episode].author,
            last[episode].layout,
            last[episode].block,
            last[episode].mode,
        )
        for episode, intervals in begun.items()
    ]
