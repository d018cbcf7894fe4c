"""The panel's web server: the newest state goes out, and who has the control seat asks the session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web

from zprl_core.errors import DataError
from zprl_core.records import read_records, size_of
from zprl_panel.history import history
from zprl_panel.latest import Latest
from zprl_panel.protocol import Hello, Invite, ReleaseSeat, TakeSeat, parse
from zprl_panel.seat import Seat
from zprl_panel.view import view
from zprl_web.access import OPERATOR, Bucket, is_phone
from zprl_web.connection import Person, Verdict
from zprl_web.gate import guest_of
from zprl_web.messages import Command
from zprl_web.server import Desk, Page, PageServer, person
from zprl_web.site import Place

TICK_S, HEARTBEAT_S, PICTURES_S, LOOK_S = 0.1, 0.5, 1.0 / 15.0, 1.0
MOST_PAGES = 24


class Server(PageServer[Page, Hello]):
    """Serves the panel's page.

    Args:
        place: where.
        records: the run's episodes.jsonl.
        desk: the session.
        latest: the newest messages, which somebody else keeps up to date.
    """

    def __init__(self, place: Place, records: Path, desk: Desk, latest: Latest) -> None:
        self._records, self._latest = records, latest
        self._seat = Seat(time.monotonic())
        self._history, self._records_size = "", -1
        self._changed = asyncio.Event()
        super().__init__(
            place,
            "zprl_panel",
            desk,
            run_id=latest.cell.run_id,
            cameras=latest.cameras,
            parse=parse,
            hello=Hello,
            most_pages=MOST_PAGES,
            interval_s=PICTURES_S,
            ending="the panel ends",
        )

    def changed(self) -> None:
        """Something important is new: send it at once."""
        self._changed.set()

    def jobs(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """The state, and the run's episodes."""
        return self._broadcast, self._look

    def make_page(self, request: web.Request, socket: web.WebSocketResponse, hello: Hello) -> Page:
        """A page, which says little more than what people tap."""
        who = person(hello, guest_of(request), phone=is_phone(request.headers))
        return Page(socket, request.transport, who, messages=Bucket(5.0, 30.0), frames=Bucket(100.0, 200.0))

    def welcome(self, page: Page, hello: Hello) -> None:
        """It is told everything."""
        self._seat.back(page.person.page)
        if hello.had_seat:
            self._seat.restore(page.person, time.monotonic())
        page.say("welcome", cameras=self._latest.cell.cameras, run=self._latest.cell.run_id)
        if self._history:
            page.show("history", self._history)
        page.show("view", self._view())
        self._tell_seat()

    def gone(self, page: Page) -> None:
        """Its seat is kept for a while."""
        self._seat.left(page.person.page, time.monotonic())
        self._tell_seat()

    def logged_out(self, page: Page) -> None:
        """Control is free at once."""
        self._seat.release(page.person.page)
        self._tell_seat()

    def may(self, person: Person, command: Command) -> Verdict:
        """What the seat allows."""
        return self._seat.may(person, command.name)

    def take(self, page: Page, message: Invite | TakeSeat | ReleaseSeat, arrival_ns: int) -> None:
        """The seat is wanted or given back, or somebody is invited."""
        if isinstance(message, Invite):
            self._invite(page, message)
        else:
            self._change_seat(page, message)

    def _change_seat(self, page: Page, message: TakeSeat | ReleaseSeat) -> None:
        before, who = self._seat.holder, page.person
        if isinstance(message, TakeSeat):
            verdict, text = self._seat.take(who, message.over), f"{who.name} took control"
            if before is not None and before.page != who.page:
                text += f" over from {before.name}"
        else:
            verdict, text = self._seat.release(who.page), f"{who.name} released control"
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

    def _tell_seat(self) -> None:
        holder = self._seat.holder
        for page in self._pages.values():
            who = page.person
            told = {
                "type": "seat",
                "holder": holder.name if holder else None,
                "yours": self._seat.held_by(who.page),
                "you": {"name": who.name, "role": who.role, "phone": who.phone},
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

    async def _look(self) -> None:
        """The run's episodes, when there are new ones."""
        loop = asyncio.get_running_loop()
        while True:
            size = size_of(self._records)
            if size != self._records_size:
                self._records_size = size
                self._history = await loop.run_in_executor(
                    None, _read_history, self._records, self._latest.cell.blind
                )
                for page in self._pages.values():
                    page.show("history", self._history)
            await asyncio.sleep(LOOK_S)


def _read_history(path: Path, blind: bool) -> str:
    try:
        return json.dumps({"type": "history", **history(read_records(path), blind=blind)})
    except DataError as error:
        return json.dumps({"type": "notice", "text": str(error)})
