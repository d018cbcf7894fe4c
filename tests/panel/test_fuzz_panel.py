"""Whatever comes to the panel's server: it answers or closes, and only whole commands reach the session."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import socket
import struct
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.benchmarks.outsider import CLOSE, TEXT, Door, Page, ask, read, request
from tests.damage import FUZZ, Change, damaged, damages
from tests.panel.bench import CELL, RUN, Running, running
from zprl_panel.protocol import COMMANDS, LABELS, Hello, Message, parse
from zprl_web.fields import ProtocolError
from zprl_web.lines import PATIENCE_S
from zprl_web.messages import Command, WantFrame

SOURCES = (f"127.{a}.{b}.1" for a, b in itertools.product(range(1, 255), repeat=2))
"""Each example comes from an address of its own: how often one may come is tested elsewhere."""
CODES = (1000, 1002, 1003, 1007, 1008, 1009)


class Errors(logging.Handler):
    """What the server logs about itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(f"{record.getMessage()} {record.exc_info}")


@dataclass(frozen=True)
class House:
    """A server, the headers of two operators who are in, and what it complained of."""

    panel: Running
    cookies: tuple[str, str]
    errors: list[str]

    def door(self) -> Door:
        return Door("127.0.0.1", self.panel.port, source=next(SOURCES))

    def page(self, who: int = 0) -> Page:
        page = Page(self.door(), self.cookies[who])
        page.say(type="hello", page=str(uuid.uuid4()), had_seat=False)
        assert page.until("welcome") == "welcome"
        return page

    def check(self) -> None:
        """It is as well as before: somebody else is answered, and nothing broke."""
        page = self.page()
        page.say(type="command", id=str(uuid.uuid4()), run=RUN, episode=0, name="stop")
        assert page.until("answer") == "accepted"
        page.close()
        assert self.errors == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    errors = Errors()
    logging.getLogger().addHandler(errors)
    with running(tmp_path_factory.mktemp("panel")) as panel:
        cookies = []
        for _ in range(2):
            link = panel.link.removeprefix(panel.url)
            door = Door("127.0.0.1", panel.port, source=next(SOURCES))
            cookies.append(ask(door, request(door, link)).headers["set-cookie"].split(";")[0])
        yield House(panel, (cookies[0], cookies[1]), errors.found)
    logging.getLogger().removeHandler(errors)


def test_a_line_that_says_nothing_whole_is_cut_and_no_other(house: House) -> None:
    with house.door().connect() as quiet, house.door().connect() as half:
        half.sendall(b"GET / HTTP/1.1\r\nHost: ")
        page, server = house.page(), house.panel.server

        async def look(ahead_s: float) -> None:
            server._site.drop_quiet(time.monotonic() + ahead_s)

        house.panel.call(look(0.0))
        house.panel.call(look(PATIENCE_S + 1.0))
        assert quiet.recv(1) == half.recv(1) == b""
        page.say(type="command", id=str(uuid.uuid4()), run=RUN, episode=0, name="stop")
        assert page.until("answer") == "accepted"


identities = st.uuids().map(str)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
valid = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("command"),
            "id": identities,
            "run": st.sampled_from([RUN, RUN, RUN, "other"]),
            "episode": st.integers(0, 3),
            "name": st.sampled_from([*LABELS, *COMMANDS]),
            "value": st.sampled_from(["success", "void"]),
        }
    ),
    st.fixed_dictionaries({"type": st.just("seat"), "action": st.just("release")}),
    st.fixed_dictionaries(
        {
            "type": st.just("seat"),
            "action": st.just("take"),
            "over": st.sampled_from(["", "operator-1", "operator-2"]),
        }
    ),
    st.fixed_dictionaries({"type": st.just("frame"), "camera": st.sampled_from([*CELL.cameras, "none"])}),
    st.fixed_dictionaries({"type": st.just("hello"), "page": identities, "had_seat": st.booleans()}),
    st.fixed_dictionaries({"type": st.just("invite"), "role": st.sampled_from(["viewer", "operator"])}),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid message with one field that is another, missing, or too much."""
    message: dict[str, Any] = dict(draw(valid))
    key = draw(st.sampled_from([*message, "more"]))
    if draw(st.booleans()):
        message.pop(key, None)
    else:
        message[key] = draw(plain)
    return json.dumps(message)


texts = st.one_of(
    valid.map(json.dumps),
    valid.map(json.dumps),
    mutated(),
    plain.map(json.dumps),
    st.text(max_size=60).filter(lambda text: text.isascii() or text.encode("utf-8", "ignore") != b""),
    st.sampled_from(["[" * 1500, "{" * 1500, "NaN", "1" * 2000, '{"type": 1e999}', "\u2028" * 300]),
).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))


def meant(text: str) -> Message | None:
    try:
        return parse(text)
    except ProtocolError:
        return None


def due(message: Message | None) -> bool:
    """Whether a message is answered by a notice that says what was wrong with it."""
    unknown = isinstance(message, WantFrame) and message.camera not in CELL.cameras
    return message is None or isinstance(message, Hello) or unknown


def listen(page: Page, answers: Counter[str], notices: int) -> None:
    """Read until everything that is due has come, and nothing else."""
    got: Counter[str] = Counter()
    while got != answers or notices:
        kind, content = page._frame()
        assert kind != CLOSE and kind, content
        message = json.loads(content) if kind == TEXT else {}
        if message.get("type") == "answer":
            got[message["id"]] += 1
            assert message["accepted"] is not None and (message["accepted"] or message["reason"])
            assert got[message["id"]] <= answers[message["id"]]
        elif message.get("type") == "notice" and message["text"].startswith("refused: "):
            assert len(message["text"]) < 400
            notices -= 1
            assert notices >= 0


DEEP = [(0, "[" * 1500)]
SURROGATE = [(0, '{"type": "command", "id": "\\ud800"}')]


@settings(FUZZ, max_examples=120)
@example(DEEP)
@example(SURROGATE)
@given(st.lists(st.tuples(st.integers(0, 1), texts), max_size=24))
def test_two_pages_say_anything_in_any_order(house: House, said: list[tuple[int, str]]) -> None:
    before = len(house.panel.bench.asked)
    pages = [house.page(who) for who in (0, 1)]
    for who, text in said:
        pages[who].send(text)
    for who, page in enumerate(pages):
        mine = [meant(text) for author, text in said if author == who]
        commands = Counter(message.id for message in mine if isinstance(message, Command))
        listen(page, commands, sum(map(due, mine)))
        page.close()
    sent = Counter(
        message for message in map(meant, (text for _, text in said)) if isinstance(message, Command)
    )
    for command in house.panel.bench.asked[before:]:
        assert sent[command] > 0 and (command.run == RUN or command.name == "stop")
        sent[command] -= 1
    house.check()


frames = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda first, size, more: bytes([first, 0x80 | size]) + bytes(4) + more,
        st.integers(0, 255),
        st.integers(0, 127),
        st.binary(max_size=140),
    ),
    st.builds(lambda size: b"\x81\xff" + struct.pack(">Q", size) + bytes(4), st.integers(0, 2**64 - 1)),
    st.binary(max_size=100).map(lambda data: bytes([0x82, 0x80 | len(data)]) + bytes(4) + data),
    st.binary(max_size=100).map(lambda data: bytes([0x81, 0x80 | len(data)]) + bytes(4) + data),
)


@settings(FUZZ, max_examples=120)
@example(b"\x82\x80" + bytes(4))
@given(st.lists(frames, min_size=1, max_size=3).map(b"".join))
def test_bytes_on_an_open_line_are_answered_or_end_it(house: House, data: bytes) -> None:
    before = len(house.panel.bench.asked)
    page = house.page()
    page.line.sendall(data)
    page.line.shutdown(socket.SHUT_WR)
    while True:
        kind, content = page._frame()
        if kind == CLOSE:
            assert struct.unpack(">H", content[:2])[0] in CODES
        if kind in (0, CLOSE):
            break
    page.close()
    assert all(command.name for command in house.panel.bench.asked[before:])
    house.check()


paths = st.sampled_from(["/", "/ws", "/in", "/out", "/panel.js", "/in?token=x", "/../x", "/%00", "*"])
SURROGATE_COOKIE: list[Change] = [lambda data: data.replace(b"=x", b"=\xff\xfe")]


@settings(FUZZ, max_examples=200)
@example("/", "GET", SURROGATE_COOKIE)
@given(paths, st.sampled_from(["GET", "POST", "HEAD", "PUT"]), damages)
def test_a_damaged_request_of_a_stranger_gets_nothing(
    house: House, path: str, method: str, made: list[Change]
) -> None:
    door = house.door()
    whole = request(door, path, method, Origin=door.url, Cookie=f"{door.cookie_name}=x", X="y")
    with door.connect() as line:
        line.sendall(damaged(whole, made))
        line.shutdown(socket.SHUT_WR)
        answer = read(line)
    assert answer.status[:1] == "4" or answer.status.startswith("cut off"), answer
    assert house.errors == []


@settings(FUZZ, max_examples=100)
@given(paths.filter(lambda path: path != "/out"), st.sampled_from(["GET", "HEAD", "PUT"]), damages)
def test_a_damaged_request_of_a_guest_breaks_nothing(
    house: House, path: str, method: str, made: list[Change]
) -> None:
    door = house.door()
    with door.connect() as line:
        line.sendall(damaged(request(door, path, method, Cookie=house.cookies[0]), made))
        line.shutdown(socket.SHUT_WR)
        assert not read(line).status.startswith("5")
    house.check()


def test_what_is_on_the_disk_of_another_version_lets_nobody_in(tmp_path: Path) -> None:
    """guests.json is read when the server starts."""
    folder = tmp_path / "panel"
    key = hashlib.sha256(b"x").hexdigest()
    until = {"name": "operator-1", "role": "operator", "until_s": "for ever"}
    contents: list[Any] = [
        [],
        {"guests": []},
        {"guests": {key: {}}},
        {"count": "x"},
        {"guests": {key: until}},
    ]
    for content in contents:
        folder.mkdir(exist_ok=True)
        (folder / "guests.json").write_text(json.dumps(content))
        with running(tmp_path) as panel:
            door = Door("127.0.0.1", panel.port)
            assert ask(door, request(door, "/", Cookie=f"{door.cookie_name}=x")).status.startswith("401")
            assert ask(door, request(door, panel.link.removeprefix(panel.url))).status.startswith("303")
