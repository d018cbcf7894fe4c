# SPDX-License-Identifier: Apache-2.0
"""A source's episode becomes one of ours. Pure.

Keeping every k-th tick takes the observation of the first of k ticks and the action of the last: an action is
the setpoint at its tick's end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import TaskConfig
from zprl_core.data.episode import Episode, EpisodeInfo
from zprl_core.data.formats.action_form import ActionForm
from zprl_core.data.formats.choices import Fit
from zprl_core.data.formats.frames import fit
from zprl_core.data.formats.signals import signal_facts
from zprl_core.data.formats.source import SourceEpisode
from zprl_core.data.formats.thinning import thin_dones, thin_rewards
from zprl_core.errors import DataError

RATE_TOLERANCE = 0.1
"""How far the median step of an episode's own timestamps may be from the rate."""


@dataclass(frozen=True)
class Plan:
    """What of a source becomes what of a dataset; `planning.make_plan` makes it.

    Attributes:
        task: that the dataset is for.
        cameras: {the task's camera: key of the source}.
        proprio, action: keys whose numbers make q and the action, one behind the other.
        form: how the source writes an action.
        stride: k: every k-th tick is kept.
        fit: what to do with pictures of another size.
    """

    task: TaskConfig
    cameras: Mapping[str, str]
    proprio: tuple[str, ...]
    action: tuple[str, ...]
    form: ActionForm
    stride: int
    fit: Fit

    def episode(self, raw: SourceEpisode, where: str) -> Episode:
        """A source's episode as one of ours.

        Raises:
            DataError: what it holds does not fit the task; names `where` and the key.
        """
        ticks = _length(raw, where)
        kept = np.arange(0, ticks, self.stride)
        ends = np.minimum(kept + self.stride - 1, ticks - 1)
        views = {view.name: (view.height, view.width) for view in self.task.observation.cameras}
        images = {
            name: fit(raw.images[key][kept], views[name], self.fit, f"{where}: {key}")
            for name, key in self.cameras.items()
        }
        return Episode(
            images=images,
            proprio=self._proprio(raw, kept, where),
            action=self._action(raw, ends, where),
            stamp_ns=self._stamps(raw, kept, where),
            info=self._info(raw, len(kept), where),
        )

    def _proprio(self, raw: SourceEpisode, kept: NDArray[np.int64], where: str) -> NDArray[np.float32]:
        dim = self.task.observation.proprio_dim
        q = _joined(raw, self.proprio, kept, where)
        if q.shape[1] != dim:
            parts = ", ".join(f"{key} ({raw.vectors[key].shape[1]})" for key in self.proprio) or "nothing"
            raise DataError(
                f"{where}: proprioception of {parts} has {q.shape[1]} numbers, task {self.task.name} needs "
                f"proprio_dim = {dim}; choose its keys with --proprio KEY,KEY"
            )
        return q.astype(np.float32)

    def _action(self, raw: SourceEpisode, ends: NDArray[np.int64], where: str) -> NDArray[np.float32]:
        actions = _joined(raw, self.action, ends, where)
        try:
            return self.form.forward(actions)
        except DataError as error:
            raise DataError(f"{where}: {', '.join(self.action)}: {error}") from error

    def _stamps(self, raw: SourceEpisode, kept: NDArray[np.int64], where: str) -> NDArray[np.int64]:
        if raw.stamp_ns is not None:
            stamps = raw.stamp_ns[kept].astype(np.int64)
            tick_s, waypoint_s = self.task.tick_s, self.task.waypoint_s
            step_s = float(np.median(np.diff(stamps))) * 1e-9 if len(stamps) > 1 else tick_s
            if not any(abs(step_s / wanted - 1.0) <= RATE_TOLERANCE for wanted in (tick_s, waypoint_s)):
                raise DataError(
                    f"{where}: its timestamps are {step_s:.4g} s apart where {tick_s:.4g} s are "
                    "expected: they contradict the source's rate, its own or that of --rate"
                )
            return stamps
        return np.rint(np.arange(len(kept)) * (1e9 / self.task.rate_hz)).astype(np.int64)

    def _info(self, raw: SourceEpisode, length: int, where: str) -> EpisodeInfo:
        rewards = None if raw.rewards is None else thin_rewards(raw.rewards, self.stride)
        dones = None if raw.dones is None else thin_dones(raw.dones, self.stride)
        if raw.info is not None:
            thinned = signal_facts(rewards, dones)
            own = {key: thinned.get(key, value) for key, value in raw.info.facts.items()}
            return replace(raw.info, length=length, facts=own)
        facts = {**raw.facts, **signal_facts(rewards, dones, raw.splits)}
        return EpisodeInfo(length=length, outcome=raw.outcome, source=where, facts=facts)


def _length(raw: SourceEpisode, where: str) -> int:
    """Ticks, of which every array has one row."""
    lengths = {key: len(array) for key, array in (*raw.images.items(), *raw.vectors.items())}
    lengths |= {
        key: len(array)
        for key, array in (("stamps", raw.stamp_ns), ("rewards", raw.rewards), ("dones", raw.dones))
        if array is not None
    }
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{key} {length}" for key, length in lengths.items())
        raise DataError(f"{where}: arrays of different lengths: {listed}; repair or remove the episode")
    length = next(iter(lengths.values()), 0)
    if length == 0:
        raise DataError(f"{where}: has no ticks; remove the episode from the source")
    return length


def _joined(
    raw: SourceEpisode, keys: Sequence[str], ticks: NDArray[np.int64], where: str
) -> NDArray[np.float64]:
    """(len(ticks), sum of the keys' numbers)."""
    columns = [np.empty((len(ticks), 0))]
    for key in keys:
        array = raw.vectors[key]
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            raise DataError(f"{where}: {key} is {array.dtype} {array.shape}, must be numbers (T, d)")
        bad = ~np.isfinite(array).all(axis=1) if array.dtype.kind == "f" else np.zeros(len(array), dtype=bool)
        if bad.any():
            tick = int(np.argmax(bad))
            raise DataError(
                f"{where}: {key} is {array[tick].tolist()} at tick {tick}; every number must be finite: "
                "repair or remove the episode"
            )
        columns.append(array[ticks].astype(np.float64))
    return np.concatenate(columns, axis=1)
