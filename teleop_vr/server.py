"""The teleoperation page's web server: one page has the hands, chunks go out at the task's rate."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from teleop_vr.protocol import (
    LARGEST_MESSAGE,
    Command,
    Hands,
    Hello,
    LetGo,
    Message,
    Settings,
    TakeHands,
    WantFrame,
    parse,
)
from teleop_vr.view import Cell, view
from zprl_core.safety import ChunkCommand
from zprl_core.teleop.teleoperation import Teleoperation
from zprl_web.access import OPERATOR, Bucket, Guest, is_phone
from zprl_web.connection import Connection, Person, Verdict, greet
from zprl_web.fields import ProtocolError
from zprl_web.gate import GUEST
from zprl_web.pictures import Credits
from zprl_web.site import Place, Site
from zprl_web.stream import Stream
from zprl_web.web_node import NoAnswer

VIEW_S, PICTURES_S = 0.1, 1.0 / 30.0
MOST_PAGES = 8
ACKNOWLEDGED = 8
"""One in so many messages of hands is answered, so that the page knows its round trip."""


class Rig(Protocol):
    """The graph, as the server sees it."""

    async def ask(self, command: Command, author: str) -> Verdict:
        """Hand a label or a command on.

        Raises:
            NoAnswer: nobody answered in time.
        """

    def send(self, arm: str, command: ChunkCommand) -> None:
        """Publish a chunk for an arm."""

    def encode(self, camera: str) -> bytes:
        """The newest picture of a camera as JPEG."""

    def collected(self) -> Mapping[str, Any]:
        """What was collected so far, for the page."""


class Page(Connection):
    """A connection that may say so much, and no more. Hands come at the headset's rate, up to 120 Hz."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, person: Person
    ) -> None:
        super().__init__(socket, transport, person)
        self.hands, self.messages, self.frames = (
            Bucket(150.0, 300.0),
            Bucket(10.0, 40.0),
            Bucket(200.0, 300.0),
        )
        self.heard = 0


class Server:
    """Serves the page. Everything in here runs in one asyncio loop.

    Args:
        place: where.
        rig: the graph.
        cell: what the page is told at its start.
        teleoperation: what the hands do.
        tick_s: between chunks.
    """

    def __init__(
        self, place: Place, rig: Rig, cell: Cell, teleoperation: Teleoperation, tick_s: float
    ) -> None:
        self._rig, self._cell, self._teleoperation, self._tick_s = rig, cell, teleoperation, tick_s
        self._site = Site(
            place, "teleop_vr", converse=self._converse, leave=self._leave, largest=LARGEST_MESSAGE
        )
        self._pages: dict[str, Page] = {}
        self._driver: str | None = None
        self._session: Any = None
        self._cameras = {name: Stream() for name in cell.cameras}
        self._credits = Credits(cell.cameras)

    @property
    def cameras(self) -> Mapping[str, Stream]:
        """Where pictures are noted, by name."""
        return self._cameras

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._site.start(self._command_arms, self._broadcast, self._send_pictures)

    async def stop(self) -> None:
        """Close every page and end."""
        self._teleoperation.let_go("the server ends")
        await self._site.stop(self._close_all)

    def on_session(self, message: Any) -> None:
        """The session has told its state."""
        if message.run_id == self._cell.run_id:
            self._session = message
            self._teleoperation.on_session(message.run_id, message.episode, message.state)
            self._show()

    async def _close_all(self) -> None:
        await asyncio.gather(*(page.close("the server ends") for page in self._pages.values()))

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        name = request[GUEST].name
        response = self._site.gate.leave(request)
        for page in [page for page in self._pages.values() if page.person.name == name]:
            await page.close("logged out")
        return response

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= MOST_PAGES:
            return web.Response(status=503, text=f"{MOST_PAGES} pages are open; close one\n")
        socket, hello = await greet(request, LARGEST_MESSAGE, _hello)
        if hello is None:
            return socket
        page = Page(socket, request.transport, _person(hello, request[GUEST], request))
        await self._welcome(page)
        sending = asyncio.get_running_loop().create_task(page.pump())
        try:
            await self._listen(page, socket)
        finally:
            sending.cancel()
            self._farewell(page)
        return socket

    async def _welcome(self, page: Page) -> None:
        """A page that comes again, or twice, replaces its old connection. Who has the hands keeps them, but
        lets go: somebody else is there, and may want something.
        """
        old = self._pages.get(page.person.page)
        self._pages[page.person.page] = page
        if old is not None:
            await old.close("this page was opened again")
        if self._driver is None or self._driver == page.person.page:
            self._give_hands(page)
        else:
            self._teleoperation.let_go(f"another page was opened, by {page.person.name}")
        page.say("welcome", run=self._cell.run_id, cameras=self._cell.cameras, arms=self._cell.arms)
        self._show()

    def _give_hands(self, page: Page) -> None:
        if _no_hands(page.person):
            return
        if self._driver != page.person.page:
            self._teleoperation.let_go(f"{page.person.name} took the hands")
        self._driver = page.person.page
        self._teleoperation.new_client()

    def _farewell(self, page: Page) -> None:
        if self._pages.get(page.person.page) is not page:
            return
        del self._pages[page.person.page]
        self._credits.forget(page.person.page)
        if self._driver == page.person.page:
            self._driver = None
            self._teleoperation.let_go("the page with the hands is gone")

    async def _listen(self, page: Page, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"a message is text")
                return
            arrival_ns = time.time_ns()
            try:
                parsed = parse(message.data)
            except ProtocolError as error:
                page.say("notice", text=f"refused: {error}")
                parsed = None
            if not _allowed(page, parsed):
                await page.close("too many messages")
                return
            if parsed is not None:
                self._handle(page, parsed, arrival_ns)

    def _handle(self, page: Page, message: Message, arrival_ns: int) -> None:
        driver = page.person.page == self._driver
        if isinstance(message, Hands):
            page.heard += 1
            if driver:
                self._teleoperation.on_hands(message.at_ms, arrival_ns, message.hands)
            if page.heard % ACKNOWLEDGED == 0:
                page.show("seen", json.dumps({"type": "seen", "at": message.at_ms}))
        elif isinstance(message, LetGo | Settings):
            if driver and isinstance(message, LetGo):
                self._teleoperation.let_go(message.why)
            elif driver and isinstance(message, Settings):
                self._teleoperation.configure(message.clutch, message.hand)
            elif isinstance(message, Settings):
                page.say("notice", text="refused: take the hands first")
            self._show()
        elif isinstance(message, TakeHands):
            self._take(page)
        elif isinstance(message, Command):
            self._site.spawn(self._command(page, message))
        elif isinstance(message, WantFrame):
            self._want(page, message.camera)
        else:
            page.say("notice", text="refused: hello comes once, as the first message")

    def _take(self, page: Page) -> None:
        if problem := _no_hands(page.person):
            page.say("notice", text=problem)
            return
        self._give_hands(page)
        self._show()

    def _want(self, page: Page, camera: str) -> None:
        if camera in self._cameras:
            self._credits.give(page.person.page, camera)
        else:
            page.say("notice", text=f"refused: camera {camera!r}, allowed: {', '.join(self._cameras)}")

    async def _command(self, page: Page, command: Command) -> None:
        """Ask the session; the page is told what it said, or that it said nothing."""
        verdict = self._may(page, command)
        if verdict.ok:
            try:
                verdict = await self._rig.ask(command, page.person.name)
            except NoAnswer as error:
                self._answer(page, command, accepted=None, reason=str(error))
                return
        self._answer(page, command, accepted=verdict.ok, reason=verdict.reason)

    def _may(self, page: Page, command: Command) -> Verdict:
        """Anyone who is in may stop."""
        if command.name == "stop":
            return Verdict(True)
        if page.person.page != self._driver:
            return Verdict(False, "another page has the hands; take them first")
        if command.run != self._cell.run_id:
            return Verdict(False, f"your page shows run {command.run}, this is run {self._cell.run_id}")
        return Verdict(True)

    def _answer(self, page: Page, command: Command, *, accepted: bool | None, reason: str) -> None:
        """To the page's present connection: it may have been replaced meanwhile."""
        now = self._pages.get(page.person.page, page)
        now.say(
            "answer",
            id=command.id,
            name=command.name,
            episode=command.episode,
            accepted=accepted,
            reason=reason,
        )

    def _show(self) -> None:
        """The newest state, to every page."""
        driver = self._pages.get(self._driver) if self._driver else None
        name = driver.person.name if driver else ""
        shown = view(self._cell, self._session, self._teleoperation, name, self._rig.collected(), time.time())
        for page in self._pages.values():
            mine = {"yours": page.person.page == self._driver, "you": page.person.name}
            page.show("view", json.dumps({"type": "view", **shown, **mine}))

    async def _broadcast(self) -> None:
        while True:
            if self._pages:
                self._show()
            await asyncio.sleep(VIEW_S)

    async def _command_arms(self) -> None:
        """A chunk for each arm that a hand moves, on a grid of the task's ticks."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            for arm, command in self._teleoperation.commands(time.time_ns()).items():
                self._rig.send(arm, command)
            due_s = max(due_s + self._tick_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _send_pictures(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PICTURES_S)
            for index, (camera, stream) in enumerate(self._cameras.items()):
                waiting = self._credits.due(camera, stream.number)
                if waiting:
                    jpeg = await loop.run_in_executor(None, self._rig.encode, camera)
                    for name in waiting:
                        if name in self._pages:
                            self._pages[name].picture(bytes([index]) + jpeg)


def _allowed(page: Page, message: Message | None) -> bool:
    """Whether the page may say one more thing; a stop is always heard."""
    if isinstance(message, Command) and message.name == "stop":
        return True
    buckets = {Hands: page.hands, WantFrame: page.frames}
    return buckets.get(type(message), page.messages).take(time.monotonic())


def _hello(text: str) -> Hello:
    message = parse(text)
    if not isinstance(message, Hello):
        raise ProtocolError("the first message is hello")
    return message


def _person(hello: Hello, guest: Guest, request: web.Request) -> Person:
    """A headset's browser calls itself mobile, as a phone's does."""
    headset = "VR" in request.headers.get("User-Agent", "").split()
    phone = is_phone(request.headers) and not headset
    return Person(f"{guest.name}/{hello.page}", guest.name, guest.role, phone)


def _no_hands(person: Person) -> str:
    """Why somebody can only watch and stop; empty for who can have the hands."""
    if person.role != OPERATOR:
        return f"a {person.role} cannot take the hands; ask for an operator's link"
    if person.phone:
        return "a phone cannot take the hands: this needs a headset, or a screen at the cell"
    return ""
