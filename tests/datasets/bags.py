# SPDX-License-Identifier: Apache-2.0
"""Bags of made-up episodes, written by the recorder's own writer: what is wrong with one is an argument."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rclpy.serialization import serialize_message
from zprl_interfaces.msg import ArmState, Proprioception, SessionState

from zprl_bringup import convert
from zprl_core.bags.definitions import ENCODING, find_definition
from zprl_core.bags.episodes import RUN_RECORD
from zprl_core.bags.rosbag2 import Topic, write_metadata
from zprl_core.bags.writer import McapFile
from zprl_core.config import TaskConfig, load_rig, load_task
from zprl_recorder import pictures

SECOND = 1_000_000_000
BEGIN_NS = 1_700_000_000 * SECOND
RATE_HZ, STATES_HZ = 30, 60
LATE_NS = 5_000_000
IMAGE, STATE, VECTOR, SESSION = (
    "/cameras/third_view/image",
    "/arms/arm/state",
    "/proprioception",
    "/session/state",
)


def task() -> TaskConfig:
    """Small pictures; no sample may be older than 0.2 s."""
    demo = load_task("place_orange_demo")
    view = replace(demo.observation.cameras[0], height=20, width=24, crop_height=16, crop_width=20)
    return replace(demo, observation=replace(demo.observation, cameras=(view,)))


def picture(n: int, size: tuple[int, int] = (20, 24)) -> np.ndarray:
    """The n-th picture: its pixels tell which one it is."""
    return np.full((*size, 3), (n % 256, n // 256, 7), dtype=np.uint8)


@dataclass
class Event:
    """One message of the session."""

    at_s: float
    state: str
    episode: int = 0
    outcome: str = ""


@dataclass
class Made:
    """A made-up bag.

    Attributes:
        length_s: how long the streams go on, from one second before the episode runs.
        events: of the session; at_s counts from the beginning of the streams.
        label: custom_data; None: metadata.yaml is missing.
        task: attached too, as the recorder does; None: not.
        change: may change (topic, stamp_ns, message), or drop it (None).
    """

    length_s: float = 4.0
    events: tuple[Event, ...] = (
        Event(0.0, "resetting"),
        Event(1.0, "running"),
        Event(3.0, "labelled", outcome="success"),
    )
    label: dict[str, str] | None = field(default_factory=lambda: {"episode": "0", "outcome": "success"})
    run: dict[str, str] = field(default_factory=lambda: {"lead_steps": "2", "lockstep": "false"})
    rig: dict[str, Any] = field(default_factory=lambda: load_rig("sim_xarm6").to_dict())
    task: dict[str, Any] | None = None
    size: tuple[int, int] = (20, 24)
    jpeg: bool = False
    type_hash: dict[str, str] = field(default_factory=dict)
    change: Callable[[str, int, Any], Any] = lambda _topic, _stamp, message: message
    late_ns: Callable[[str, int], int] = lambda _topic, _stamp: LATE_NS

    def write(self, folder: Path) -> Path:
        """Write it; returns its folder."""
        folder.mkdir(parents=True)
        file = McapFile(folder / f"{folder.name}_0.mcap")
        file.add_metadata(RUN_RECORD, self.run)
        file.attach("rig.yaml", yaml.safe_dump(self.rig).encode())
        if self.task is not None:
            file.attach("task.yaml", yaml.safe_dump(self.task).encode())
        channels: dict[str, int] = {}
        for log_ns, topic, message in sorted(self._messages(), key=lambda each: each[0]):
            data = bytes(serialize_message(message))
            if topic == IMAGE and self.jpeg:
                topic, data = f"{IMAGE}/compressed", pictures.compress(data, 95)
            if topic not in channels:
                channels[topic] = self._channel(file, topic, message)
            file.write(channels[topic], data, log_ns, log_ns, 0)
        file.finish()
        if self.label is not None:
            write_metadata(folder, file.path.name, file.contents, self.label, "kilted")
        return folder

    def _channel(self, file: McapFile, topic: str, message: Any) -> int:
        kind = type(message)
        name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
        definition = find_definition(pictures.COMPRESSED if topic.endswith("/compressed") else name)
        type_hash = self.type_hash.get(topic, definition.hash)
        return file.add_topic(Topic(topic, definition.type_name, "", type_hash), definition.text, ENCODING)

    def _messages(self) -> Iterator[tuple[int, str, Any]]:
        for topic, stamp, message in self._stamped():
            changed = self.change(topic, stamp, message)
            if changed is not None:
                yield stamp + self.late_ns(topic, stamp), topic, changed

    def _stamped(self) -> Iterator[tuple[str, int, Any]]:
        for event in self.events:
            at_ns = BEGIN_NS + round(event.at_s * SECOND)
            yield (
                SESSION,
                at_ns,
                SessionState(
                    header=convert.header(at_ns),
                    state=event.state,
                    episode=event.episode,
                    outcome=event.outcome,
                    since=convert.time_message(at_ns),
                ),
            )
        for n in range(round(self.length_s * RATE_HZ)):
            stamp = BEGIN_NS + n * SECOND // RATE_HZ
            yield IMAGE, stamp, convert.image_message(picture(n, self.size), stamp, "camera_third_view")
        for n in range(round(self.length_s * STATES_HZ)):
            stamp = BEGIN_NS + n * SECOND // STATES_HZ
            yield (
                VECTOR,
                stamp,
                Proprioception(header=convert.header(stamp), q=convert.doubles(np.full(7, float(n)))),
            )
            yield STATE, stamp, _state(stamp, n)


def _state(stamp: int, n: int) -> ArmState:
    pose = convert.pose_message((0.001 * n, 0.2, 0.3), (0.0, 1.0, 0.0, 0.0))
    return ArmState(
        header=convert.header(stamp), arm="arm", setpoint_base_tcp=pose, setpoint_width_m=0.0001 * n
    )
