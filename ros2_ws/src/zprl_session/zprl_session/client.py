"""Asks a running session from outside the graph; see `zprl session`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any

import rclpy
from rclpy.node import Node
from zprl_interfaces.msg import SessionState
from zprl_interfaces.srv import Label, SessionCommand

from zprl_bringup import qos
from zprl_core.errors import SessionError
from zprl_core.session import Answer

PATIENCE_S = 10.0
QUIET_S = 0.1  # without another of the states that are kept for who comes late: the last one is the newest
_EXECUTING = -1


class SessionClient:
    """A short-lived node. The graph's ROS settings must be in the environment before rclpy is loaded.

    Args:
        author: who labels and commands.
    """

    def __init__(self, author: str) -> None:
        self._author = author
        self._state: SessionState | None = None

    def __enter__(self) -> SessionClient:
        """Find the session.

        Raises:
            SessionError: it does not answer.
        """
        rclpy.init()
        self._node = Node(f"session_client_{uuid.uuid4().hex[:8]}")
        self._node.create_subscription(SessionState, "/session/state", self._on_state, qos.changes())
        self._labels = self._node.create_client(Label, "/session/label")
        self._commands = self._node.create_client(SessionCommand, "/session/command")
        try:
            self._wait(lambda: self._state is not None and self._commands.service_is_ready())
            self._catch_up()
        except SessionError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the graph."""
        self._node.destroy_node()
        rclpy.shutdown()

    def describe(self, place: Callable[[int, str], str]) -> str:
        """The session's state for people.

        Args:
            place: what they are told of where an episode stands, from its number and the name of its block.
        """
        state = self._seen()
        facts = [f"episode {state.episode} ({place(state.episode, state.block)}): {state.state}"]
        facts += [state.outcome and f"outcome: {state.outcome} by {state.author}", state.layout, state.reason]
        facts.append(f"possible: {', '.join(state.possible)}")
        return "\n".join(filter(None, facts))

    def label(self, label: str) -> Answer:
        """Success or failure for the present episode."""
        request = Label.Request(
            command_id=uuid.uuid4().hex,
            episode=self._seen().episode,
            chunk=_EXECUTING,
            label=label,
            author=self._author,
        )
        return self._ask(self._labels, request)

    def command(self, command: str, value: str = "", episode: int | None = None) -> Answer:
        """A command for an episode, the present one by default."""
        request = SessionCommand.Request(
            command_id=uuid.uuid4().hex,
            episode=self._seen().episode if episode is None else episode,
            command=command,
            value=value,
            author=self._author,
        )
        return self._ask(self._commands, request)

    def _seen(self) -> SessionState:
        assert self._state is not None
        return self._state

    def _on_state(self, message: SessionState) -> None:
        if self._state is None or message.sequence >= self._state.sequence:
            self._state = message

    def _catch_up(self) -> None:
        seen = None
        while seen is not self._state:
            seen, end_s = self._state, time.monotonic() + QUIET_S
            while time.monotonic() < end_s:
                rclpy.spin_once(self._node, timeout_sec=0.02)

    def _ask(self, client: Any, request: Any) -> Answer:
        future = client.call_async(request)
        self._wait(future.done)
        answer = future.result()
        return Answer(answer.accepted, answer.reason)

    def _wait(self, ready: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not ready():
            if time.monotonic() > end_s:
                raise SessionError(
                    f"the session did not answer within {PATIENCE_S:g} s; is it still starting?"
                )
            rclpy.spin_once(self._node, timeout_sec=0.1)
