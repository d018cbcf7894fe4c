"""A node that serves a page.

The web server's asyncio loop runs in a thread of its own; messages cross over to it with
`call_soon_threadsafe`, answers of services as futures.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rclpy.client import Client

from zprl_bringup.node import Node
from zprl_core.errors import RigError
from zprl_core.panel_address import PanelAddress
from zprl_web import private, tls
from zprl_web.site import Place


class NoAnswer(Exception):
    """A service has not answered: whether it has heard is unknown, so the same id may be sent again."""


class Server(Protocol):
    """What the node serves."""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
        """

    async def stop(self) -> None:
        """Close every page and end."""


class WebNode(Node):
    """Has the loop of a web server."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._served: Server | None = None
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        self._thread = threading.Thread(target=self._loop.run_forever, name="web", daemon=True)
        self._thread.start()

    def serve(self, server: Server, place: Place, option: str) -> None:
        """Start it, and say where it is.

        Raises:
            RigError: the address cannot be had; names the command line's option.
        """
        try:
            asyncio.run_coroutine_threadsafe(server.start(), self._loop).result()
        except OSError as error:
            raise RigError(
                f"{place.name}: cannot listen at {place.address.url}: {error.strerror}; give {option} "
                "another address or port of this machine, or end what has this one"
            ) from error
        self._served = server
        where = f"the {place.name} is at {place.address.url}; the link that opens it: {place.folder / 'link'}"
        self.get_logger().info(where)
        if place.certificate is not None:
            self.get_logger().info(f"SHA-256 of its certificate: {place.certificate.fingerprint}")

    def soon(self, what: Callable[..., None], *arguments: Any) -> None:
        """Have the web server's thread do something."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(what, *arguments)

    async def ask_service(self, client: Client, request: Any, patience_s: float) -> Any:
        """A service's answer, in the web server's loop.

        Raises:
            NoAnswer: its server is not there, or is silent.
        """
        if not client.service_is_ready():
            raise NoAnswer(f"{client.service_name} is not there")
        waiting: asyncio.Future[Any] = self._loop.create_future()
        future = client.call_async(request)
        future.add_done_callback(lambda done: self.soon(_settle, waiting, done))
        try:
            return await asyncio.wait_for(waiting, patience_s)
        except asyncio.TimeoutError as error:
            client.remove_pending_request(future)
            raise NoAnswer(f"{client.service_name} has not answered for {patience_s:g} s") from error

    def shut_down(self) -> None:
        """Close the pages and the loop."""
        if self._served is not None:
            with contextlib.suppress(Exception):
                asyncio.run_coroutine_threadsafe(self._served.stop(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A bug in the server ends the process, as one in a callback does."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.fail(error)


def place(name: str, address: PanelAddress, folder: Path, features: str = "") -> Place:
    """A server's place, with this machine's names, and a certificate where it needs one.

    Args:
        name: what people call its page.
        address: where it listens.
        folder: for its link and guests; made, private.
        features: see `Place`.

    Raises:
        ConfigError: a folder cannot be made.
    """
    folder = private.private_folder(folder)
    if not address.tls:
        return Place(name, address, ("localhost", "127.0.0.1", "::1"), folder, features=features)
    names = (socket.gethostname().lower(), socket.getfqdn().lower())
    now = datetime.datetime.now(datetime.timezone.utc)
    made = tls.certificate(private.config_folder(), (address.host, *names), now)
    return Place(name, address, names, folder, made, features)


def _settle(waiting: asyncio.Future[Any], done: Any) -> None:
    if not waiting.done():
        waiting.set_result(done.result())
