# SPDX-License-Identifier: Apache-2.0
"""Builds a dataset from bags: selects episodes, looks for what is wrong, resamples, writes. No ROS."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.data.episode import Episode, EpisodeInfo, Header
from zprl_core.data.inspecting import Resize, repaired, same_cell
from zprl_core.data.problems import BadBagError, Problem, listed, refuse
from zprl_core.data.recording import Recording, RunningEpisode, running_episodes
from zprl_core.data.resampling import resample
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import ConfigError, DataError
from zprl_core.provenance import Provenance

OUTCOMES = ("success", "failure", "horizon")
"""Outcomes that an episode of a dataset may have; void ones are always left out."""
Read = Callable[[Path], Recording]
_NS = 1e-9


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """How a dataset is built.

    Attributes:
        outcomes: of the episodes that are taken.
        repairs: kinds of problems that are repaired, see `zprl_core.data.problems`.
        skip_bad: go on past bad bags; otherwise nothing is built where there is one.
        overwrite: replace the dataset that is there.
        facts: that the dataset keeps, such as the command.
    """

    outcomes: tuple[str, ...] = OUTCOMES
    repairs: frozenset[str] = frozenset()
    skip_bad: bool = False
    overwrite: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Built:
    """What became of the bags.

    Attributes:
        taken: episodes, by outcome.
        left_out: episodes that were not asked for, by outcome; "void" among them.
        bad: bags that cannot be used, and why.
        repaired: what was repaired, by bag.
        uncalibrated: no bag has a calibration, so that live snapshots may have been other ones.
    """

    taken: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[Path, BadBagError]] = field(default_factory=list)
    repaired: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    uncalibrated: bool = False


def build(
    bags: Sequence[Path],
    task: TaskConfig,
    out: Path,
    read: Read,
    resize: Resize,
    options: BuildOptions,
    progress: Callable[[Path], None] = lambda _path: None,
) -> Built:
    """Build a dataset; `out` appears when everything is in it.

    Args:
        bags: their folders, or MCAP files, in the order in which their episodes are to lie.
        task: what the dataset is for.
        out: its folder.
        read: reads a bag.
        resize: see `zprl_core.data.inspecting.Resize`.
        options: see there.
        progress: called after every bag.

    Raises:
        DataError: bad bags without `skip_bad`, all of them named; no episode is left; `out` is in use.
        ConfigError: an outcome that no episode can have, or a task whose waypoints last several ticks.
    """
    _check(task, options)
    built, first = Built(), list[tuple[object, Provenance]]()
    writer: DatasetWriter | None = None
    try:
        for bag in bags:
            try:
                for recording, episode in _episodes(bag, task, read, resize, options, built, first):
                    writer = writer or DatasetWriter(
                        out, _header(task, recording, options), overwrite=options.overwrite
                    )
                    if options.skip_bad or not built.bad:
                        writer.add(episode)
                        built.taken[episode.info.outcome] += 1
            except BadBagError as error:
                built.bad.append((bag, error))
            progress(bag)
        _refuse(built, options, len(bags))
        if writer is None:
            raise DataError(_nothing(out, built))
        writer.finish()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise
    return built


def _check(task: TaskConfig, options: BuildOptions) -> None:
    unknown = [outcome for outcome in options.outcomes if outcome not in OUTCOMES]
    if unknown or not options.outcomes:
        raise ConfigError(f"--outcomes {','.join(options.outcomes)}: allowed: {', '.join(OUTCOMES)}")
    if task.action.repeat != 1:
        raise ConfigError(
            f"task {task.name}: action.repeat: {task.action.repeat}; datasets are built for 1 waypoint a tick"
        )


def _refuse(built: Built, options: BuildOptions, count: int) -> None:
    if built.bad and not options.skip_bad:
        raise DataError(
            f"{len(built.bad)} of {count} bags cannot be used as they are, and nothing was written:\n"
            f"{listed(built.bad)}\nGive --repair KIND for what may be repaired, or --skip-bad to leave bad "
            "bags out"
        )


def _nothing(out: Path, built: Built) -> str:
    left = ", ".join(f"{count} {outcome}" for outcome, count in sorted(built.left_out.items())) or "none"
    bad = f"\n{listed(built.bad)}" if built.bad else ""
    return f"{out}: no episode is left, so there is no dataset; left out by their outcome: {left}{bad}"


def _header(task: TaskConfig, recording: Recording, options: BuildOptions) -> Header:
    views = task.observation.cameras
    return Header(
        task=task.name,
        rate_hz=task.rate_hz,
        lead_steps=task.observation.lead_steps,
        cameras={view.name: (view.height, view.width) for view in views},
        proprio_dim=task.observation.proprio_dim,
        action_dim=task.action.dim,
        action=ActionCodec.from_config(task.action),
        provenance=Provenance.of(recording.rig, task, lockstep=False),
        facts={"built_with": {"outcomes": list(options.outcomes), "repairs": sorted(options.repairs)}}
        | options.facts,
    )


def _episodes(
    bag: Path,
    task: TaskConfig,
    read: Read,
    resize: Resize,
    options: BuildOptions,
    built: Built,
    first: list[tuple[object, Provenance]],
) -> Iterator[tuple[Recording, Episode]]:
    """The episodes that a bag gives; all of them, or `BadBagError`."""
    recording = read(bag)
    wanted = [each for each in _labelled(recording, options) if _selected(each, options, built)]
    if not wanted:
        return
    recording, done = repaired(recording, task, options.repairs, resize)
    if first:
        same_cell(recording.rig, task, first[0])
    episodes = [_episode(recording, each, task, options, done) for each in wanted]
    if not first:
        first.append((bag, Provenance.of(recording.rig, task, lockstep=False)))
        built.uncalibrated = recording.rig.calibration is None
    for episode in episodes:
        if episode.info.repairs:
            built.repaired[bag] = (*built.repaired.get(bag, ()), *episode.info.repairs)
        yield recording, episode


def _labelled(recording: Recording, options: BuildOptions) -> list[RunningEpisode]:
    """A recording's episodes with the outcome that counts: that of the bag's metadata, where it has one.

    Raises:
        BadBagError: none, several without their repair, one without an outcome.
    """
    found = [labelled(each, recording) for each in running_episodes(recording.events, recording.end_ns)]
    if not found:
        raise refuse("label", "no episode was running in it")
    if len(found) > 1 and "several" not in options.repairs:
        numbers = ", ".join(str(each.episode) for each in found)
        raise refuse("several", f"holds {len(found)} episodes ({numbers}), allowed 1")
    unlabelled = [each for each in found if not each.outcome]
    if unlabelled:
        raise refuse("label", f"episode {unlabelled[0].episode} has no outcome")
    return found


def labelled(episode: RunningEpisode, recording: Recording) -> RunningEpisode:
    """The episode with the outcome that counts: that of the bag's metadata, where it has one."""
    label = recording.label
    if label.get("episode") != str(episode.episode) or "outcome" not in label:
        return episode
    return dataclasses.replace(
        episode,
        outcome=label["outcome"],
        author=label.get("label_author", episode.author),
        layout=label.get("layout", episode.layout),
    )


def _selected(episode: RunningEpisode, options: BuildOptions, built: Built) -> bool:
    if episode.outcome in options.outcomes:
        return True
    built.left_out[episode.outcome] += 1
    return False


def _episode(
    recording: Recording,
    running: RunningEpisode,
    task: TaskConfig,
    options: BuildOptions,
    done: tuple[str, ...],
) -> Episode:
    own = recording.label if recording.label.get("episode") == str(running.episode) else {}
    problems = []
    if int(own.get("shadow_chunks", "0")):
        problems.append(Problem("shadow", f"{own['shadow_chunks']} chunks moved nothing, allowed 0"))
    if len(running.intervals) > 1 and "paused" not in options.repairs:
        pauses = zip(running.intervals, running.intervals[1:], strict=False)
        paused_s = sum(begin - end for (_, end), (begin, _) in pauses) * _NS
        problems.append(Problem("paused", f"was paused for {paused_s:.1f} s, allowed 0 s"))
    if problems:
        raise BadBagError(problems)
    found = resample(recording, running, task, hold="gap" in options.repairs)
    repairs = [*done]
    if found.held:
        repairs.append(f"gap: {found.held} of {len(found.stamp_ns)} ticks hold an older sample")
    if len(running.intervals) > 1:
        repairs.append(f"paused: {len(running.intervals) - 1} pauses left out")
    info = EpisodeInfo(
        length=len(found.stamp_ns),
        outcome=running.outcome,
        source=str(recording.path),
        label_author=running.author,
        layout=running.layout,
        helped_chunks=int(own.get("helped_chunks", "0")),
        repairs=tuple(repairs),
        gaps_s=_gaps(recording, running.intervals),
        facts={"run_id": recording.label.get("run_id", ""), "episode": running.episode},
    )
    return Episode(found.images, found.proprio, found.action, found.stamp_ns, info)


def _gaps(recording: Recording, intervals: Iterable[tuple[int, int]]) -> dict[str, float]:
    """For each stream the longest time between two samples while the episode was running, s."""
    found = {}
    for stream in recording.streams:
        steps = [0]
        for begin_ns, end_ns in intervals:
            inside = (stream.stamp_ns >= begin_ns) & (stream.stamp_ns <= end_ns)
            steps += np.diff(stream.stamp_ns[inside]).tolist()
        found[stream.topic] = round(max(steps) * _NS, 6)
    return found
