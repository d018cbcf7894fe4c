# SPDX-License-Identifier: Apache-2.0
"""The sockets of a box: commands, reports, and their faults. Runs in one asyncio loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable

from zprl_core.errors import RigError
from zprl_sim.xarm_box import reports
from zprl_sim.xarm_box.box import Box
from zprl_sim.xarm_box.protocol import COMMAND_PORTS, HEADER, parse, reply
from zprl_sim.xarm_box.reports import REPORT_PORTS, ReportPort

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_GONE = (ConnectionError, asyncio.IncompleteReadError, TimeoutError)
_UNSENT_BYTES = 8192  # a client that is so far behind gets no further reports


class BoxServer:
    """The vendor's ports of one address.

    Args:
        box: whom they speak for.
        address: where to listen.
    """

    def __init__(self, box: Box, address: str) -> None:
        self._box, self._address = box, address
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen.

        Raises:
            RigError: a port cannot be had; says what to do.
        """
        handlers: dict[int, Client] = dict.fromkeys(COMMAND_PORTS, self._commands)
        handlers |= {port: self._report_sender(kind) for port, kind in REPORT_PORTS.items()}
        for port, handler in handlers.items():
            self._servers.append(await listen(self._address, port, self._tracked(handler)))

    def refuse(self) -> None:
        """Stop listening; connections that exist stay."""
        for server in self._servers:
            server.close()
        self._servers = []

    def cut(self) -> None:
        """End every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    def close(self) -> None:
        """End everything."""
        self.refuse()
        self.cut()

    def _tracked(self, handler: Client) -> Client:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._writers.add(writer)
            try:
                await handler(reader, writer)
            finally:
                self._writers.discard(writer)
                writer.close()

        return run

    async def _commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Commands of one client, one after the other."""
        while True:
            header = await reader.readexactly(HEADER.size)
            request = parse(header, await reader.readexactly(HEADER.unpack(header)[2]))
            if request is None:
                continue
            with self._box.lock:
                answer = self._box.commands.answer(request, time.time_ns())
            link = self._box.link
            wait_s = answer.after_s + link.reply_delay_s
            if wait_s:
                await asyncio.sleep(wait_s)
            if not link.drop_replies:
                writer.write(reply(request, answer.flags, answer.payload))

    def _report_sender(self, port: ReportPort) -> Client:
        async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            loop = asyncio.get_running_loop()
            due = loop.time()
            while not reader.at_eof() and not writer.is_closing():
                if not self._box.link.freeze_reports and _behind(writer) < _UNSENT_BYTES:
                    with self._box.lock:
                        frame = reports.pack(port, self._box.controller)
                    writer.write(frame)
                due = max(due + 1.0 / port.rate_hz, loop.time() - 0.1)
                await asyncio.sleep(due - loop.time())

        return send


async def listen(address: str, port: int, handler: Client) -> asyncio.Server:
    """A server on one port. A handler ends with its client, and with the process.

    Raises:
        RigError: the port is taken, forbidden, or not of this machine; says what to do.
    """

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_GONE, asyncio.CancelledError):
            await handler(reader, writer)

    try:
        return await asyncio.start_server(run, address, port)
    except PermissionError as error:
        raise RigError(
            f"{address}:{port}: not allowed to listen there: ports below 1024 need a privilege. Either\n"
            "  sudo sysctl net.ipv4.ip_unprivileged_port_start=502\n"
            'or give it to Python: sudo setcap cap_net_bind_service=+ep "$(readlink -f $(which python3))"'
        ) from error
    except OSError as error:
        raise RigError(
            f"{address}:{port}: cannot listen there: {error.strerror}. Is a box running on this address? "
            "Another one of this machine does: --address 127.0.0.3"
        ) from error


def _behind(writer: asyncio.StreamWriter) -> int:
    return writer.transport.get_write_buffer_size()
