"""Which topics are recorded, how they are subscribed to, and what a bag says about them."""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from zprl_core.bags.rosbag2 import Qos
from zprl_core.errors import DataError

DEPTH = 1024
"""Messages that may wait in a subscription while the disk makes the recorder wait."""
OBSERVATIONS = ("sensor_msgs/msg/Image", "zprl_interfaces/msg/Proprioception")
"""Types of what policies see. Their first field is a header with the time at which it was seen."""
_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
"""By the byte order that the serialised message (CDR) says it has."""
_OF_ROS = re.compile(r"^/(rosout|parameter_events)$|/transition_event$|/_")
"""ROS's own topics: log lines stand in RUN/logs, the rest is of no use afterwards."""


def wanted(topic: str, excluded: Sequence[str]) -> bool:
    """Whether a topic is recorded. Excluded ones may hold a * that stands for anything."""
    return not _OF_ROS.search(topic) and not any(fnmatchcase(topic, pattern) for pattern in excluded)


def message_class(type_name: str) -> Any:
    """The Python class of a message type such as std_msgs/msg/Header.

    Raises:
        DataError: its package is not installed, or has no such type.
    """
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"type '{type_name}': cannot be imported: {error}") from error


def subscription_profile(offers: Sequence[QoSProfile]) -> QoSProfile:
    """A profile that fits all of these publishers: as reliable, and with as much kept, as they all offer."""
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    kept = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE,
    )


def stamp_ns(data: bytes) -> int:
    """The stamp of a serialised message that begins with a header, without reading what may be a picture."""
    seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, 4)
    return int(seconds) * 10**9 + int(nanoseconds)


def offered(offers: Iterable[QoSProfile]) -> list[Qos]:
    """Publishers' profiles as a bag keeps them."""
    return [
        Qos(
            history=int(offer.history),
            depth=offer.depth,
            reliability=int(offer.reliability),
            durability=int(offer.durability),
            liveliness=int(offer.liveliness),
            deadline_ns=offer.deadline.nanoseconds,
            lifespan_ns=offer.lifespan.nanoseconds,
            lease_ns=offer.liveliness_lease_duration.nanoseconds,
        )
        for offer in offers
    ]
