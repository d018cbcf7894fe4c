# SPDX-License-Identifier: Apache-2.0
"""What is kept of an episode's motion: RUN/motion/<arm>.jsonl, one line per episode.

A later line about an episode replaces the one before: an interrupted run does its last episode anew. A kill
can tear the last line only; the reader drops a torn line, and the next writer cuts it off. A line ends with
the CRC-32 of its own text.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zprl_core.config import SmoothnessConfig
from zprl_core.errors import DataError
from zprl_core.records import checksum, parse_json
from zprl_core.smoothness.alarms import alarms
from zprl_core.smoothness.metrics import QUANTITIES, Smoothness, Spread, smoothness_of
from zprl_core.smoothness.policy_steps import PolicySteps, policy_steps
from zprl_core.smoothness.track import Intervals, Track
from zprl_core.trajectory import Chunk

_HOW = "move the file away: the run goes on without it"


@dataclass(frozen=True, eq=False)
class EpisodeTracks:
    """An episode of one arm before it is measured.

    Attributes:
        episode, arm: which one.
        outcome: as the session said when the motion was over; "interrupted" where the bridge ended before.
        intervals: when the episode was running, from its first chunk on, ns.
        chunks: those of the policy that were taken, in order.
        commanded, measured: setpoints and poses of the tool in the arm's base frame.
        human_share: of the samples, in which a person had the arm, 0 to 1.
        shadow: whether the motors were off.
        lost: samples for which there was no more room.
    """

    episode: int
    arm: str
    outcome: str
    intervals: Intervals
    chunks: tuple[Chunk, ...]
    commanded: Track
    measured: Track
    human_share: float = 0.0
    shadow: bool = False
    lost: int = 0


@dataclass(frozen=True)
class MotionRecord:
    """How smoothly one arm moved in one episode; see `EpisodeTracks`.

    Attributes:
        policy: the paper's Vel_EE and Acc_EE.
        commanded, measured: the same measures of setpoints and of poses.
        alarms: what was beyond the task's limits, for people.
    """

    episode: int
    arm: str
    outcome: str
    policy: PolicySteps
    commanded: Smoothness
    measured: Smoothness
    alarms: tuple[str, ...] = ()
    human_share: float = 0.0
    shadow: bool = False
    lost: int = 0

    def to_line(self) -> bytes:
        """One line with its end."""
        data = _plain(self)
        return json.dumps({**data, "crc": checksum(data)}, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> MotionRecord:
        """The inverse of `to_line`.

        Raises:
            DataError: not such a line, or its checksum says something else.
        """
        data = parse_json(line)
        if not isinstance(data, dict):
            raise DataError(f"holds {type(data).__name__}, not an object")
        crc = data.pop("crc", None)
        if crc != checksum(data):
            raise DataError(f"its checksum is {crc}, its text has {checksum(data)}")
        try:
            policy, alarm_texts = PolicySteps(**data.pop("policy")), tuple(data.pop("alarms"))
            commanded, measured = (_smoothness(data.pop(key)) for key in ("commanded", "measured"))
            return cls(policy=policy, commanded=commanded, measured=measured, alarms=alarm_texts, **data)
        except (KeyError, TypeError) as error:
            raise DataError(f"is not of an episode's motion: {error}") from error


def measured_motion(tracks: EpisodeTracks, limits: SmoothnessConfig) -> MotionRecord:
    """Measure an episode."""
    commanded = smoothness_of(tracks.commanded, tracks.intervals)
    measured = smoothness_of(tracks.measured, tracks.intervals)
    return MotionRecord(
        episode=tracks.episode,
        arm=tracks.arm,
        outcome=tracks.outcome,
        policy=policy_steps(tracks.chunks, tracks.intervals),
        commanded=commanded,
        measured=measured,
        alarms=tuple(map(str, alarms(commanded, measured, limits))),
        human_share=tracks.human_share,
        shadow=tracks.shadow,
        lost=tracks.lost,
    )


def append_motion(path: Path, motion: MotionRecord) -> None:
    """Append a line; a torn last one is cut off first.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(exist_ok=True)
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if end and file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        file.write(motion.to_line())


def read_motions(path: Path) -> tuple[MotionRecord, ...]:
    """All episodes of one arm in order; the last line about an episode counts, a torn end does not.

    A file that does not exist has none.

    Raises:
        DataError: a damaged line that is not the torn last one; names file and line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    found: dict[int, MotionRecord] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            motion = MotionRecord.from_line(line)
        except DataError as error:
            raise DataError(f"{path}: line {number}: {error}; {_HOW}") from error
        found[motion.episode] = motion
    return tuple(found[episode] for episode in sorted(found))


def read_run(folder: Path) -> tuple[MotionRecord, ...]:
    """The episodes of every arm of a run, arm after arm.

    Args:
        folder: RUN/motion.

    Raises:
        DataError: see `read_motions`.
    """
    return tuple(motion for path in sorted(folder.glob("*.jsonl")) for motion in read_motions(path))


def _plain(motion: MotionRecord) -> dict[str, Any]:
    keys: Iterable[str] = MotionRecord.__dataclass_fields__
    data = {key: getattr(motion, key) for key in keys}
    for key in ("policy", "commanded", "measured"):
        data[key] = dict(vars(data[key]))
    return data


def _smoothness(data: Mapping[str, Any]) -> Smoothness:
    spreads = {name: None if data[name] is None else Spread(*data[name]) for name in QUANTITIES}
    return Smoothness(**{**data, **spreads})
