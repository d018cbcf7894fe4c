# SPDX-License-Identifier: Apache-2.0
"""Reads a bag for a dataset or a replay: messages to the streams of a `Recording`. No node and no graph.

Messages are read with the installed types, as every node does, and a bag whose types have other hashes is
refused: the same bytes would be taken for something else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from mcap.records import Attachment, Channel, Message, Metadata, Schema
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image
from zprl_interfaces.msg import ArmState, Proprioception, SessionState

from zprl_bringup import convert
from zprl_core.bags.definitions import find_definition
from zprl_core.bags.episodes import EPISODE_RECORD, RUN_RECORD
from zprl_core.bags.foreign import foreign_records, is_foreign
from zprl_core.bags.labels import known_to_run
from zprl_core.bags.reading import Damage, Record, bag_file, records
from zprl_core.bags.rosbag2 import METADATA, read_metadata
from zprl_core.config import RigConfig, TaskConfig, load_rig
from zprl_core.data.problems import BadBagError, Problem, refuse
from zprl_core.data.recording import RUNNING, Recording, SessionEvent, Stream
from zprl_core.errors import ConfigError, DataError

SESSION, PROPRIOCEPTION = "/session/state", "/proprioception"
T = TypeVar("T")
MARGIN_NS = 3_000_000_000
"""Pictures that arrived this long before or after an episode ran are read as well: a snapshot looks back."""
Decode = Callable[[bytes], tuple[int, NDArray[Any]]]
"""Of a serialised message: its stamp, ns, and its sample."""


@dataclass
class Scan:
    """What one pass over a bag finds.

    Attributes:
        bag: its folder or file, as it was named.
        file: its MCAP file; None: a bag of another recorder.
        schemas, channels: by id.
        label: what its metadata says of run and episode.
        rig, task: its rig.yaml and task.yaml, empty where it has none.
        events: of the session.
        damage: what could not be read.
        begin_ns, end_ns: the first and the last arrival.
    """

    bag: Path
    file: Path | None
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    label: dict[str, str] = field(default_factory=dict)
    rig: bytes = b""
    task: bytes = b""
    events: list[SessionEvent] = field(default_factory=list)
    damage: Damage = field(default_factory=Damage)
    begin_ns: int = 0
    end_ns: int = 0

    def records(self) -> Iterator[Record]:
        """All of the bag once more."""
        return foreign_records(self.bag) if self.file is None else records(self.file, Damage())

    def topics(self) -> set[str]:
        """Names of its topics."""
        return {channel.topic for channel in self.channels.values()}


def read_recording(bag: Path, task: TaskConfig) -> Recording:
    """Read a bag.

    Args:
        bag: its folder, or its MCAP file.
        task: whose cameras are read.

    Raises:
        BadBagError: no bag, a topic that is missing or of another type, a message that cannot be read, a bag
            of lockstep, or one without its rig.
    """
    scan = scanned(bag)
    require_session(scan)
    if scan.label.get("lockstep") == "true":
        raise refuse("lockstep", "was recorded in lockstep, where cameras are seen once a chunk; record with "
                     "--realtime")  # fmt: skip
    return recording(scan, rig_of(scan), task, [arm_topic(arm.name) for arm in rig_of(scan).arms])


def recording(scan: Scan, rig: RigConfig, task: TaskConfig, states: Collection[str]) -> Recording:
    """The second pass: the streams that a task needs.

    Args:
        scan: the first pass. rig, task: whose.
        states: topics of the arms' states that are read.

    Raises:
        BadBagError: a topic is missing or of another type, or a message cannot be read.
    """
    streams = _streams(scan, _decoders(scan, states, task))
    names = {view.name: _image_topic(scan, view.name) for view in task.observation.cameras}
    return Recording(
        path=scan.bag,
        label=scan.label,
        rig=rig,
        cameras={name: streams[topic] for name, topic in names.items()},
        proprioception=streams[PROPRIOCEPTION],
        setpoints={
            arm.name: streams[arm_topic(arm.name)] for arm in rig.arms if arm_topic(arm.name) in states
        },
        events=scan.events,
        damage=_damage(scan),
        end_ns=scan.end_ns,
    )


def arm_topic(arm: str) -> str:
    """Where an arm's states are."""
    return f"/arms/{arm}/state"


def scanned(bag: Path) -> Scan:
    """The first pass: everything but pictures and states.

    Raises:
        BadBagError: it cannot be read.
    """
    try:
        return _scan(Scan(bag, None if is_foreign(bag) else bag_file(bag)))
    except BadBagError:
        raise
    except DataError as error:
        raise refuse("unreadable", str(error)) from error


def _scan(scan: Scan) -> Scan:
    for record in _records(scan):
        if isinstance(record, Metadata) and record.name in (RUN_RECORD, EPISODE_RECORD):
            scan.label |= record.metadata
        elif isinstance(record, Attachment) and record.name == "rig.yaml":
            scan.rig = record.data
        elif isinstance(record, Attachment) and record.name == "task.yaml":
            scan.task = record.data
        elif isinstance(record, Message):
            scan.begin_ns = min(scan.begin_ns or record.log_time, record.log_time)
            scan.end_ns = max(scan.end_ns, record.log_time)
            if scan.channels[record.channel_id].topic == SESSION:
                if not scan.events:
                    require_type(scan, SESSION, SessionState)
                scan.events.append(_event(record))
    folder = scan.bag if scan.file is None else scan.file.parent
    if (folder / METADATA).exists():
        scan.label |= read_metadata(folder).get("custom_data") or {}
    scan.label |= known_to_run(folder)
    return scan


def _records(scan: Scan) -> Iterator[Record]:
    for record in foreign_records(scan.bag) if scan.file is None else records(scan.file, scan.damage):
        if isinstance(record, Schema):
            scan.schemas[record.id] = record
        elif isinstance(record, Channel):
            scan.channels[record.id] = record
        yield record


def _event(record: Message) -> SessionEvent:
    try:
        message = deserialize_message(record.data, SessionState)
    except Exception as error:  # rclpy raises what its type support raises
        raise refuse("unreadable", f"{SESSION}: a message cannot be read: {error}") from error
    return SessionEvent(
        state=message.state,
        episode=message.episode,
        block=message.block,
        mode=message.mode,
        since_ns=convert.time_ns(message.since),
        log_ns=record.log_time,
        outcome=message.outcome,
        author=message.author,
        layout=message.layout,
    )


def rig_of(scan: Scan) -> RigConfig:
    """The rig as it was recorded.

    Raises:
        BadBagError: the bag does not say.
    """
    return attached(scan.rig, "rig.yaml", load_rig, "what was recorded under which calibration")


def attached(content: bytes, name: str, load: Callable[[str], T], says: str) -> T:
    """What a YAML file holds that is attached to a bag.

    Args:
        content: of the file, empty where there is none. name: of the file. load: reads it by its path.
        says: what is not known without it, for the message.

    Raises:
        BadBagError: there is none, or it cannot be read.
    """
    if not content:
        raise refuse("rig", f"has no attachment {name}, which says {says}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return load(str(path))
        except ConfigError as error:
            raise refuse("rig", f"its {name} cannot be read: {error}") from error


def _decoders(scan: Scan, states: Collection[str], task: TaskConfig) -> dict[str, Decode]:
    """What reads each topic that is needed.

    Raises:
        BadBagError: topics that are missing, and such of another type; all of them.
    """
    wanted: dict[str, tuple[type, Decode]] = {PROPRIOCEPTION: (Proprioception, _vector)}
    wanted |= dict.fromkeys(states, (ArmState, _setpoint))
    for view in task.observation.cameras:
        topic = _image_topic(scan, view.name)
        wanted[topic] = (CompressedImage, _jpeg) if topic.endswith("/compressed") else (Image, _image)
    have = scan.topics()
    problems = [
        Problem("stream", f"has no {topic}; it has {', '.join(sorted(have)) or 'no topic at all'}")
        for topic in wanted
        if topic not in have
    ]
    for topic, (kind, _) in wanted.items():
        try:
            require_type(scan, topic, kind)
        except BadBagError as error:
            problems += error.problems
    if problems:
        raise BadBagError(problems)
    return {topic: decode for topic, (_, decode) in wanted.items()}


def _image_topic(scan: Scan, camera: str) -> str:
    topic = f"/cameras/{camera}/image"
    compressed = f"{topic}/compressed"
    have = scan.topics()
    return compressed if compressed in have and topic not in have else topic


def first_picture(bag: Path, camera: str) -> NDArray[np.uint8]:
    """The first picture of a camera in a bag, uint8 (h, w, 3), RGB.

    Raises:
        BadBagError: there is none, or it cannot be read.
    """
    scan = scanned(bag)
    topic = _image_topic(scan, camera)
    decode = _jpeg if topic.endswith("/compressed") else _image
    for record in scan.records():
        if isinstance(record, Message) and scan.channels[record.channel_id].topic == topic:
            return decode(record.data)[1]
    raise refuse("stream", f"has no message of {topic}")


def require_session(scan: Scan) -> None:
    """Refuse a bag that does not say when an episode ran.

    Raises:
        BadBagError: it does not.
    """
    if not scan.events:
        raise refuse("stream", f"has no message of {SESSION}, which says when an episode ran")


def require_type(scan: Scan, topic: str, kind: type) -> None:
    """Refuse a topic of another type than the installed one, by its hash or, without one, by its text. A bag
    of Humble in sqlite3 has neither.

    Raises:
        BadBagError: another type.
    """
    module = kind.__module__.split(".")[0]
    installed = find_definition(f"{module}/msg/{kind.__name__}")
    for channel in scan.channels.values():
        if channel.topic != topic:
            continue
        schema = scan.schemas[channel.schema_id]
        if schema.name != installed.type_name:
            raise refuse("version", f"{topic} is {schema.name}, expected {installed.type_name}")
        found = channel.metadata.get("topic_type_hash", "")
        text = schema.data.decode(errors="replace")
        if found and installed.hash and found != installed.hash:
            raise refuse(
                "version",
                f"{topic}: {schema.name} has hash {found[:24]}.., installed is {installed.hash[:24]}..",
            )
        if not (found and installed.hash) and text and _bare(text) != _bare(installed.text):
            raise refuse("version", f"{topic}: the definition of {schema.name} is not the installed one")


def _bare(definition: str) -> list[str]:
    """Its fields, without comments and empty lines."""
    lines = [line.partition("#")[0].split() for line in definition.splitlines()]
    return [" ".join(words) for words in lines if words]


def _streams(scan: Scan, decoders: dict[str, Decode]) -> dict[str, Stream]:
    """The second pass: samples of the topics that are needed, pictures only where an episode was running."""
    running = [event.log_ns for event in scan.events if event.state == RUNNING]
    spans = _spans(scan) if running else []
    rows: dict[str, tuple[list[int], list[int], list[Any]]] = {topic: ([], [], []) for topic in decoders}
    for record in scan.records():
        if not isinstance(record, Message) or (topic := scan.channels[record.channel_id].topic) not in rows:
            continue
        if not any(begin <= record.log_time <= end for begin, end in spans):
            continue
        try:
            stamp_ns, sample = decoders[topic](record.data)
        except Exception as error:  # rclpy raises what its type support raises
            raise refuse("unreadable", f"{topic}: a message cannot be read: {error}") from error
        for values, value in zip(rows[topic], (stamp_ns, record.log_time, sample), strict=True):
            values.append(value)
    silent = [topic for topic, (stamps, _, _) in rows.items() if not stamps] if spans else []
    if silent:
        raise BadBagError(Problem("stream", f"{topic}: no message while an episode ran") for topic in silent)
    return {
        topic: Stream(topic, np.array(stamps, np.int64), np.array(logs, np.int64), samples)
        for topic, (stamps, logs, samples) in rows.items()
    }


def _spans(scan: Scan) -> list[tuple[int, int]]:
    """Times of arrival between which samples are read."""
    spans: list[tuple[int, int]] = []
    begun: int | None = None
    for event in scan.events:
        if event.state == RUNNING and begun is None:
            begun = event.log_ns
        elif event.state != RUNNING and begun is not None:
            spans.append((begun - MARGIN_NS, event.log_ns + MARGIN_NS))
            begun = None
    return spans if begun is None else [*spans, (begun - MARGIN_NS, scan.end_ns)]


def _damage(scan: Scan) -> str:
    damage = scan.damage
    if scan.file is None or (damage.none and (scan.file.parent / METADATA).exists()):
        return ""
    parts = []
    if not damage.finished:
        parts.append(f"was cut off, {damage.lost_bytes} bytes at its end are no record")
    if damage.chunks:
        parts.append(f"has {len(damage.chunks)} damaged chunks")
    if damage.missing:
        parts.append(f"lacks {damage.missing} messages")
    return ", ".join(parts) or f"has no {METADATA}"


def _vector(data: bytes) -> tuple[int, NDArray[np.float64]]:
    message = deserialize_message(data, Proprioception)
    return convert.stamp_ns(message), convert.vector(message.q)


def _setpoint(data: bytes) -> tuple[int, NDArray[np.float64]]:
    message = deserialize_message(data, ArmState)
    position, quaternion = convert.pose_arrays(message.setpoint_base_tcp)
    return convert.stamp_ns(message), np.array([*position, *quaternion, message.setpoint_width_m])


def _image(data: bytes) -> tuple[int, NDArray[np.uint8]]:
    message = deserialize_message(data, Image)
    return convert.stamp_ns(message), convert.image_array(message)


def _jpeg(data: bytes) -> tuple[int, NDArray[np.uint8]]:
    message = deserialize_message(data, CompressedImage)
    picture = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise DataError(f"{message.format}: not a picture")
    return convert.stamp_ns(message), cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
