# SPDX-License-Identifier: Apache-2.0
"""What rosbag2 wants to know about a bag: metadata.yaml, and QoS profiles in its notation.

Version 8 is written. It is the newest one whose QoS profiles are a text: Humble (which writes 5) and Iron (7)
read that text and ignore keys that they do not know, Jazzy and Kilted (9) still take it. It has custom_data
and type hashes. Humble cannot open version 9, where the profiles are a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zprl_core.errors import DataError
from zprl_core.run_folder import write_text

VERSION = 8
METADATA = "metadata.yaml"
DISTRO = "kilted"
"""The release whose wheels this library is installed with, for bags written where ROS_DISTRO is not set."""
RECORD, DISTRO_KEY = "rosbag2", "ROS_DISTRO"
"""Metadata record of an MCAP file; without it Jazzy takes its QoS profiles for those of version 9."""
_ROOT = "rosbag2_bagfile_information"
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Qos:
    """A publisher's QoS profile in rmw's numbers; durations in ns, 2**63 - 1 is for ever.

    Attributes:
        history: 1 keep last, 2 keep all, 3 unknown, which is all that discovery tells.
        depth: 0 where the history is unknown.
        reliability: 1 reliable, 2 best effort.
        durability: 1 transient local, 2 volatile.
        liveliness: 1 automatic.
    """

    history: int = 3
    depth: int = 0
    reliability: int = 1
    durability: int = 2
    liveliness: int = 1
    deadline_ns: int = 2**63 - 1
    lifespan_ns: int = 2**63 - 1
    lease_ns: int = 2**63 - 1


@dataclass
class Topic:
    """A topic of a bag.

    Attributes:
        name, type_name: such as /arms/arm/state and zprl_interfaces/msg/ArmState.
        qos: what its publishers offer, see `qos_text`.
        type_hash: see `Definition.hash`.
        messages: how many the bag has.
    """

    name: str
    type_name: str
    qos: str = ""
    type_hash: str = ""
    messages: int = 0


@dataclass
class Contents:
    """What is in a bag: its topics, and log times in ns, 0 where it has no message."""

    topics: list[Topic] = field(default_factory=list)
    start_ns: int = 0
    end_ns: int = 0

    @property
    def messages(self) -> int:
        """Messages of all topics."""
        return sum(topic.messages for topic in self.topics)

    def count(self, topic: Topic, log_ns: int) -> None:
        """Take in a message of one of the topics."""
        self.start_ns = min(self.start_ns or log_ns, log_ns)
        self.end_ns = max(self.end_ns, log_ns)
        topic.messages += 1


def qos_text(profiles: Sequence[Qos]) -> str:
    """QoS profiles as the YAML that channels of an MCAP file and metadata.yaml of version 8 hold."""
    return yaml.safe_dump([_profile(qos) for qos in profiles], sort_keys=False) if profiles else ""


def _profile(qos: Qos) -> dict[str, Any]:
    return {
        "history": qos.history,
        "depth": qos.depth,
        "reliability": qos.reliability,
        "durability": qos.durability,
        "deadline": _duration(qos.deadline_ns),
        "lifespan": _duration(qos.lifespan_ns),
        "liveliness": qos.liveliness,
        "liveliness_lease_duration": _duration(qos.lease_ns),
        "avoid_ros_namespace_conventions": False,
    }


def _duration(duration_ns: int) -> dict[str, int]:
    seconds, nanoseconds = divmod(duration_ns, _SECOND_NS)
    return {"sec": seconds, "nsec": nanoseconds}


def write_metadata(
    folder: Path, file: str, contents: Contents, custom: Mapping[str, str], distro: str
) -> None:
    """Write metadata.yaml, in one piece.

    Args:
        folder: of the bag.
        file: name of its MCAP file.
        contents: what that file holds.
        custom: what stands in custom_data.
        distro: release of ROS 2.

    Raises:
        OSError: it cannot be written.
    """
    times = {
        "duration": {"nanoseconds": contents.end_ns - contents.start_ns},
        "starting_time": {"nanoseconds_since_epoch": contents.start_ns},
        "message_count": contents.messages,
    }
    information = {
        "version": VERSION,
        "storage_identifier": "mcap",
        **times,
        "topics_with_message_count": [
            {"topic_metadata": _topic(topic), "message_count": topic.messages} for topic in contents.topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file],
        "files": [{"path": file, **times}],
        "custom_data": dict(custom),
        "ros_distro": distro,
    }
    _write(folder, information)


def _topic(topic: Topic) -> dict[str, str]:
    return {
        "name": topic.name,
        "type": topic.type_name,
        "serialization_format": "cdr",
        "offered_qos_profiles": topic.qos,
        "type_description_hash": topic.type_hash,
    }


def read_metadata(folder: Path) -> dict[str, Any]:
    """What stands in a bag's metadata.yaml, without its one outermost key.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / METADATA
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = dict(data[_ROOT])
        dict(found.get("custom_data") or {})
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: has no {METADATA}: a recording that was not finished. Restore it with "
            f"`zprl bag recover {folder}`"
        ) from error
    except (OSError, yaml.YAMLError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read: {error!r}. Remove it; `zprl bag recover {folder}` makes it anew"
        ) from error
    return found


def change_custom_data(folder: Path, changes: Mapping[str, str]) -> None:
    """Replace entries of custom_data, in one piece; everything else stays.

    Raises:
        DataError: see `read_metadata`.
        OSError: it cannot be written.
    """
    information = read_metadata(folder)
    information["custom_data"] = {**(information.get("custom_data") or {}), **changes}
    _write(folder, information)


def _write(folder: Path, information: Mapping[str, Any]) -> None:
    write_text(folder / METADATA, yaml.safe_dump({_ROOT: dict(information)}, sort_keys=False, width=1 << 16))
