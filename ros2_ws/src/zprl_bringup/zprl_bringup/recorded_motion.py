# SPDX-License-Identifier: Apache-2.0
"""Reads how the arms moved from a bag, as their bridges kept it while it happened. No node and no graph.

In real time a bridge keeps the very samples that it publishes as `ArmState`, so that a bag gives the numbers
that were live. In lockstep states are published once a chunk only: such a bag gives what the policy put out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mcap.records import Message
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import ActionChunk, ArmState, ChunkReport

from zprl_bringup import convert
from zprl_bringup.recorded import Scan, attached, require_session, require_type, rig_of, scanned
from zprl_core.actions import ActionCodec
from zprl_core.config import ArmConfig, TaskConfig, load_task
from zprl_core.data.problems import BadBagError, refuse
from zprl_core.data.recording import RunningEpisode, running_episodes
from zprl_core.errors import DataError
from zprl_core.grid import TickGrid
from zprl_core.smoothness import Track
from zprl_core.smoothness.episode import EpisodeTracks
from zprl_core.trajectory import Chunk

_KINDS = {"state": ArmState, "command": ActionChunk, "report": ChunkReport}
_NOT_TAKEN = (ChunkReport.REFUSED, ChunkReport.OVERRIDDEN)


@dataclass
class _Heard:
    """What a bag has of one arm, each with its time of arrival or of sending, ns."""

    state: list[tuple[int, ArmState]] = field(default_factory=list)
    command: list[tuple[int, ActionChunk]] = field(default_factory=list)
    report: list[tuple[int, ChunkReport]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class RecordedMotion:
    """What a bag says of motion.

    Attributes:
        label: of run and episode, every value a text.
        task: as it was recorded.
        episodes: one for each episode that was running and each arm that moved in it.
    """

    label: dict[str, str]
    task: TaskConfig
    episodes: tuple[EpisodeTracks, ...]


def read_motion(bag: Path) -> RecordedMotion:
    """Read a bag.

    Args:
        bag: its folder, or its MCAP file.

    Raises:
        DataError: no bag, a message in it that cannot be read or is of another version, or no rig or task.
    """
    try:
        return _read(bag)
    except BadBagError as error:
        raise DataError(f"{bag}: {'; '.join(problem.text for problem in error.problems)}") from error


def _read(bag: Path) -> RecordedMotion:
    scan = scanned(bag)
    require_session(scan)
    rig, task = rig_of(scan), attached(scan.task, "task.yaml", load_task, "what its chunks mean")
    heard = _heard(scan, [arm.name for arm in rig.arms])
    lockstep = scan.label.get("lockstep") == "true"
    codec = ActionCodec.from_config(task.action).single_arm()
    found = [
        _tracks(episode, arm, heard[arm.name], codec, scan.label, lockstep=lockstep)
        for episode in running_episodes(scan.events, scan.end_ns)
        for arm in rig.arms
    ]
    return RecordedMotion(scan.label, task, tuple(tracks for tracks in found if tracks is not None))


def _heard(scan: Scan, arms: Iterable[str]) -> dict[str, _Heard]:
    topics = {f"/arms/{arm}/{word}": (arm, word) for arm in arms for word in _KINDS}
    for topic, (_, word) in topics.items():
        require_type(scan, topic, _KINDS[word])
    found: dict[str, _Heard] = defaultdict(_Heard)
    for record in scan.records():
        if not isinstance(record, Message) or (topic := scan.channels[record.channel_id].topic) not in topics:
            continue
        arm, word = topics[topic]
        try:
            message: Any = deserialize_message(record.data, _KINDS[word])
        except Exception as error:  # rclpy raises what its type support raises
            raise refuse("unreadable", f"{topic}: a message cannot be read: {error}") from error
        at_ns = record.publish_time if word == "state" else record.log_time
        getattr(found[arm], word).append((at_ns, message))
    return found


def _tracks(
    episode: RunningEpisode,
    arm: ArmConfig,
    heard: _Heard,
    codec: ActionCodec,
    label: dict[str, str],
    *,
    lockstep: bool,
) -> EpisodeTracks | None:
    taken = list(_taken(episode, heard, codec))
    if not taken:
        return None
    # In lockstep time stands still between chunks, and a pause takes none.
    intervals = [(taken[0].stamp_ns, taken[-1].end_ns)] if lockstep else _moving(episode, taken)
    commanded, measured, by_hand, shadow = _poses(arm, heard, intervals, lockstep=lockstep)
    own = label.get("episode") == str(episode.episode)
    return EpisodeTracks(
        episode=episode.episode,
        arm=arm.name,
        outcome=label.get("outcome", episode.outcome) if own else episode.outcome,
        intervals=tuple(intervals),
        chunks=tuple(chunk for chunk in taken if chunk.source == "policy"),
        commanded=commanded,
        measured=measured,
        human_share=by_hand,
        shadow=shadow,
    )


def _taken(episode: RunningEpisode, heard: _Heard, codec: ActionCodec) -> Iterator[Chunk]:
    """The chunks that the bridge took, in order."""
    fate = {(r.episode, r.chunk, r.source): r.status for _, r in heard.report}
    for _, message in heard.command:
        key = (message.episode, message.chunk, message.source)
        if message.episode != episode.episode or fate.get(key) in _NOT_TAKEN:
            continue
        actions = np.asarray(message.actions, np.float64).reshape(-1, message.dim)
        stamp_ns = convert.stamp_ns(message)
        (way,) = codec.decode(actions)
        yield Chunk(message.episode, message.chunk, stamp_ns, message.dt_s, way, message.source)


def _moving(episode: RunningEpisode, taken: list[Chunk]) -> list[tuple[int, int]]:
    """From the first chunk of each time that the episode was running."""
    found = []
    for begin_ns, end_ns in episode.intervals:
        first = next((c.stamp_ns for c in taken if c.end_ns > begin_ns and c.stamp_ns < end_ns), None)
        if first is not None:
            found.append((max(begin_ns, first), end_ns))
    return found


def _poses(
    arm: ArmConfig, heard: _Heard, intervals: list[tuple[int, int]], *, lockstep: bool
) -> tuple[Track, Track, float, bool]:
    """Commanded and measured poses, the share of them in which a person had the arm, and whether the motors
    were off.

    A setpoint has the time of its servo period. A simulated arm's states are stamped with it; a real one's
    with when it was measured, but they are sent in it.
    """
    grid, stamped = TickGrid(arm.servo_rate_hz), arm.driver == "sim" or lockstep
    commanded, measured, by_hand, shadow = {}, {}, 0, False
    for sent_ns, state in heard.state:
        measured_ns = convert.stamp_ns(state)
        served_ns = measured_ns if stamped else grid.at(grid.index(sent_ns))
        if any(begin_ns <= served_ns <= end_ns for begin_ns, end_ns in intervals):
            commanded[served_ns] = convert.pose_arrays(state.setpoint_base_tcp)
            measured[measured_ns] = convert.pose_arrays(state.pose_base_tcp)
            by_hand += state.owner == "human"
            shadow = shadow or bool(state.shadow)
    return _track(commanded), _track(measured), by_hand / max(1, len(commanded)), shadow


def _track(poses: dict[int, Any]) -> Track:
    rows = np.array([np.concatenate(pose) for pose in poses.values()]).reshape(-1, 7)
    return Track(np.array(list(poses), np.int64), rows[:, :3], rows[:, 3:])
