"""The first thing that every request meets: is it for us, from us, not too often, and who is it?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from zprl_web import pages, private
from zprl_web.access import OPERATOR, SESSION_S, Doors, Guest, Guests, Limits, Links

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_GUEST: Any = web.RequestKey("guest", Guest) if hasattr(web, "RequestKey") else "guest"
"""Ubuntu 24.04's aiohttp, as all before 3.14, has plain words for keys."""


def guest_of(request: web.Request) -> Guest:
    """Who has sent a request that the gate has let through."""
    found: Guest = request[_GUEST]
    return found


class Gate:
    """Lets guests in, and nobody else.

    Args:
        name: what people call the page.
        doors: the names by which the server is reached.
        url: its origin, for links.
        cookie: the cookie's name.
        folder: private; keeps the open link and who is in, over a restart.
        features: of the device that the page may use, see `pages.headers`.
    """

    def __init__(
        self, name: str, doors: Doors, url: str, cookie: str, folder: Path, features: str = ""
    ) -> None:
        self._name, self._doors, self._url, self._cookie, self._folder = name, doors, url, cookie, folder
        self._links = Links()
        self._guests = Guests(private.read_json(folder / "guests.json"))
        self._requests, self._failures = Limits(10.0, 60.0), Limits(0.1, 5.0)
        self._headers = pages.headers(url.replace("http", "ws", 1), features)
        self._disk = ThreadPoolExecutor(1)  # which may be slow: stops come through the server's loop
        self._write_link()

    def _write_link(self) -> None:
        """Put a fresh operator's link where only this user can read it."""
        private.write_private(self._folder / "link", f"{self.invite(OPERATOR)}\n".encode())

    def invite(self, role: str) -> str:
        """A link that lets one browser in."""
        return f"{self._url}/in?token={self._links.mint(role, time.time())}"

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """Puts the headers on every answer."""
        response.headers.update(self._headers)

    def middleware(self) -> Middleware:
        """What aiohttp calls around every handler."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            source = request.remote or ""
            if not self._requests.take(source, time.monotonic()):
                return _refuse(429, "too many requests; wait a few seconds")
            if refusal := self._foreign(request):
                return _refuse(403, refusal)
            if request.path == "/in":
                return await handler(request)
            guest = self._guests.find(request.cookies.get(self._cookie, ""), time.time())
            if guest is None:
                return self._not_in(401, "This browser has no session here, or it has ended.")
            request[_GUEST] = guest
            return await handler(request)

        return check

    def _foreign(self, request: web.Request) -> str:
        host = request.headers.get("Host")
        if refusal := self._doors.host_refused(host):
            return refusal
        changes = request.method != "GET" or request.headers.get("Upgrade", "").lower() == "websocket"
        origin = request.headers.get("Origin")
        return self._doors.origin_refused(origin, host or "", required=changes)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        """GET /in?token=...: the link, which works once."""
        source = request.remote or ""
        role = self._links.redeem(request.query.get("token", ""), time.time())
        if role is None:
            if not self._failures.take(source, time.monotonic()):
                return _refuse(429, "too many wrong links; wait a minute")
            return self._not_in(403, "This link was used already, is too old, or is not one of ours.")
        if role == OPERATOR:
            await self._in_turn(self._write_link)
        response = web.Response(status=303, headers={"Location": "/"})
        cookie = self._guests.admit(role, time.time())
        await self._keep()
        response.set_cookie(
            self._cookie,
            cookie,
            max_age=int(SESSION_S),
            path="/",
            secure=self._url.startswith("https"),
            httponly=True,
            samesite="Strict",
        )
        return response

    def dismiss(self, request: web.Request) -> None:
        """The guest logs out: the cookie is worth nothing from now on."""
        self._guests.dismiss(request.cookies.get(self._cookie, ""))

    async def leave(self, request: web.Request) -> web.StreamResponse:
        """What a guest who was dismissed is answered, once that is on the disk."""
        await self._keep()
        response = web.Response(status=204)
        response.del_cookie(self._cookie, path="/", secure=self._url.startswith("https"), httponly=True)
        return response

    def _not_in(self, status: int, why: str) -> web.Response:
        text = pages.NOT_IN.format(why=why, name=self._name, folder=self._folder.name)
        return web.Response(status=status, text=text, content_type="text/html")

    async def _keep(self) -> None:
        content = json.dumps(self._guests.dump(), indent=2).encode()
        await self._in_turn(private.write_private, self._folder / "guests.json", content)

    async def _in_turn(self, write: Callable[..., None], *arguments: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, write, *arguments)


def _refuse(status: int, why: str) -> web.Response:
    return web.Response(status=status, text=f"{why}\n")
