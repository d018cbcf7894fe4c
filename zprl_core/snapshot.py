"""What the policy sees at time t, chosen by the stamps of the samples and never by when they came.

A snapshot at t takes, for each image stream, the newest sample with ``stamp <= t - delay``. The vector stream
(proprioception) is interpolated to the time of the first image. Every stream's delay is fixed, so a live run
and its bag give the same snapshot, provided that everything up to ``t - delay`` has come by t. All times are
integer nanoseconds of one clock.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zprl_core.errors import ConfigError, DataError, RigError

Sample = TypeVar("Sample")
Image = NDArray[np.uint8]
_NS = 1e9
_SOONEST = 0.8
"""Share of a camera's period after which its next image is expected at the soonest."""


class SnapshotError(RigError):
    """A stream has nothing, or nothing young enough, for the time asked.

    Attributes:
        stream: its name.
        age_s: age of the newest usable sample, s; infinite where there is none.
        limit_s: the age allowed, s.
    """

    def __init__(self, stream: str, age_s: float, limit_s: float) -> None:
        self.stream, self.age_s, self.limit_s = stream, age_s, limit_s
        seen = "no sample" if np.isinf(age_s) else f"newest sample {age_s:.3f} s old"
        super().__init__(f"stream {stream}: {seen}, allowed {limit_s:.3f} s; check that its driver runs")


class StreamBuffer(Generic[Sample]):
    """The newest samples of one stream, ordered by stamp whatever the order of arrival.

    Args:
        name: for messages.
        capacity: samples kept; the oldest go first.

    Raises:
        ConfigError: a capacity below 2.
    """

    def __init__(self, name: str, capacity: int = 64) -> None:
        if capacity < 2:
            raise ConfigError(f"stream {name}: capacity {capacity}, allowed: 2 or more")
        self.name = name
        self._capacity = capacity
        self._stamps: list[int] = []
        self._samples: list[Sample] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def append(self, stamp_ns: int, sample: Sample) -> bool:
        """Keeps ``sample``. False where its stamp is there already, or is older than all of a full buffer."""
        at = bisect.bisect_left(self._stamps, stamp_ns)
        known = at < len(self._stamps) and self._stamps[at] == stamp_ns
        if known or (at == 0 and len(self._stamps) == self._capacity):
            return False
        self._stamps.insert(at, stamp_ns)
        self._samples.insert(at, sample)
        if len(self._stamps) > self._capacity:
            del self._stamps[0], self._samples[0]
        return True

    def newest(self, until_ns: int) -> tuple[int, Sample] | None:
        """The newest sample with ``stamp <= until_ns`` and its stamp, or None."""
        at = bisect.bisect_right(self._stamps, until_ns)
        return (self._stamps[at - 1], self._samples[at - 1]) if at else None

    def after(self, stamp_ns: int) -> tuple[int, Sample] | None:
        """The oldest sample with ``stamp > stamp_ns`` and its stamp, or None."""
        at = bisect.bisect_right(self._stamps, stamp_ns)
        return (self._stamps[at], self._samples[at]) if at < len(self._stamps) else None

    def clear(self) -> None:
        """Forgets everything."""
        self._stamps.clear()
        self._samples.clear()


@dataclass(frozen=True)
class StreamSpec:
    """How a stream is read.

    Attributes:
        name: the stream.
        delay_s: calibrated time from acquisition to certain arrival, s; younger samples are not looked at.
        max_age_s: oldest sample that may be used, measured from the time of the observation step, s.
        period_s: time from one sample to the next, s; infinite where it is not known.

    Raises:
        ConfigError: a negative or non-finite delay, or a max_age_s below it.
    """

    name: str
    delay_s: float
    max_age_s: float
    period_s: float = math.inf

    def __post_init__(self) -> None:
        if not (np.isfinite(self.delay_s) and self.delay_s >= 0.0):
            raise ConfigError(f"stream {self.name}: delay_s {self.delay_s}, allowed: finite, 0 or more")
        if not (np.isfinite(self.max_age_s) and self.max_age_s >= self.delay_s):
            allowed = f"finite, at least its delay_s of {self.delay_s}"
            raise ConfigError(f"stream {self.name}: max_age_s {self.max_age_s}, allowed: {allowed}")


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One observation, with its history.

    Attributes:
        stamp_ns: the time it was asked for, ns.
        images: for each camera its images, oldest first, as they were put in (``(h, w, 3)`` uint8, RGB).
        proprioception: ``(steps, dq)`` float32, oldest first.
        stamps_ns: for each stream the stamps used, oldest first (proprioception: the time it was read at).
    """

    stamp_ns: int
    images: dict[str, tuple[NDArray[np.uint8], ...]]
    proprioception: NDArray[np.float32]
    stamps_ns: dict[str, tuple[int, ...]]


class SnapshotPolicy:
    """Holds the streams of a task and takes snapshots of them.

    Args:
        cameras: the image streams; proprioception is read at the time of the first one's image.
        proprioception: the vector stream.
        steps: observation steps in one snapshot, 1 to 3.
        tick_s: time between them, s.
        capacity: samples kept of each stream. vectors: of proprioception; None: as many.

    Raises:
        ConfigError: no camera, a name used twice, or steps outside 1 to 3.
    """

    def __init__(
        self,
        cameras: Sequence[StreamSpec],
        proprioception: StreamSpec,
        *,
        steps: int,
        tick_s: float,
        capacity: int = 64,
        vectors: int | None = None,
    ) -> None:
        names = [spec.name for spec in (*cameras, proprioception)]
        if not cameras or len(set(names)) != len(names):
            raise ConfigError(f"observation streams: {names}; one camera or more, each name once")
        if not 1 <= steps <= 3:
            raise ConfigError(f"observation.steps: {steps}, allowed: 1 to 3")
        if not (np.isfinite(tick_s) and tick_s > 0.0):
            raise ConfigError(f"tick_s: {tick_s}, allowed: finite, above 0")
        self._cameras, self._proprioception = tuple(cameras), proprioception
        self._steps, self._tick_s = steps, tick_s
        self._begin_ns: int | None = None
        self._images = {c.name: StreamBuffer[NDArray[np.uint8]](c.name, capacity) for c in cameras}
        self._vectors = StreamBuffer[NDArray[np.float64]](proprioception.name, vectors or capacity)

    def add_image(self, camera: str, stamp_ns: int, image: NDArray[np.uint8]) -> bool:
        """An image has come. False where its stamp was known already.

        Raises:
            DataError: there is no such camera, or the array is no ``(h, w, 3)`` uint8 image.
        """
        if camera not in self._images:
            raise DataError(f"camera {camera}: not in this task; its cameras are {', '.join(self._images)}")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DataError(f"camera {camera}: {image.dtype} {image.shape}, expected uint8 (h, w, 3), RGB")
        return self._images[camera].append(stamp_ns, image)

    def add_proprioception(self, stamp_ns: int, values: ArrayLike) -> bool:
        """A proprioceptive vector ``(dq,)`` has come. False where its stamp was known already.

        Raises:
            DataError: a non-finite value, or another length than before.
        """
        vector, name = np.asarray(values, dtype=np.float64), self._proprioception.name
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise DataError(f"stream {name}: {vector.tolist()}, expected a flat vector of finite numbers")
        known = self._vectors.newest(stamp_ns) or self._vectors.after(stamp_ns)
        if known is not None and known[1].shape != vector.shape:
            raise DataError(f"stream {name}: {len(vector)} numbers, expected {len(known[1])} as before")
        return self._vectors.append(stamp_ns, vector)

    def holds(self, stream: str, stamp_ns: int) -> bool:
        """Whether a stream has the sample of exactly this stamp."""
        buffer: StreamBuffer[Any] = (
            self._vectors if stream == self._proprioception.name else self._images[stream]
        )
        found = buffer.newest(stamp_ns)
        return found is not None and found[0] == stamp_ns

    def newest(self, t_ns: int) -> dict[str, int]:
        """The stamp of each stream's newest sample that a snapshot at ``t_ns`` may use.

        Raises:
            SnapshotError: a stream has none.
        """
        buffers: dict[str, StreamBuffer[Any]] = {**self._images, self._proprioception.name: self._vectors}
        found = {}
        for spec in (*self._cameras, self._proprioception):
            sample = buffers[spec.name].newest(t_ns - round(spec.delay_s * _NS))
            found[spec.name] = _young(spec, t_ns, sample)[0]
        return found

    def clear(self) -> None:
        """Forgets all samples, and where an episode began."""
        self._begin_ns = None
        self._vectors.clear()
        for images in self._images.values():
            images.clear()

    def begin_episode(self, t_ns: int) -> None:
        """An episode begins: history does not reach behind ``t_ns``, its first step is repeated instead."""
        self._begin_ns = t_ns

    def snapshot(self, t_ns: int) -> Snapshot:
        """The observation at ``t_ns``.

        Raises:
            SnapshotError: a stream has no sample for a step, or only one that is too old.
        """
        times = self._times(t_ns)
        chosen = {spec.name: [self._choose(spec, step_ns) for step_ns in times] for spec in self._cameras}
        read_at = [stamp for stamp, _ in chosen[self._cameras[0].name]]
        vectors = [self._read(step_ns, stamp) for step_ns, stamp in zip(times, read_at, strict=True)]
        stamps = {name: tuple(stamp for stamp, _ in found) for name, found in chosen.items()}
        stamps[self._proprioception.name] = tuple(read_at)
        return Snapshot(
            t_ns,
            {name: tuple(image for _, image in found) for name, found in chosen.items()},
            np.stack(vectors).astype(np.float32),
            stamps,
        )

    def settled(self, t_ns: int) -> Iterator[tuple[str, int, Image]]:
        """Camera, stamp and image of what a snapshot at ``t_ns``, still to come, will have of what is here.

        That is an image behind which one too young has come, or which is so young that the next one will be,
        by the camera's period. Where a camera is faster than that, the snapshot may have another one.
        """
        for spec in self._cameras:
            buffer = self._images[spec.name]
            for latest_ns in (step_ns - round(spec.delay_s * _NS) for step_ns in self._times(t_ns)):
                found = buffer.newest(latest_ns)
                if found is None:
                    continue
                soonest_ns = found[0] + _SOONEST * spec.period_s * _NS
                if soonest_ns > latest_ns or buffer.after(found[0]) is not None:
                    yield (spec.name, *found)

    def _times(self, t_ns: int) -> list[int]:
        """Of the observation's steps, oldest first."""
        times = [t_ns - round(back * self._tick_s * _NS) for back in reversed(range(self._steps))]
        if self._begin_ns is None:
            return times
        return [min(max(step_ns, self._begin_ns), t_ns) for step_ns in times]

    def _choose(self, spec: StreamSpec, step_ns: int) -> tuple[int, NDArray[np.uint8]]:
        found = self._images[spec.name].newest(step_ns - round(spec.delay_s * _NS))
        return _young(spec, step_ns, found)

    def _read(self, step_ns: int, image_ns: int) -> NDArray[np.float64]:
        """Proprioception at ``image_ns``, from the samples up to ``step_ns - delay``.

        Where none of them is as young as the image, the newest one.
        """
        spec = self._proprioception
        latest_ns = step_ns - round(spec.delay_s * _NS)
        _young(spec, step_ns, self._vectors.newest(latest_ns))
        before = _young(spec, min(image_ns, latest_ns), self._vectors.newest(min(image_ns, latest_ns)))
        after = self._vectors.after(before[0])
        if before[0] == image_ns or after is None or after[0] > latest_ns or image_ns > latest_ns:
            return before[1]
        share = (image_ns - before[0]) / (after[0] - before[0])
        return np.asarray((1.0 - share) * before[1] + share * after[1], dtype=np.float64)


def _young(spec: StreamSpec, at_ns: int, found: tuple[int, Sample] | None) -> tuple[int, Sample]:
    """``found``, if it is there and not older than allowed at ``at_ns``."""
    if found is None:
        raise SnapshotError(spec.name, float("inf"), spec.max_age_s)
    age_s = (at_ns - found[0]) / _NS
    if age_s > spec.max_age_s:
        raise SnapshotError(spec.name, age_s, spec.max_age_s)
    return found
