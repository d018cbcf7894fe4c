"""A web server with a gate: files, one WebSocket, and jobs beside them, all in one asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from zprl_core.panel_address import PanelAddress
from zprl_web import pages
from zprl_web.access import Doors
from zprl_web.gate import Gate, Handler
from zprl_web.lines import LOG, Lines
from zprl_web.tls import Certificate

LOOK_S = 1.0


@dataclass(frozen=True)
class Place:
    """Where a server listens, and where it keeps its things.

    Attributes:
        name: what people call its page.
        address: host and port.
        names: other names of this host, for `Host` and the certificate.
        folder: private to the user: the link, and who is in.
        certificate: None on this machine only.
        features: of the device that the page may use, see `pages.headers`.
    """

    name: str
    address: PanelAddress
    names: tuple[str, ...]
    folder: Path
    certificate: Certificate | None = None
    features: str = ""

    def gate(self) -> Gate:
        """The gate of these doors."""
        address = self.address
        scheme, prefix = ("https", "__Host-") if address.tls else ("http", "")
        doors = Doors.of((address.host, *self.names), address.port, scheme)
        cookie = f"{prefix}zprl_{address.port}"
        return Gate(self.name, doors, address.url, cookie, self.folder, self.features)


class Site:
    """Serves the static files of a package behind a gate.

    Args:
        place: where.
        package: whose `static` folder it is.
        converse: what a WebSocket at /ws gets. leave: POST /out.
        largest: message, in bytes.
    """

    def __init__(
        self, place: Place, package: str, *, converse: Handler, leave: Handler, largest: int
    ) -> None:
        self.gate = place.gate()
        self._place, self._lines, self._files = place, Lines(), pages.files(package)
        self._converse, self._leave, self._largest = converse, leave, largest
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, *jobs: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Listen, with these jobs beside it.

        Raises:
            OSError: the address cannot be had.
        """
        checks = [self._lines.middleware(), self.gate.middleware()]
        app = web.Application(middlewares=checks, client_max_size=self._largest)
        app.on_response_prepare.append(self.gate.on_prepare)
        app.router.add_get("/in", self.gate.enter)
        app.router.add_post("/out", self._leave)
        app.router.add_get("/ws", self._converse)
        for path in self._files:
            app.router.add_get(path, self._file)
        self._runner = web.AppRunner(
            app, handle_signals=False, access_log=None, logger=LOG, shutdown_timeout=1.0
        )
        await self._runner.setup()
        secure = self._place.certificate.context() if self._place.certificate else None
        address = self._place.address
        await web.TCPSite(self._runner, address.host, address.port, ssl_context=secure).start()
        for job in (self._look, *jobs):
            self.spawn(job())

    async def stop(self, closing: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Close every page as `closing` does, and end."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(closing(), 2.0)
        for task in list(self._tasks):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def spawn(self, job: Coroutine[Any, Any, Any]) -> None:
        """Do something beside; an error in it goes to the loop's handler."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"the server of the {self._place.name}", "exception": task.exception()}
            )

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files[request.path]
        return web.Response(body=file.content, content_type=file.media_type, charset="utf-8")

    def drop_quiet(self, now_s: float) -> None:
        """Cut the connections that nobody uses."""
        if self._runner is not None and self._runner.server is not None:
            self._lines.drop_quiet(self._runner.server, now_s)

    async def _look(self) -> None:
        while True:
            self.drop_quiet(time.monotonic())
            await asyncio.sleep(LOOK_S)
