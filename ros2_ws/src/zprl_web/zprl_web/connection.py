"""One page's WebSocket: what goes out, without ever waiting for a page that does not read."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import WSCloseCode, web

from zprl_web.fields import ProtocolError

SLOW_S = 3.0
"""A page that takes longer than this to take one message is dropped."""
MOST_WAITING = 64
HELLO_S, PING_S = 5.0, 4.0
Hello = TypeVar("Hello")


@dataclass(frozen=True)
class Person:
    """Who sends something.

    Attributes:
        page: id of one page in one browser; a reload keeps it, a second tab has another one.
        name: of the guest.
        role: operator or viewer.
        phone: whether the browser is a phone's.
    """

    page: str
    name: str
    role: str
    phone: bool


@dataclass(frozen=True)
class Verdict:
    """Yes, or no and why."""

    ok: bool
    reason: str = ""


class Connection:
    """Newest state, pending answers and pictures for one page.

    Of each kind of state only the newest is kept until the page can take it; answers are kept all, up to
    `MOST_WAITING`. A page that is too slow for either is dropped.
    """

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, person: Person
    ) -> None:
        self.person = person
        self._socket, self._transport = socket, transport
        self._states: dict[str, str] = {}
        self._answers: deque[str] = deque()
        self._pictures: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def show(self, kind: str, text: str) -> None:
        """The newest state of a kind, already JSON."""
        self._states[kind] = text
        self._wake.set()

    def say(self, kind: str, **content: Any) -> None:
        """Something that must arrive."""
        self._answers.append(json.dumps({"type": kind, **content}))
        self._wake.set()
        if len(self._answers) > MOST_WAITING:
            self.drop()

    def picture(self, content: bytes) -> None:
        """A picture for which the page gave a credit."""
        self._pictures.append(content)
        self._wake.set()

    def drop(self) -> None:
        """Cut the line, without waiting for anything to be sent."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self, reason: str) -> None:
        """End it politely, and tell the page why."""
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=reason.encode()[:120])

    async def pump(self) -> None:
        """Send what there is, until the page is gone or too slow."""
        while not self._socket.closed:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._send_all()
            except (asyncio.TimeoutError, ConnectionError, RuntimeError):
                self.drop()
                return

    async def _send_all(self) -> None:
        while self._answers or self._states or self._pictures:
            if self._answers:
                sending = self._socket.send_str(self._answers.popleft())
            elif self._states:
                sending = self._socket.send_str(self._states.pop(next(iter(self._states))))
            else:
                sending = self._socket.send_bytes(self._pictures.popleft())
            await asyncio.wait_for(sending, SLOW_S)


async def greet(
    request: web.Request, largest: int, read: Callable[[str], Hello]
) -> tuple[web.WebSocketResponse, Hello | None]:
    """Open a page's WebSocket and read its first message.

    Args:
        request: for it. largest: message, in bytes.
        read: makes a hello of the text, or raises ProtocolError.

    Returns:
        The socket, and the hello; None where the socket was closed because it was none, or did not come.
    """
    socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=largest, compress=False)
    await socket.prepare(request)
    try:
        return socket, read(await asyncio.wait_for(socket.receive_str(), HELLO_S))
    except (ProtocolError, asyncio.TimeoutError, TypeError) as error:
        reason = str(error) or f"no hello came within {HELLO_S:g} s"
        await socket.close(code=1008, message=reason.encode()[:120])
        return socket, None
