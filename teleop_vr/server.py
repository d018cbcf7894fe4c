"""The teleoperation page's web server: one page has the hands, chunks go out at the task's rate."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from aiohttp import web

from teleop_vr.protocol import Hands, LetGo, Settings, TakeHands, parse
from teleop_vr.view import Cell, view
from zprl_core.safety import ChunkCommand
from zprl_core.teleop.teleoperation import Teleoperation
from zprl_web.access import OPERATOR, Bucket, is_phone
from zprl_web.connection import Person, Verdict
from zprl_web.gate import guest_of
from zprl_web.messages import Command, Hello
from zprl_web.server import Desk, Page, PageServer, person
from zprl_web.site import Place
from zprl_web.stream import Stream

VIEW_S, PICTURES_S = 0.1, 1.0 / 30.0
MOST_PAGES = 8
ACKNOWLEDGED = 8
"""One in so many messages of hands is answered, so that the page knows its round trip."""


class Rig(Desk, Protocol):
    """The graph, as the server sees it."""

    def send(self, arm: str, command: ChunkCommand) -> None:
        """Publish a chunk for an arm."""

    def collected(self) -> Mapping[str, Any]:
        """What was collected so far, for the page."""


class HandsPage(Page):
    """Hands come at the headset's rate, up to 120 Hz."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, person: Person
    ) -> None:
        super().__init__(socket, transport, person, messages=Bucket(10.0, 40.0), frames=Bucket(200.0, 300.0))
        self._hands, self.heard = Bucket(150.0, 300.0), 0

    def bucket(self, message: object) -> Bucket:
        """Hands are counted apart."""
        return self._hands if isinstance(message, Hands) else super().bucket(message)


class Server(PageServer[HandsPage, Hello]):
    """Serves the teleoperation page.

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
        self._driver: str | None = None
        self._session: Any = None
        super().__init__(
            place,
            "teleop_vr",
            rig,
            run_id=cell.run_id,
            cameras={name: Stream() for name in cell.cameras},
            parse=parse,
            hello=Hello,
            most_pages=MOST_PAGES,
            interval_s=PICTURES_S,
            ending="the server ends",
        )

    @property
    def cameras(self) -> Mapping[str, Stream]:
        """Where pictures are noted, by name."""
        return self._cameras

    async def stop(self) -> None:
        """Let go of the arms, close every page and end."""
        self._teleoperation.let_go("the server ends")
        await super().stop()

    def on_session(self, message: Any) -> None:
        """The session has told its state."""
        if message.run_id == self._cell.run_id:
            self._session = message
            self._teleoperation.on_session(message.run_id, message.episode, message.state)
            self._show()

    def jobs(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """The arms' chunks, and the newest state."""
        return self._command_arms, self._broadcast

    def make_page(self, request: web.Request, socket: web.WebSocketResponse, hello: Hello) -> HandsPage:
        """A headset's browser calls itself mobile, as a phone's does."""
        headset = "VR" in request.headers.get("User-Agent", "").split()
        phone = is_phone(request.headers) and not headset
        return HandsPage(socket, request.transport, person(hello, guest_of(request), phone=phone))

    def welcome(self, page: HandsPage, hello: Hello) -> None:
        """Who has the hands keeps them, but lets go: somebody else is there, and may want something."""
        if self._driver is None or self._driver == page.person.page:
            self._give_hands(page)
        else:
            self._teleoperation.let_go(f"another page was opened, by {page.person.name}")
        page.say("welcome", run=self._cell.run_id, cameras=self._cell.cameras, arms=self._cell.arms)
        self._show()

    def gone(self, page: HandsPage) -> None:
        """Its hands are gone with it."""
        if self._driver == page.person.page:
            self._driver = None
            self._teleoperation.let_go("the page with the hands is gone")

    def may(self, person: Person, command: Command) -> Verdict:
        """Anyone who is in may stop."""
        if command.name == "stop" or person.page == self._driver:
            return Verdict(True)
        return Verdict(False, "another page has the hands; take them first")

    def take(self, page: HandsPage, message: Hands | LetGo | Settings | TakeHands, arrival_ns: int) -> None:
        """Hands, or something about them."""
        driver = page.person.page == self._driver
        if isinstance(message, Hands):
            self._take_hands(page, message, arrival_ns)
            return
        if isinstance(message, TakeHands):
            if problem := _no_hands(page.person):
                page.say("notice", text=problem)
            self._give_hands(page)
        elif driver and isinstance(message, LetGo):
            self._teleoperation.let_go(message.why)
        elif driver and isinstance(message, Settings):
            self._teleoperation.configure(message.clutch, message.hand)
        elif isinstance(message, Settings):
            page.say("notice", text="refused: take the hands first")
        self._show()

    def _take_hands(self, page: HandsPage, message: Hands, arrival_ns: int) -> None:
        page.heard += 1
        if page.person.page == self._driver:
            self._teleoperation.on_hands(message.at_ms, arrival_ns, message.hands)
        if page.heard % ACKNOWLEDGED == 0:
            page.show("seen", json.dumps({"type": "seen", "at": message.at_ms}))

    def _give_hands(self, page: HandsPage) -> None:
        if _no_hands(page.person):
            return
        if self._driver != page.person.page:
            self._teleoperation.let_go(f"{page.person.name} took the hands")
        self._driver = page.person.page
        self._teleoperation.new_client()

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
            now_ns = time.time_ns()
            for arm, command in self._teleoperation.commands(now_ns).items():
                self._rig.send(arm, command)
            self._teleoperation.fit_latency(now_ns)
            due_s = max(due_s + self._tick_s, loop.time())
            await asyncio.sleep(due_s - loop.time())


def _no_hands(person: Person) -> str:
    """Why somebody can only watch and stop; empty for who can have the hands."""
    if person.role != OPERATOR:
        return f"a {person.role} cannot take the hands; ask for an operator's link"
    if person.phone:
        return "a phone cannot take the hands: this needs a headset, or a screen at the cell"
    return ""
