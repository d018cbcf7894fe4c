# SPDX-License-Identifier: Apache-2.0
"""Looks for what is wrong with a recording before it is resampled, and repairs what was asked for. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import RigConfig, TaskConfig, check_pair
from zprl_core.data.problems import BadBagError, Problem
from zprl_core.data.recording import RUNNING, Recording, Stream
from zprl_core.errors import ConfigError
from zprl_core.provenance import Provenance

JUMP_S = 0.5
"""How much a stamp's distance to its arrival may change between two messages; more: a clock was set."""
_NS = 1e-9
Resize = Callable[[NDArray[np.uint8], tuple[int, int]], NDArray[np.uint8]]
"""Brings a picture to (height, width) as a camera node does."""


def repaired(
    recording: Recording, task: TaskConfig, repairs: Collection[str], resize: Resize
) -> tuple[Recording, tuple[str, ...]]:
    """A recording without the problems that are to be repaired before resampling, and what was done.

    Raises:
        BadBagError: what is wrong with it still; all of it.
    """
    done: list[str] = []
    problems = [*_file(recording, repairs, done), *_clock(recording)]
    recording, notes, found = _numbers(recording, task, "numbers" in repairs)
    done, problems = done + notes, problems + found
    recording, notes, found = _sizes(recording, task, resize if "size" in repairs else None)
    done, problems = done + notes, problems + found
    problems += _pair(recording, task, repairs)
    if problems:
        raise BadBagError(problems)
    return recording, tuple(done)


def _file(recording: Recording, repairs: Collection[str], done: list[str]) -> list[Problem]:
    """A file that was cut off, recovered or not: its last episode may lack what its label was given for."""
    found = []
    if recording.damage:
        cure = f"`zprl bag recover {recording.path}` restores what is there"
        found.append((recording.damage, cure))
    if recording.events and recording.events[-1].state == RUNNING:
        number = recording.events[-1].episode
        found.append((f"ends while episode {number} runs", "how it went on was not recorded"))
    if "truncated" in repairs:
        done += [f"truncated: {what}" for what, _ in found]
        return []
    return [Problem("truncated", f"{what}; {cure}") for what, cure in found]


def _clock(recording: Recording) -> list[Problem]:
    """Stamps that go back, or that suddenly lie elsewhere beside the times of arrival."""
    problems = []
    for stream in recording.streams:
        if len(stream) < 2:
            continue
        steps = np.diff(stream.stamp_ns)
        if steps.min() < 0:
            at = int(np.argmin(steps))
            problems.append(
                Problem("clock", f"{stream.topic}: stamps go back by {-steps[at] * _NS:.3f} s, allowed 0 s")
            )
            continue
        leaps_s = np.diff(stream.log_ns - stream.stamp_ns) * _NS
        leap_s = float(leaps_s[np.argmax(np.abs(leaps_s))])
        if abs(leap_s) > JUMP_S:
            where = "falls behind" if leap_s > 0 else "leaps ahead of"
            text = f"{stream.topic}: a stamp {where} its arrival by {abs(leap_s):.3f} s"
            problems.append(Problem("clock", f"{text} from one message to the next, allowed {JUMP_S:g} s"))
    return problems


def _numbers(
    recording: Recording, task: TaskConfig, leave_out: bool
) -> tuple[Recording, list[str], list[Problem]]:
    """Vectors of the wrong length, or with numbers that are not finite."""
    notes: list[str] = []
    problems: list[Problem] = []

    def kept(stream: Stream, columns: int) -> Stream:
        if any(len(sample) < columns for sample in stream.samples):
            length = min(len(sample) for sample in stream.samples)
            problems.append(Problem("stream", f"{stream.topic}: {length} numbers, expected {columns}"))
            return stream
        good = np.array([bool(np.isfinite(sample[:columns]).all()) for sample in stream.samples], dtype=bool)
        if good.all():
            return stream
        bad = f"{stream.topic}: {int((~good).sum())} of {len(good)} samples are not finite"
        if leave_out and good.any():
            notes.append(f"numbers: {bad}")
            return stream.only(good)
        problems.append(Problem("numbers", f"{bad}, allowed: none"))
        return stream

    proprioception = kept(recording.proprioception, task.observation.proprio_dim)
    columns = 8 if task.action.gripper else 7
    setpoints = {name: kept(stream, columns) for name, stream in recording.setpoints.items()}
    return (
        dataclasses.replace(recording, proprioception=proprioception, setpoints=setpoints),
        notes,
        problems,
    )


def _sizes(
    recording: Recording, task: TaskConfig, resize: Resize | None
) -> tuple[Recording, list[str], list[Problem]]:
    """Pictures of another size than the task's views. A picture is never made larger."""
    notes, problems, cameras = [], [], dict[str, Stream]()
    for view in task.observation.cameras:
        stream, wanted = recording.cameras[view.name], (view.height, view.width)
        sizes = sorted({sample.shape[:2] for sample in stream.samples})
        cameras[view.name] = stream
        if sizes == [wanted]:
            continue
        text = f"{stream.topic}: pictures of {_said(sizes)}, task {task.name} needs {_said([wanted])}"
        larger = all(h >= wanted[0] and w >= wanted[1] for h, w in sizes)
        if resize is None or not larger:
            problems.append(Problem("size", text + ("" if larger else "; they are not made larger")))
            continue
        fitted = [resize(sample, wanted) for sample in stream.samples]
        cameras[view.name] = dataclasses.replace(stream, samples=fitted)
        notes.append(f"size: {text}")
    return dataclasses.replace(recording, cameras=cameras), notes, problems


def _said(sizes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, size)) for size in sizes) + " (height x width)"


def _pair(recording: Recording, task: TaskConfig, repairs: Collection[str]) -> list[Problem]:
    problems = []
    try:
        check_pair(recording.rig, task)
    except ConfigError as error:
        problems.append(Problem("rig", str(error)))
    lead, wanted = recording.label.get("lead_steps", ""), str(task.observation.lead_steps)
    if lead and lead != wanted and "lead" not in repairs:
        text = f"was recorded with L = {lead}, task {task.name} has observation.lead_steps: {wanted}"
        problems.append(Problem("lead", text))
    return problems


def same_cell(rig: RigConfig, task: TaskConfig, first: tuple[object, Provenance]) -> None:
    """Hold a bag's rig and calibration against the first bag's.

    Raises:
        BadBagError: they are others.
    """
    found, (source, wanted) = Provenance.of(rig, task, lockstep=False), first
    if found == wanted:
        return
    delays: Mapping[str, float] = {delay.name: delay.delay_s for delay in wanted.delays}
    changed = [
        f"{delay.name} {1e3 * delay.delay_s:.1f} ms, there {1e3 * delays.get(delay.name, 0.0):.1f} ms"
        for delay in found.delays
        if delays.get(delay.name) != delay.delay_s
    ]
    text = f"{found}; {source} has {wanted}" + (f": {', '.join(changed)}" if changed else "")
    raise BadBagError([Problem("rig", f"{text}. Build a dataset of each")])
