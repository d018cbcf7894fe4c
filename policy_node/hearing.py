"""Whether a chunk would reach the arms' bridges. Others listen too, such as a recorder, and do not count."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node
from rclpy.publisher import Publisher

_UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""Of an endpoint that was found before its node's name came: two of these are not the same node."""


class Hearing:
    """Looks at the ROS graph; once every bridge was found, only where its numbers have changed.

    Args:
        node: whose view of the graph it is.
        commands: by arm, the publishers of /arms/<arm>/command.
    """

    def __init__(self, node: Node, commands: Mapping[str, Publisher]) -> None:
        self._node, self._commands = node, commands
        self._heard_by: tuple[int, ...] | None = None

    def deaf(self) -> list[str]:
        """The arms whose commands do not reach every bridge: each listens to what every arm is told."""
        counts = tuple(
            count
            for arm, chunks in self._commands.items()
            for count in (chunks.get_subscription_count(), self._node.count_publishers(_state(arm)))
        )
        if counts == self._heard_by:
            return []
        states = [self._node.get_publishers_info_by_topic(_state(arm)) for arm in self._commands]
        bridges = {_name(each) for infos in states for each in infos}
        found = zip(self._commands, states, strict=True)
        missing = [arm for arm, infos in found if not infos or any(map(_unnamed, infos))]
        deaf = missing or [arm for arm in self._commands if not self._reaches(arm, bridges)]
        self._heard_by = None if deaf else counts
        return deaf

    def _reaches(self, arm: str, bridges: set[str]) -> bool:
        listeners = self._node.get_subscriptions_info_by_topic(f"/arms/{arm}/command")
        matched = self._commands[arm].get_subscription_count() >= len(listeners)
        return matched and bridges <= {_name(each) for each in listeners}


def _state(arm: str) -> str:
    return f"/arms/{arm}/state"


def _unnamed(endpoint: object) -> bool:
    return endpoint.node_name == _UNKNOWN  # type: ignore[attr-defined]


def _name(endpoint: object) -> str:
    return f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"  # type: ignore[attr-defined]
