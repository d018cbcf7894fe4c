"""Hands labels and commands of people on to the session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from rclpy.client import Client
from std_srvs.srv import Trigger
from zprl_interfaces.srv import Label, SessionCommand

from zprl_web.connection import Verdict
from zprl_web.web_node import NoAnswer, WebNode

LABELS = ("success", "failure")
ANSWER_S, STOP_S = 3.0, 1.0
AT_ONCE_S = 0.15  # in which a session answers a stop that is not held up, by a disk for one


class SessionDesk:
    """The session's services, and those that stop the arms.

    Args:
        node: whose clients they are.
        arms: names of the rig's.
    """

    def __init__(self, node: WebNode, arms: Iterable[str]) -> None:
        self._node = node
        self._labels = node.create_client(Label, "/session/label")
        self._commands = node.create_client(SessionCommand, "/session/command")
        self._arm_stops = [node.create_client(Trigger, f"/arms/{name}/stop") for name in arms]

    async def ask(self, name: str, command_id: str, episode: int, author: str, value: str = "") -> Verdict:
        """A label or a command, in the web server's loop.

        Args:
            name: of the label or command. command_id: names it for good; sent again it counts once.
            episode: that its author saw. value: of a correction.

        Raises:
            NoAnswer: the session has not answered in time.
        """
        if name in LABELS:
            label = Label.Request(command_id=command_id, episode=episode, chunk=-1, label=name, author=author)
            return await self._answer(self._labels, label, ANSWER_S)
        command = SessionCommand.Request(
            command_id=command_id, episode=episode, command=name, value=value, author=author
        )
        return await (
            self._stop(command) if name == "stop" else self._answer(self._commands, command, ANSWER_S)
        )

    async def _stop(self, command: SessionCommand.Request) -> Verdict:
        """By the session; where that does not answer at once, by the arms themselves too."""
        session = asyncio.ensure_future(self._answer(self._commands, command, STOP_S))
        try:
            await asyncio.wait((session,), timeout=AT_ONCE_S)
            if session.done() and session.exception() is None:
                return session.result()
            calls = [self._node.ask_service(client, Trigger.Request(), STOP_S) for client in self._arm_stops]
            arms = asyncio.gather(*calls, return_exceptions=True)
            try:
                return await session
            except NoAnswer as error:
                if all(getattr(answer, "success", False) for answer in await arms):
                    return Verdict(True, f"{error}; the arms were stopped directly")
                raise NoAnswer(f"{error}, nor did every arm: use the hardware stop") from error
        finally:
            session.cancel()  # where the server ends meanwhile

    async def _answer(self, client: Client, request: Any, patience_s: float) -> Verdict:
        response = await self._node.ask_service(client, request, patience_s)
        return Verdict(bool(response.accepted), str(response.reason))
