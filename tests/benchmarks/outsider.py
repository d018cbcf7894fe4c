"""What comes to the panel's door from outside, byte by byte: HTTP and WebSockets, plain or over TLS."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import ssl
import struct
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 20.0
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


@dataclass(frozen=True)
class Door:
    """A panel's address, as its url says it.

    Attributes:
        trusted: the file of its certificate, empty where it has none.
        source: the address that asks, empty for any.
    """

    host: str
    port: int
    trusted: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """Its header `Host`."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its origin."""
        return f"{'https' if self.trusted else 'http'}://{self.name}"

    @property
    def cookie_name(self) -> str:
        """Of its cookie."""
        return f"{'__Host-' if self.trusted else ''}zprl_{self.port}"

    def connect(self, *, encrypted: bool = True) -> socket.socket:
        """A line to it."""
        here = (self.source, 0) if self.source else None
        line = socket.create_connection((self.host, self.port), PATIENCE_S, here)
        if not (self.trusted and encrypted):
            return line
        return ssl.create_default_context(cafile=self.trusted).wrap_socket(line, server_hostname=self.host)


@dataclass
class Answer:
    """Status line, headers in lower case, and body."""

    status: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    def __str__(self) -> str:
        lines = [line for line in self.body.splitlines() if line.strip()]
        words = next((line[3:-4] for line in lines if line.startswith("<p>")), lines[0] if lines else "")
        return f"{self.status}: {words}" if words else self.status


def request(door: Door, path: str, method: str = "GET", **headers: str | None) -> bytes:
    """A request; a header that is None is left out."""
    given = {"Host": door.name, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in given.items() if value is not None]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")


def ask(door: Door, data: bytes, *, encrypted: bool = True) -> Answer:
    """Send bytes, read one answer."""
    with door.connect(encrypted=encrypted) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(data)
        return read(line)


def read(line: socket.socket) -> Answer:
    """One answer from a line; its status is "cut off" where none came."""
    data = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while b"\r\n\r\n" not in data and (more := line.recv(1)):
            data += more
    if b"\r\n\r\n" not in data:
        return Answer("cut off without an answer")
    first, *rest = data.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    length, body = int(headers.get("content-length", "0")), b""
    while len(body) < length and (more := line.recv(length - len(body))):
        body += more
    return Answer(first.split(" ", 1)[1], headers, body.decode("utf-8", "replace"))


class Page:
    """A WebSocket; `refused` is the answer where it did not open."""

    def __init__(self, door: Door, cookie: str, origin: str | None = "", **headers: str) -> None:
        self.line = door.connect()
        asked: dict[str, str | None] = {
            "Cookie": cookie or None,
            "Origin": door.url if origin == "" else origin,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Version": "13",
            "Sec_WebSocket_Key": base64.b64encode(os.urandom(16)).decode(),
            **headers,
        }
        self.line.sendall(request(door, "/ws", **asked))
        self.answer = read(self.line)

    def send(self, data: bytes | str, kind: int = TEXT, *, last: bool = True, masked: bool = True) -> None:
        """One frame."""
        content = data.encode() if isinstance(data, str) else data
        size = len(content)
        if size < 126:
            length = struct.pack(">B", size)
        else:
            length = struct.pack(">BH", 126, size) if size < 1 << 16 else struct.pack(">BQ", 127, size)
        first = length[0] | (0x80 if masked else 0)
        head = bytes([kind | (0x80 if last else 0), first]) + length[1:] + (bytes(4) if masked else b"")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            self.line.sendall(head + content)

    def say(self, **message: Any) -> None:
        """A message of the protocol."""
        self.send(json.dumps(message))

    def until(self, *kinds: str) -> str:
        """What the next message of one of these kinds says, or how the line ended."""
        while True:
            kind, content = self._frame()
            if kind == CLOSE:
                code = struct.unpack(">H", content[:2])[0] if len(content) > 1 else "without a code"
                return f"closed {code}: {content[2:].decode()}"
            if kind == 0:
                return "cut off"
            if kind == TEXT and (message := json.loads(content))["type"] in kinds:
                words = message.get("text") or message.get("reason") or message["type"]
                accepted = {True: "accepted", False: "refused: ", None: "unknown: "}
                return (
                    words
                    if "accepted" not in message
                    else accepted[message["accepted"]] + words.replace("answer", "")
                )

    def _frame(self) -> tuple[int, bytes]:
        """Kind and content; kind 0 is the end."""
        with contextlib.suppress(ConnectionError, ssl.SSLError, struct.error):
            head = self._bytes(2)
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack(">H", self._bytes(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._bytes(8))[0]
            return head[0] & 0x0F, self._bytes(size)
        return 0, b""

    def _bytes(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.line.recv(count - len(data))
            if not more:
                raise ConnectionError
            data += more
        return data

    def close(self) -> None:
        """Hang up."""
        self.line.close()
