"""A page of the operator's panel without a browser: it reads everything, asks for pictures, and comes again
when its line is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import uuid
from collections import Counter
from pathlib import Path

import aiohttp

AGAIN_S = 1.0


class Page(threading.Thread):
    """Runs until `stop`.

    Args:
        link: the file with the way in (RUN/panel/link). origin: of the panel.

    Attributes:
        seen: how many messages of each type came, "picture" among them, and how often it had to "connect".
    """

    def __init__(self, link: Path, origin: str) -> None:
        super().__init__(daemon=True)
        self._link, self._origin = link, origin
        self.seen: Counter[str] = Counter()
        self._ends = threading.Event()

    def stop(self) -> None:
        """Close the page."""
        self._ends.set()
        self.join(10.0)

    def run(self) -> None:
        """See `threading.Thread`."""
        asyncio.run(self._live())

    async def _live(self) -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            entered = False
            while not self._ends.is_set():
                with contextlib.suppress(OSError, aiohttp.ClientError, asyncio.TimeoutError):
                    entered = entered or await self._enter(client)
                    if entered:
                        await self._watch(client)
                await asyncio.sleep(AGAIN_S)

    async def _enter(self, client: aiohttp.ClientSession) -> bool:
        async with client.get(self._link.read_text().strip()) as response:
            return response.status == 200

    async def _watch(self, client: aiohttp.ClientSession) -> None:
        async with client.ws_connect(f"{self._origin}/ws", headers={"Origin": self._origin}) as socket:
            self.seen["connect"] += 1
            await socket.send_json({"type": "hello", "page": str(uuid.uuid4()), "had_seat": False})
            cameras: list[str] = []
            while not self._ends.is_set():
                try:
                    message = await socket.receive(timeout=5.0)
                except asyncio.TimeoutError:
                    continue
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.seen["picture"] += 1
                    await socket.send_json({"type": "frame", "camera": cameras[message.data[0]]})
                elif message.type is aiohttp.WSMsgType.TEXT:
                    content = json.loads(message.data)
                    self.seen[content["type"]] += 1
                    if content["type"] == "welcome":
                        cameras = content["cameras"]
                        for camera in cameras:
                            await socket.send_json({"type": "frame", "camera": camera})
                else:
                    return
