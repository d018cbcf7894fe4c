"""Pages at a WebSocket, which ask the session and are sent pictures: what the servers of both kinds share."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web

from zprl_web.access import Bucket, Guest
from zprl_web.connection import Connection, Person, Verdict, greet
from zprl_web.fields import ProtocolError
from zprl_web.gate import guest_of
from zprl_web.messages import LARGEST_MESSAGE, Command, Hello, WantFrame
from zprl_web.pictures import Credits
from zprl_web.site import Place, Site
from zprl_web.stream import Stream
from zprl_web.web_node import NoAnswer


class Desk(Protocol):
    """The session and the cameras, as a server sees them."""

    async def ask(self, command: Command, author: str) -> Verdict:
        """Hand a label or a command on.

        Raises:
            NoAnswer: nobody answered in time.
        """

    def encode(self, camera: str) -> bytes:
        """The newest picture of a camera as JPEG."""


class Page(Connection):
    """A connection that may say so much, and no more.

    Args:
        socket, transport, person: see `Connection`.
        messages: how many it may send. frames: how many credits for pictures.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        person: Person,
        *,
        messages: Bucket,
        frames: Bucket,
    ) -> None:
        super().__init__(socket, transport, person)
        self._messages, self._frames, self.stops = messages, frames, Bucket(5.0, 20.0)

    def bucket(self, message: object) -> Bucket:
        """What a message is counted in; None is one that could not be read."""
        return self._frames if isinstance(message, WantFrame) else self._messages


AnyHello = TypeVar("AnyHello", bound=Hello)
AnyPage = TypeVar("AnyPage", bound=Page)


class PageServer(ABC, Generic[AnyPage, AnyHello]):
    """Serves pages. Everything in here runs in one asyncio loop.

    Args:
        place: where. package: whose `static` folder has the page.
        desk: the session. run_id: its run.
        cameras: where their pictures are noted, by name.
        parse: a page's message of its text. hello: the type of the first one.
        most_pages: that may be open. interval_s: between looks for new pictures.
        ending: what a page is told where the server ends.
    """

    def __init__(
        self,
        place: Place,
        package: str,
        desk: Desk,
        *,
        run_id: str,
        cameras: Mapping[str, Stream],
        parse: Callable[[str], object],
        hello: type[AnyHello],
        most_pages: int,
        interval_s: float,
        ending: str,
    ) -> None:
        self._desk, self._run_id, self._cameras = desk, run_id, cameras
        self._parse, self._hello_type, self._ending = parse, hello, ending
        self._most_pages, self._interval_s = most_pages, interval_s
        self._site = Site(place, package, converse=self._converse, leave=self._leave, largest=LARGEST_MESSAGE)
        self._pages: dict[str, AnyPage] = {}
        self._credits = Credits(tuple(cameras))

    @abstractmethod
    def jobs(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """What runs beside the pages."""

    @abstractmethod
    def make_page(self, request: web.Request, socket: web.WebSocketResponse, hello: AnyHello) -> AnyPage:
        """A page for a connection."""

    @abstractmethod
    def welcome(self, page: AnyPage, hello: AnyHello) -> None:
        """A page has come, for the first time or again."""

    @abstractmethod
    def gone(self, page: AnyPage) -> None:
        """A page's connection is gone, and no newer one has its place."""

    @abstractmethod
    def may(self, person: Person, command: Command) -> Verdict:
        """Whether somebody may ask the session for this, of its own run."""

    @abstractmethod
    def take(self, page: AnyPage, message: Any, arrival_ns: int) -> None:
        """A message of another type than those that all pages send."""

    def logged_out(self, page: AnyPage) -> None:
        """The guest behind a page has logged out."""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._site.start(*self.jobs(), self._send_pictures)

    async def stop(self) -> None:
        """Close every page and end."""
        await self._site.stop(self._close_all)

    async def _close_all(self) -> None:
        await asyncio.gather(*(page.close(self._ending) for page in self._pages.values()))

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        name = guest_of(request).name
        self._site.gate.dismiss(request)
        for page in [page for page in self._pages.values() if page.person.name == name]:
            self.logged_out(page)
            await page.close("logged out")
        return await self._site.gate.leave(request)

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= self._most_pages:
            return web.Response(status=503, text=f"{self._most_pages} pages are open; close one\n")
        socket, hello = await greet(request, LARGEST_MESSAGE, self._read_hello)
        if hello is None:
            return socket
        page = self.make_page(request, socket, hello)
        await self._enter(page, hello)
        sending = asyncio.get_running_loop().create_task(page.pump())
        try:
            await self._listen(page, socket)
        finally:
            sending.cancel()
            self._farewell(page)
        return socket

    def _read_hello(self, text: str) -> AnyHello:
        message = self._parse(text)
        if not isinstance(message, self._hello_type):
            raise ProtocolError("the first message is hello")
        return message

    async def _enter(self, page: AnyPage, hello: AnyHello) -> None:
        """A page that comes again, or twice, replaces its old connection."""
        old = self._pages.get(page.person.page)
        self._pages[page.person.page] = page
        if old is not None:
            await old.close("this page was opened again")
        self.welcome(page, hello)

    def _farewell(self, page: AnyPage) -> None:
        if self._pages.get(page.person.page) is not page:
            return
        del self._pages[page.person.page]
        self._credits.forget(page.person.page)
        self.gone(page)

    async def _listen(self, page: AnyPage, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"a message is text")
                return
            arrival_ns = time.time_ns()
            try:
                parsed = self._parse(message.data)
            except ProtocolError as error:
                page.say("notice", text=f"refused: {error}")
                parsed = None
            if not _is_stop(parsed) and not page.bucket(parsed).take(time.monotonic()):
                await page.close("too many messages")
                return
            if parsed is not None:
                self._handle(page, parsed, arrival_ns)

    def _handle(self, page: AnyPage, message: object, arrival_ns: int) -> None:
        """A stop is always heard, and too many of them are one."""
        if isinstance(message, Hello):
            page.say("notice", text="refused: hello comes once, as the first message")
        elif isinstance(message, WantFrame):
            self._want(page, message.camera)
        elif not isinstance(message, Command):
            self.take(page, message, arrival_ns)
        elif not _is_stop(message) or page.stops.take(time.monotonic()):
            self._site.spawn(self._command(page, message))

    def _want(self, page: AnyPage, camera: str) -> None:
        if camera in self._cameras:
            self._credits.give(page.person.page, camera)
        else:
            page.say("notice", text=f"refused: camera {camera!r}, allowed: {', '.join(self._cameras)}")

    async def _command(self, page: AnyPage, command: Command) -> None:
        """Ask the session; the page is told what it said, or that it said nothing."""
        if command.run != self._run_id and not _is_stop(command):
            shown = f"your page shows run {command.run}, this is run {self._run_id}; look again"
            verdict = Verdict(False, shown)
        else:
            verdict = self.may(page.person, command)
        accepted: bool | None = verdict.ok
        if verdict.ok:
            try:
                verdict = await self._desk.ask(command, page.person.name)
                accepted = verdict.ok
            except NoAnswer as error:
                accepted, verdict = None, Verdict(False, str(error))
        self._answer(page, command, accepted=accepted, reason=verdict.reason)

    def _answer(self, page: AnyPage, command: Command, *, accepted: bool | None, reason: str) -> None:
        """To the page's present connection: it may have been replaced meanwhile."""
        self._pages.get(page.person.page, page).say(
            "answer",
            id=command.id,
            name=command.name,
            episode=command.episode,
            accepted=accepted,
            reason=reason,
        )

    async def _send_pictures(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._interval_s)
            for index, (camera, stream) in enumerate(self._cameras.items()):
                waiting = self._credits.due(camera, stream.number)
                if waiting:
                    jpeg = await loop.run_in_executor(None, self._desk.encode, camera)
                    for name in waiting:
                        if name in self._pages:
                            self._pages[name].picture(bytes([index]) + jpeg)


def person(hello: Hello, guest: Guest, *, phone: bool) -> Person:
    """Who is behind a page."""
    return Person(f"{guest.name}/{hello.page}", guest.name, guest.role, phone)


def _is_stop(message: object) -> bool:
    return isinstance(message, Command) and message.name == "stop"
