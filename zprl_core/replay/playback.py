# SPDX-License-Identifier: Apache-2.0
"""When what of a bag is played. Pure: the clock is an argument.

Samples are sent in the order of their arrival, at their own pace or as fast as they are taken. Before a chunk
is asked for, everything that its snapshot may use was sent; the next one is asked for when the plan of the
one before has come, so that nothing is dropped however slow the policy is. Playing then stands still.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zprl_core.data.recording import Recording
from zprl_core.observation import PROPRIOCEPTION
from zprl_core.replay.episodes import Moment, ReplayEpisode
from zprl_core.snapshot import SnapshotPolicy


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample of a stream.

    Attributes:
        at_ns: when it arrived. stream: camera, or PROPRIOCEPTION. stamp_ns: when it was true.
        data: as recorded.
    """

    at_ns: int
    stream: str
    stamp_ns: int
    data: Any


@dataclass(frozen=True, eq=False)
class Ask:
    """A chunk to be planned.

    Attributes:
        at_ns: when. episode, moment: which.
        begins: whether the policy has to begin anew, as the chunk does not follow the one asked for before.
        newest_ns: stamps that its snapshot needs, of each camera and of proprioception.
    """

    at_ns: int
    episode: ReplayEpisode
    moment: Moment
    begins: bool
    newest_ns: tuple[int, ...]


Event = Sample | Ask


LOOK_BACK_NS = 1_000_000_000
"""Samples this long before a place that is sought are sent as well, as its snapshot looks back."""


def events(recording: Recording, episodes: Sequence[ReplayEpisode], policy: SnapshotPolicy) -> list[Event]:
    """Everything to be played of a bag, in order.

    Args:
        recording: its samples. episodes: its chunks. policy: filled with all samples.
    """
    samples = [
        Sample(int(at), name, int(stamp), data)
        for name, stream in (*recording.cameras.items(), (PROPRIOCEPTION, recording.proprioception))
        for at, stamp, data in zip(stream.log_ns, stream.stamp_ns, stream.samples, strict=True)
    ]
    samples.sort(key=lambda sample: sample.at_ns)
    arrived = {(sample.stream, sample.stamp_ns): sample.at_ns for sample in samples}
    asks = [ask for episode in episodes for ask in _asks(episode, policy, arrived)]
    # A chunk is asked for after the samples that arrived with it.
    return sorted([*samples, *asks], key=lambda event: (event.at_ns, isinstance(event, Ask)))


def _asks(
    episode: ReplayEpisode, policy: SnapshotPolicy, arrived: dict[tuple[str, int], int]
) -> Iterator[Ask]:
    expected, last_ns = -1, 0
    for moment in episode.moments:
        newest = policy.newest(moment.observed_ns)
        needed = max(arrived[stream, stamp] for stream, stamp in newest.items())
        last_ns = max(last_ns, needed)  # in simulated time, stamps say nothing of when
        yield Ask(last_ns, episode, moment, moment.chunk != expected, tuple(newest.values()))
        expected = moment.chunk + 1


class Playback:
    """Where playing is in a bag.

    Args:
        queue: of `events`.
        rate: times the recorded pace; None: as fast as possible.
        now_ns: of a steady clock.
    """

    def __init__(self, queue: Sequence[Event], rate: float | None, now_ns: int) -> None:
        self._all = self._queue = list(queue)
        self._rate = rate
        self._next = 0
        self._asked: Ask | None = None
        self._paused = False
        self._anchor(now_ns, queue[0].at_ns if queue else 0)

    @property
    def over(self) -> bool:
        """Whether everything was played, and every plan has come."""
        return self._next >= len(self._queue) and self._asked is None

    @property
    def length_s(self) -> float:
        """From the first to the last event, s."""
        return (self._all[-1].at_ns - self._all[0].at_ns) * 1e-9 if self._all else 0.0

    @property
    def asked(self) -> Ask | None:
        """The chunk whose plan is waited for."""
        return self._asked

    def position_ns(self, now_ns: int) -> int:
        """The time of arrival that is being played."""
        if self._rate is None or self._paused:
            return self._bag_ns
        return self._bag_ns + round((now_ns - self._wall_ns) * self._rate)

    def due(self, now_ns: int) -> Event | None:
        """The next event, once its time has come; its caller sends it."""
        if self._paused or self._next >= len(self._queue):
            return None
        event = self._queue[self._next]
        if isinstance(event, Ask) and self._asked is not None:
            return None
        if self._rate is not None and event.at_ns > self.position_ns(now_ns):
            return None
        self._next += 1
        if self._rate is None:
            self._bag_ns = event.at_ns
        if isinstance(event, Ask):
            self._asked = event
        return event

    def planned(self, episode: int, chunk: int, now_ns: int) -> Ask | None:
        """A plan has come; the chunk that was asked for, if it is this one."""
        asked = self._asked
        if asked is None or (asked.episode.running.episode, asked.moment.chunk) != (episode, chunk):
            return None
        self._asked = None
        late = self._next < len(self._queue) and self._queue[self._next].at_ns < self.position_ns(now_ns)
        if late and isinstance(self._queue[self._next], Ask):
            self._anchor(now_ns, self._queue[self._next].at_ns)
        return asked

    def pause(self, now_ns: int) -> None:
        """Stand still."""
        if not self._paused:
            self._bag_ns = self.position_ns(now_ns)
            self._paused = True

    def resume(self, now_ns: int) -> None:
        """Go on."""
        if self._paused:
            self._paused = False
            self._anchor(now_ns, self._bag_ns)

    def seek(self, after_s: float, now_ns: int) -> None:
        """Go on from this long after the bag's first sample, back or ahead. The policy has to forget all
        samples before; the next chunk begins anew. A plan that is on its way is not waited for.
        """
        if not self._all:
            return
        at_ns = self._all[0].at_ns + round(after_s * 1e9)
        asks = [each for each in self._all if isinstance(each, Ask) and each.at_ns >= at_ns]
        first = asks[0] if asks else None
        self._queue = [
            replace(each, begins=True) if each is first else each
            for each in self._all
            if (isinstance(each, Sample) and each.at_ns >= at_ns - LOOK_BACK_NS) or each.at_ns >= at_ns
        ]
        self._next, self._asked = 0, None
        self._anchor(now_ns, at_ns)

    def _anchor(self, now_ns: int, bag_ns: int) -> None:
        self._wall_ns, self._bag_ns = now_ns, bag_ns
