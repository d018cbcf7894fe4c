# SPDX-License-Identifier: Apache-2.0
"""Reads a bag for a replay: its streams, and what it says of planning and executing. No node and no graph."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mcap.records import Message
from rclpy.serialization import deserialize_message
from zprl_interfaces.msg import ActionChunk, ChunkReport, PlannedChunk

from zprl_bringup import convert, recorded
from zprl_bringup.recorded import Scan, arm_topic
from zprl_core.config import RigConfig, TaskConfig
from zprl_core.data.problems import BadBagError, refuse
from zprl_core.data.recording import RUNNING, Recording, SessionEvent
from zprl_core.joined import JoinedReports
from zprl_core.replay.episodes import Account, PlannedBefore

PLAN = "/policy/plan"
_COMMAND, _REPORT = re.compile(r"/arms/([^/]+)/command"), re.compile(r"/arms/([^/]+)/report")


@dataclass(frozen=True, eq=False)
class Replayable:
    """A bag that can be replayed.

    Attributes:
        recording: its streams. account: what it says of planning and executing.
        lockstep: whether it was recorded in simulated time.
        notes: what a reader should know of it.
    """

    recording: Recording
    account: Account
    lockstep: bool
    notes: tuple[str, ...] = ()


def read_replayable(bag: Path, task: TaskConfig, rig: RigConfig | None = None) -> Replayable:
    """Read a bag.

    Args:
        bag: its folder, or its .mcap or .db3 file.
        task: of the policy that is replayed; its cameras are read.
        rig: of bags that do not say; None: they must.

    Raises:
        BadBagError: no bag, a topic that the task needs is missing or of another type, a message that cannot
            be read, or nobody says which rig it is of.
    """
    scan = recorded.scanned(bag)
    notes = []
    if not scan.rig and rig is None:
        raise refuse("rig", "has no attachment rig.yaml, which says of which rig it is; name it with --rig")
    of = recorded.rig_of(scan) if scan.rig else rig
    assert of is not None
    if not any(event.state == RUNNING for event in scan.events):
        scan.events = _whole(scan)
        notes.append("does not say when an episode ran: it is taken for one whole episode without an outcome")
    states = [arm_topic(arm.name) for arm in of.arms if arm_topic(arm.name) in scan.topics()]
    if len(states) < len(of.arms):
        notes.append("lacks the state of an arm, so what was executed is known of reported chunks only")
    lockstep = scan.label.get("lockstep") == "true"
    recording = recorded.recording(scan, of, task, states)
    if recording.damage:
        notes.append(recording.damage)
    account = _Accounts(scan, of, task, notes).read()
    return Replayable(recording, account, lockstep, tuple(notes))


def _whole(scan: Scan) -> list[SessionEvent]:
    """A bag without a session as one episode."""
    begin, end = scan.begin_ns, scan.end_ns
    return [SessionEvent(RUNNING, 0, begin, begin), SessionEvent("done", 0, end, end)]


@dataclass(eq=False)
class _Accounts:
    """Reads what a bag says of planning and executing; topics of another version are left out with a note."""

    scan: Scan
    rig: RigConfig
    task: TaskConfig
    notes: list[str]
    plans: dict[tuple[int, int], PlannedBefore] = field(default_factory=dict)
    starts_ns: dict[tuple[int, int], int] = field(default_factory=dict)
    executed: dict[tuple[int, int], Any] = field(default_factory=dict)

    def read(self) -> Account:
        kinds = self._kinds()
        arms = [arm.name for arm in self.rig.arms]
        reports: JoinedReports[Any] = JoinedReports(arms)
        for record in self.scan.records():
            if not isinstance(record, Message):
                continue
            topic = self.scan.channels[record.channel_id].topic
            if topic not in kinds:
                continue
            try:
                message = deserialize_message(record.data, kinds[topic])
            except Exception as error:  # rclpy raises what its type support raises
                raise refuse("unreadable", f"{topic}: a message cannot be read: {error}") from error
            if isinstance(message, PlannedChunk):
                self._planned(message)
            elif message.source == "policy" and isinstance(message, ActionChunk):
                self.starts_ns.setdefault((message.episode, message.chunk), convert.stamp_ns(message))
            elif message.source == "policy":
                joined = reports.add(message.arm, message.episode, message.chunk, _executed(message))
                if joined is not None and all(part is not None for part in joined):
                    self.executed[message.episode, message.chunk] = np.concatenate(joined, axis=1)
        return Account(self.plans, self.starts_ns, self._whole_chunks())

    def _kinds(self) -> Mapping[str, Any]:
        kinds: dict[str, Any] = {}
        for topic in sorted(self.scan.topics()):
            if topic == PLAN:
                kinds[topic] = PlannedChunk
            elif match := _COMMAND.fullmatch(topic):
                if match[1] == self.rig.arms[0].name:
                    kinds[topic] = ActionChunk
            elif _REPORT.fullmatch(topic):
                kinds[topic] = ChunkReport
        for topic, kind in list(kinds.items()):
            try:
                recorded.require_type(self.scan, topic, kind)
            except BadBagError as error:
                self.notes.append(f"left out {topic}: {error.problems[0].text}")
                del kinds[topic]
        return kinds

    def _planned(self, message: PlannedChunk) -> None:
        times = convert.stamp_ns(message), convert.time_ns(message.chunk_start)
        before = PlannedBefore(message.mode, convert.plan(message), *times)
        self.plans.setdefault((message.episode, message.chunk), before)

    def _whole_chunks(self) -> dict[tuple[int, int], Any]:
        """An episode's last chunk may have been cut short: it is no chunk to compare with."""
        shape = (self.task.action.chunk, self.task.action.dim)
        return {key: rows for key, rows in self.executed.items() if rows.shape == shape}


def _executed(message: ChunkReport) -> Any:
    if message.status != ChunkReport.EXECUTED or message.dim < 1:
        return None
    return convert.matrix(message.executed, int(message.dim), f"/arms/{message.arm}/report: executed")
