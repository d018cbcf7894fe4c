"""The panel's web server: pages come and go, the newest state goes out, commands go on to the session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from zprl_core.errors import DataError
from zprl_core.records import read_records
from zprl_panel.history import history
from zprl_panel.latest import Latest
from zprl_panel.protocol import (
    LARGEST_MESSAGE,
    Command,
    Hello,
    Invite,
    Message,
    ReleaseSeat,
    TakeSeat,
    WantFrame,
    parse,
)
from zprl_panel.seat import Seat
from zprl_panel.view import view
from zprl_web.access import OPERATOR, Bucket, Guest, is_phone
from zprl_web.connection import Connection, Person, Verdict, greet
from zprl_web.fields import ProtocolError
from zprl_web.gate import GUEST
from zprl_web.pictures import Credits
from zprl_web.site import Place, Site
from zprl_web.web_node import NoAnswer

TICK_S, HEARTBEAT_S, PICTURES_S, LOOK_S = 0.1, 0.5, 1.0 / 15.0, 1.0
MOST_PAGES = 24


class Desk(Protocol):
    """The session, as the server sees it."""

    async def ask(self, command: Command, author: str) -> Verdict:
        """Hand a label or a command on.

        Raises:
            NoAnswer: nobody answered in time.
        """

    def encode(self, camera: str) -> bytes:
        """The newest picture of a camera as JPEG."""


class Page(Connection):
    """A connection that may say so much, and no more."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, person: Person
    ) -> None:
        super().__init__(socket, transport, person)
        self.messages, self.frames, self.stops = Bucket(5.0, 30.0), Bucket(100.0, 200.0), Bucket(5.0, 20.0)


class Server:
    """Serves the page. Everything in here runs in one asyncio loop.

    Args:
        place: where.
        records: the run's episodes.jsonl.
        desk: the session.
        latest: the newest messages, which somebody else keeps up to date.
    """

    def __init__(self, place: Place, records: Path, desk: Desk, latest: Latest) -> None:
        self._records, self._desk, self._latest = records, desk, latest
        self._site = Site(
            place, "zprl_panel", converse=self._converse, leave=self._leave, largest=LARGEST_MESSAGE
        )
        self._pages: dict[str, Page] = {}
        self._seat = Seat(time.monotonic())
        self._credits = Credits(latest.cell.cameras)
        self._history, self._records_size = "", -1
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """
        await self._site.start(self._broadcast, self._send_pictures, self._look)

    async def stop(self) -> None:
        """Close every page and end."""
        await self._site.stop(self._close_all)

    async def _close_all(self) -> None:
        await asyncio.gather(*(page.close("the panel ends") for page in self._pages.values()))

    def changed(self) -> None:
        """Something important is new: send it at once."""
        self._changed.set()

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        name = request[GUEST].name
        response = self._site.gate.leave(request)
        for page in [page for page in self._pages.values() if page.person.name == name]:
            self._seat.release(page.person.page)
            await page.close("logged out")
        self._tell_seat()
        return response

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= MOST_PAGES:
            return web.Response(status=503, text=f"{MOST_PAGES} pages are open; close one\n")
        socket, hello = await greet(request, LARGEST_MESSAGE, _hello)
        if hello is None:
            return socket
        person = _person(hello, request[GUEST], phone=is_phone(request.headers))
        page = Page(socket, request.transport, person)
        await self._welcome(page, hello)
        sending = asyncio.get_running_loop().create_task(page.pump())
        try:
            await self._listen(page, socket)
        finally:
            sending.cancel()
            self._farewell(page)
        return socket

    async def _welcome(self, page: Page, hello: Hello) -> None:
        """A page that comes again, or twice, replaces its old connection."""
        old = self._pages.get(page.person.page)
        self._pages[page.person.page] = page
        if old is not None:
            await old.close("this page was opened again")
        self._seat.back(page.person.page)
        if hello.had_seat:
            self._seat.restore(page.person, time.monotonic())
        page.say("welcome", cameras=self._latest.cell.cameras, run=self._latest.cell.run_id)
        if self._history:
            page.show("history", self._history)
        page.show("view", self._view())
        self._tell_seat()

    def _farewell(self, page: Page) -> None:
        if self._pages.get(page.person.page) is not page:
            return
        del self._pages[page.person.page]
        self._credits.forget(page.person.page)
        self._seat.left(page.person.page, time.monotonic())
        self._tell_seat()

    async def _listen(self, page: Page, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"a message is text")
                return
            try:
                parsed = parse(message.data)
            except ProtocolError as error:
                page.say("notice", text=f"refused: {error}")
                parsed = None
            if not self._take(page, parsed):
                await page.close("too many messages")
                return
            if parsed is not None:
                self._handle(page, parsed)

    def _take(self, page: Page, message: Message | None) -> bool:
        """Whether the page may say one more thing; a stop is always heard, and too many of them are one."""
        if isinstance(message, Command) and message.name == "stop":
            return True
        bucket = page.frames if isinstance(message, WantFrame) else page.messages
        return bucket.take(time.monotonic())

    def _handle(self, page: Page, message: Message) -> None:
        cameras = self._latest.cell.cameras
        if isinstance(message, Hello):
            page.say("notice", text="refused: hello comes once, as the first message")
        elif isinstance(message, WantFrame):
            if message.camera in cameras:
                self._credits.give(page.person.page, message.camera)
            else:
                page.say("notice", text=f"refused: camera {message.camera!r}, allowed: {', '.join(cameras)}")
        elif isinstance(message, Command):
            if message.name != "stop" or page.stops.take(time.monotonic()):
                self._site.spawn(self._command(page, message))
        elif isinstance(message, Invite):
            self._invite(page, message)
        elif isinstance(message, TakeSeat | ReleaseSeat):
            self._change_seat(page, message)

    def _change_seat(self, page: Page, message: TakeSeat | ReleaseSeat) -> None:
        before, person = self._seat.holder, page.person
        if isinstance(message, TakeSeat):
            verdict, text = self._seat.take(person, message.over), f"{person.name} took control"
            if before is not None and before.page != person.page:
                text += f" over from {before.name}"
        else:
            verdict, text = self._seat.release(person.page), f"{person.name} released control"
        if verdict.ok and self._seat.holder != before:
            self._latest.on_control(text, time.time())
        elif not verdict.ok:
            page.say("notice", text=verdict.reason)
        self._tell_seat()

    def _invite(self, page: Page, message: Invite) -> None:
        if page.person.role != OPERATOR:
            page.say("notice", text="only an operator can invite")
            return
        page.say("invitation", role=message.role, link=self._site.gate.invite(message.role))

    async def _command(self, page: Page, command: Command) -> None:
        """Ask the session; the page is told what it said, or that it said nothing."""
        run, verdict = self._latest.cell.run_id, self._seat.may(page.person, command.name)
        if command.run != run and command.name != "stop":
            verdict = Verdict(False, f"your page shows run {command.run}, this is run {run}; look again")
        if verdict.ok:
            try:
                verdict = await self._desk.ask(command, page.person.name)
            except NoAnswer as error:
                self._reply(page, command, accepted=None, reason=str(error))
                return
        self._reply(page, command, accepted=verdict.ok, reason=verdict.reason)

    def _reply(self, page: Page, command: Command, *, accepted: bool | None, reason: str) -> None:
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

    def _tell_seat(self) -> None:
        holder = self._seat.holder
        for page in self._pages.values():
            person = page.person
            told = {
                "type": "seat",
                "holder": holder.name if holder else None,
                "yours": self._seat.held_by(person.page),
                "you": {"name": person.name, "role": person.role, "phone": person.phone},
            }
            page.show("seat", json.dumps(told))

    def _view(self) -> str:
        return json.dumps({"type": "view", **view(self._latest, time.monotonic(), time.time())})

    async def _broadcast(self) -> None:
        """The state goes out when the session changes, and twice a second: silence means that we are gone."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), HEARTBEAT_S)
            self._changed.clear()
            if lapsed := self._seat.lapse(time.monotonic()):
                self._latest.on_control(f"{lapsed} is gone; control is free", time.time())
                self._tell_seat()
            if self._pages:
                text = self._view()
                for page in self._pages.values():
                    page.show("view", text)
            await asyncio.sleep(TICK_S)

    async def _send_pictures(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PICTURES_S)
            for index, (camera, stream) in enumerate(self._latest.cameras.items()):
                waiting = self._credits.due(camera, stream.number)
                if waiting:
                    jpeg = await loop.run_in_executor(None, self._desk.encode, camera)
                    for name in waiting:
                        if name in self._pages:
                            self._pages[name].picture(bytes([index]) + jpeg)

    async def _look(self) -> None:
        """The run's episodes, when there are new ones."""
        loop = asyncio.get_running_loop()
        while True:
            size = _size(self._records)
            if size != self._records_size:
                self._records_size = size
                self._history = await loop.run_in_executor(
                    None, _read_history, self._records, self._latest.cell.blind
                )
                for page in self._pages.values():
                    page.show("history", self._history)
            await asyncio.sleep(LOOK_S)


def _hello(text: str) -> Hello:
    message = parse(text)
    if not isinstance(message, Hello):
        raise ProtocolError("the first message is hello")
    return message


def _person(hello: Hello, guest: Guest, *, phone: bool) -> Person:
    return Person(f"{guest.name}/{hello.page}", guest.name, guest.role, phone)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_history(path: Path, blind: bool) -> str:
    try:
        return json.dumps({"type": "history", **history(read_records(path), blind=blind)})
    except DataError as error:
        return json.dumps({"type": "notice", "text": str(error)})
