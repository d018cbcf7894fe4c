"""Connections that ask for nothing: each gets some seconds for a whole request."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

PATIENCE_S = 10.0
"""For a request, from the connection or from the answer to the one before."""


LOG = logging.getLogger("zprl_web.http")
"""Of the web server; what is wrong with a visitor's bytes is not its to tell, however often they come."""
LOG.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


class Lines:
    """Which connections are being answered, and since when the others say nothing that is whole."""

    def __init__(self) -> None:
        self._busy: Counter[Any] = Counter()
        self._quiet_s: dict[Any, float] = {}

    def middleware(self) -> Middleware:
        """What aiohttp calls around every handler."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            line = request.protocol
            self._busy[line] += 1
            try:
                return await handler(request)
            finally:
                self._busy[line] -= 1
                self._quiet_s[line] = time.monotonic()

        return note

    def drop_quiet(self, server: web.Server, now_s: float) -> None:
        """Cut the connections that have been quiet for too long."""
        here = set(server.connections)
        self._busy = Counter({line: count for line, count in self._busy.items() if line in here and count})
        self._quiet_s = {line: self._quiet_s.get(line, now_s) for line in here}
        for line, since_s in self._quiet_s.items():
            if not self._busy[line] and now_s - since_s > PATIENCE_S and line.transport is not None:
                line.transport.abort()
