"""A browser and its pages, as the server meets them."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from tests.panel.bench import RUN, Running

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Mobile/15E148"


@contextlib.asynccontextmanager
async def browser(
    panel: Running, *, link: str | None = "", agent: str = ""
) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser that went through the link: an operator's, another one, or none (None)."""
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"User-Agent": agent} if agent else {}
    async with aiohttp.ClientSession(panel.url, cookie_jar=jar, headers=headers) as client:
        if link is not None:
            async with client.get(link or panel.link) as response:
                assert response.status == 200, await response.text()
        yield client


class Page:
    """One page of a browser, as far as the server can tell."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, page: str) -> None:
        self.socket, self.page = socket, page
        self.seen: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def command(
        self, name: str, episode: int = 0, *, id: str = "", run: str = RUN, **more: Any
    ) -> dict[str, Any]:
        """Send a command and wait for what became of it."""
        id = id or str(uuid.uuid4())
        await self.say(type="command", id=id, run=run, episode=episode, name=name, **more)
        return await self.until("answer", lambda message: message["id"] == id)

    async def until(
        self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True
    ) -> dict[str, Any]:
        """The next message of a kind."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            message = await self.socket.receive(timeout=5.0)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise AssertionError(f"closed: {message.data} {message.extra}")
            found: dict[str, Any] = json.loads(message.data)
            if found["type"] == kind and fits(found):
                return found
        raise AssertionError(f"no message of type {kind} that fits within 5 s")

    async def take_seat(self, over: str = "") -> None:
        await self.say(type="seat", action="take", over=over)
        await self.until("seat", lambda seat: seat["yours"])


@contextlib.asynccontextmanager
async def page(
    client: aiohttp.ClientSession, panel: Running, *, had_seat: bool = False, id: str = ""
) -> AsyncIterator[Page]:
    """A page with its WebSocket."""
    async with client.ws_connect("/ws", headers={"Origin": panel.url}) as connected:
        made = Page(connected, id or str(uuid.uuid4()))
        await made.say(type="hello", page=made.page, had_seat=had_seat)
        await made.until("welcome")
        yield made


def cookies(client: aiohttp.ClientSession) -> dict[str, str]:
    """What a browser would send."""
    return {morsel.key: morsel.value for morsel in client.cookie_jar}
