"""Which topics are recorded, how they are subscribed to, and what a bag says about them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from zprl_core.bags.rosbag2 import Qos
from zprl_core.errors import DataError

DEPTH = 1024
"""Messages that may wait in a subscription while the disk makes the recorder wait."""
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
