"""What an outsider tries at the operator's panel, and the answer that is due."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.outsider import BINARY, Answer, Door, Page, ask, read, request
from tests.panel.bench import RUN
from zprl_web.messages import LARGEST_MESSAGE

OLD = "an-old-cookie"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Mobile/15E148"
EVIL = "http://evil.example"
NOT_IN = r"401 Unauthorized: This browser has no session here, or it has ended\."
NO_LINK = r"403 Forbidden: This link was used already, is too old, or is not one of ours\."
NO_HOST = r"403 Forbidden: Host .* is not this panel, allowed: .*"
NO_ORIGIN = r"403 Forbidden: Origin .* is another site, allowed: .*"
BAD = r"400 Bad Request.*"
Try = Callable[["Panel"], object]


@dataclass
class Panel:
    """A server, one operator who is in, and another run's server.

    Attributes:
        folder: what the server keeps.
        cookie: the operator's header.
        other: the other server; None at the first.
    """

    door: Door
    folder: Path
    cookie: str = ""
    other: Panel | None = None

    @property
    def link(self) -> str:
        """The path of the next link."""
        return (self.folder / "panel" / "link").read_text().strip().removeprefix(self.door.url)

    def get(self, path: str = "/", method: str = "GET", **headers: str | None) -> Answer:
        """Ask for something, as the operator where no other cookie is given."""
        return ask(self.door, request(self.door, path, method, **{"Cookie": self.cookie, **headers}))

    def enter(self, link: str = "") -> str:
        """The header of somebody new."""
        answer = self.get(link or self.link, Cookie=None)
        return answer.headers["set-cookie"].split(";")[0]

    def page(self, cookie: str = "", **headers: str) -> Page:
        """A page that said hello."""
        made = Page(self.door, cookie or self.cookie, **headers)
        made.say(type="hello", page=str(uuid.uuid4()), had_seat=False)
        made.until("welcome")
        return made

    def named(self, value: str) -> str:
        """The header of a cookie with this value."""
        return f"{self.door.cookie_name}={value}"


def _logged_out(panel: Panel) -> tuple[str, Page]:
    cookie = panel.enter()
    page = panel.page(cookie)
    left = panel.get("/out", "POST", Cookie=cookie, Origin=panel.door.url, Content_Length="0")
    assert left.status.startswith("204"), left
    return cookie, page


def _twice(panel: Panel) -> Answer:
    link = panel.link
    panel.enter(link)
    return panel.get(link, Cookie=None)


def _disk(panel: Panel) -> Answer:
    kept = json.loads((panel.folder / "panel" / "guests.json").read_text())["guests"]
    return panel.get(Cookie=panel.named(next(iter(kept))))


def _other(panel: Panel) -> Panel:
    assert panel.other is not None
    return panel.other


def _socket(panel: Panel, cookie: str | None = None, origin: str | None = "") -> object:
    return Page(panel.door, panel.cookie if cookie is None else cookie, origin).answer


def _said(panel: Panel, data: bytes | str, kind: int = 1, *, hello: bool = True) -> str:
    page = panel.page() if hello else Page(panel.door, panel.cookie)
    page.send(data, kind)
    return page.until("notice")


def _in_parts(panel: Panel) -> str:
    page = panel.page()
    for number in range(4):
        page.send("x" * (LARGEST_MESSAGE // 2), 1 if number == 0 else 0, last=False)
    return page.until("notice")


def _flood(panel: Panel) -> str:
    page = panel.page()
    for _ in range(60):
        page.send("{}")
    found = page.until("never")
    return "closed 1008: too many messages" if found == "cut off" else found


def _command(page: Page, name: str, **more: object) -> str:
    page.say(**{"type": "command", "id": str(uuid.uuid4()), "run": RUN, "episode": 0, "name": name, **more})
    return page.until("answer", "notice")


def _viewer(panel: Panel) -> Page:
    page = panel.page()
    page.say(type="invite", role="viewer")
    while not (link := _invitation(page)):
        pass
    return panel.page(panel.enter(link.removeprefix(panel.door.url)))


def _invitation(page: Page) -> str:
    kind, content = page._frame()
    message = json.loads(content) if kind == 1 else {}
    return str(message.get("link", ""))


def _take_control(panel: Panel) -> str:
    page = _viewer(panel)
    page.say(type="seat", action="take", over="")
    return page.until("notice")


def _invite(panel: Panel) -> str:
    page = _viewer(panel)
    page.say(type="invite", role="operator")
    return page.until("notice")


def _phone(panel: Panel) -> str:
    page = panel.page(User_Agent=PHONE)
    page.say(type="seat", action="take", over="")
    found = _command(page, "start")
    page.say(type="seat", action="release")
    return found


def _other_run(panel: Panel) -> str:
    page = panel.page()
    page.say(type="seat", action="take", over="")
    found = _command(page, "start", run="another")
    page.say(type="seat", action="release")
    return found


def _deaf(panel: Panel) -> str:
    """A page that neither reads nor answers pings, beside one that does."""
    page, began = panel.page(), time.monotonic()
    time.sleep(12.0)
    return f"{page.until('never')} {'in time' if time.monotonic() - began < PATIENCE_S else 'late'}"


PATIENCE_S = 20.0


def _quiet(panel: Panel, data: bytes) -> str:
    with panel.door.connect() as line:
        line.sendall(data)
        began = time.monotonic()
        line.settimeout(PATIENCE_S)
        try:
            answer = read(line)
        except TimeoutError:
            return "stays open"
        return f"{answer.status} {'in time' if time.monotonic() - began < PATIENCE_S else 'late'}"


def _many(panel: Panel) -> str:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(panel.door.connect())
        return f"{panel.get('/icon.svg').status} to the operator meanwhile"


def _plain(panel: Panel) -> str:
    if not panel.door.trusted:
        return "not encrypted here"
    found = ask(panel.door, request(panel.door, "/", Cookie=panel.cookie), encrypted=False)
    return found.status


def _raw(text: str) -> Try:
    """A request of which nothing is as usual; {host} and {cookie} are filled in."""
    return lambda panel: ask(
        panel.door, text.format(host=panel.door.name, cookie=panel.cookie).encode("latin-1")
    )


def _pipelined(panel: Panel) -> str:
    """A request with a cookie, and one without behind it on the same line."""
    good = request(panel.door, "/", Cookie=panel.cookie)
    with panel.door.connect() as line:
        line.sendall(good + request(panel.door, "/panel.js"))
        return f"{read(line).status}, then {read(line)}"


ODD: list[tuple[str, Try, str]] = [
    ("a path out of the folder", lambda p: p.get("/../../panel_node.py"), "404 Not Found.*"),
    ("the same, encoded", lambda p: p.get("/..%2f..%2fpanel_node.py"), "404 Not Found.*"),
    ("a whole path, //etc/passwd", lambda p: p.get("//etc/passwd"), "404 Not Found.*"),
    ("the link's file", lambda p: p.get("/panel/link"), "404 Not Found.*"),
    ("PUT /", lambda p: p.get("/", "PUT", Origin=p.door.url), "405 Method Not Allowed.*"),
    ("TRACE /", lambda p: p.get("/", "TRACE", Origin=p.door.url), "405 Method Not Allowed.*"),
    ("OPTIONS / from another site", lambda p: p.get("/", "OPTIONS", Origin=EVIL), NO_ORIGIN),
    (
        "an invented method",
        lambda p: p.get("/", "STEER", Origin=p.door.url),
        "405 Method Not Allowed.*|" + BAD,
    ),
    ("HTTP/1.1 without Host", _raw("GET / HTTP/1.1\r\nCookie: {cookie}\r\n\r\n"), NO_HOST + "|" + BAD),
    ("HTTP/1.0 without Host", _raw("GET / HTTP/1.0\r\nCookie: {cookie}\r\n\r\n"), NO_HOST),
    (
        "two Hosts, the first one ours",
        _raw("GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nCookie: {cookie}\r\n\r\n"),
        BAD,
    ),
    (
        "two lengths",
        _raw("POST /out HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nContent-Length: 40\r\n\r\nabc"),
        BAD,
    ),
    (
        "a length and chunks",
        _raw(
            "POST /out HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        ),
        BAD,
    ),
    ("two requests on one line, the second without a cookie", _pipelined, "200 OK, then " + NOT_IN),
    ("a header of 20,000 bytes", lambda p: p.get(X="y" * 20_000), BAD),
    ("a path of 20,000 bytes", lambda p: p.get("/" + "y" * 20_000), BAD),
    ("bytes that are no text, as cookie", lambda p: p.get(Cookie=p.named("\xff\xfe")), NOT_IN),
    ("bytes that are no text, as token", lambda p: p.get("/in?token=%ff%fe", Cookie=None), NO_LINK),
    ("no HTTP at all", _raw("\x16\x03\x01\x02\x00\x01\x00 hello\r\n\r\n"), BAD),
]
COOKIES: list[tuple[str, Try, str]] = [
    ("no cookie, the page", lambda p: p.get(Cookie=None), NOT_IN),
    ("no cookie, the WebSocket", lambda p: _socket(p, ""), NOT_IN),
    ("a made-up cookie", lambda p: p.get(Cookie=p.named("x" * 43)), NOT_IN),
    ("what is on the disk, as cookie", _disk, NOT_IN),
    ("another run's cookie", lambda p: p.get(Cookie=p.named(_other(p).cookie.split("=")[1])), NOT_IN),
    ("a cookie after its 12 hours, the page", lambda p: p.get(Cookie=p.named(OLD)), NOT_IN),
    ("the same, the WebSocket", lambda p: _socket(p, p.named(OLD)), NOT_IN),
    ('a cookie after "Log out", the page', lambda p: p.get(Cookie=_logged_out(p)[0]), NOT_IN),
    ("the same, the WebSocket", lambda p: _socket(p, _logged_out(p)[0]), NOT_IN),
    (
        'a page that is open at "Log out"',
        lambda p: _logged_out(p)[1].until("never"),
        "closed 1008: logged out",
    ),
]
PLACES: list[tuple[str, Try, str]] = [
    ("another `Host`, with a good cookie", lambda p: p.get(Host=f"evil.example:{p.door.port}"), NO_HOST),
    ("another `Host`, with a good link", lambda p: p.get(p.link, Host="evil.example", Cookie=None), NO_HOST),
    ("`Host` without the port", lambda p: p.get(Host=p.door.host), NO_HOST),
    ("another site's `Origin`, the page", lambda p: p.get(Origin=EVIL), NO_ORIGIN),
    ("another site's `Origin`, the WebSocket", lambda p: _socket(p, None, EVIL), NO_ORIGIN),
    ("`Origin: null`, the WebSocket", lambda p: _socket(p, None, "null"), NO_ORIGIN),
    ("no `Origin`, the WebSocket", lambda p: _socket(p, None, None), "403 Forbidden: Origin is missing"),
    ('another site\'s "Log out"', lambda p: p.get("/out", "POST", Origin=EVIL), NO_ORIGIN),
    ("the address without encryption", _plain, "not encrypted here|400 .*|cut off without an answer"),
]
LINKS: list[tuple[str, Try, str]] = [
    ("a made-up link", lambda p: p.get("/in?token=" + "A" * 43, Cookie=None), NO_LINK),
    ("a link without a token", lambda p: p.get("/in", Cookie=None), NO_LINK),
    ("a link for the second time", _twice, NO_LINK),
    ("another run's link", lambda p: p.get(_other(p).link, Cookie=None), NO_LINK),
]
MESSAGES: list[tuple[str, Try, str]] = [
    ("a message of 2049 bytes", lambda p: _said(p, "x" * (LARGEST_MESSAGE + 1)), "closed 1009: .*"),
    (
        "a message of 1 MB, before hello",
        lambda p: _said(p, "x" * 10**6, hello=False),
        "closed 1009: .*|cut off",
    ),
    ("a message of 4096 bytes in four parts", _in_parts, "closed 1009: .*"),
    (
        "a picture to the server",
        lambda p: _said(p, b"\xff\xd8\xff", BINARY),
        "closed 1003: a message is text",
    ),
    ("text that is not UTF-8", lambda p: _said(p, b"\xff\xff"), "closed 1007: .*"),
    ("a frame of an unknown kind", lambda p: _said(p, "x", 5), "closed 1002: .*"),
    (
        "something else than hello at first",
        lambda p: _said(p, '{"type": "invite", "role": "operator"}', hello=False),
        "closed 1008: the first message is hello",
    ),
    (
        "nothing after the handshake",
        lambda p: Page(p.door, p.cookie).until("never"),
        "closed 1008: no hello came within 5 s",
    ),
    ("a message that is not JSON", lambda p: _said(p, "stop"), "refused: a message that is not JSON"),
    ("60 messages at once", _flood, "closed 1008: too many messages"),
    (
        "a viewer's start",
        lambda p: _command(_viewer(p), "start"),
        "refused: a viewer can stop, and nothing else",
    ),
    (
        "a viewer's label",
        lambda p: _command(_viewer(p), "success"),
        "refused: a viewer can stop, and nothing else",
    ),
    ("a viewer takes control", _take_control, "a viewer cannot take control; ask for an operator's link"),
    ("a viewer invites an operator", _invite, "only an operator can invite"),
    ("a start without control", lambda p: _command(p.page(), "start"), "refused: take control first.*"),
    ("a start from a phone", _phone, "refused: a phone cannot start: .*"),
    ("a start for another run", _other_run, "refused: your page shows run another, this is run .*"),
    ("a viewer's stop", lambda p: _command(_viewer(p), "stop"), "accepted"),
]
SLOW: list[tuple[str, Try, str]] = [
    ("a page that does not read, for 12 s", _deaf, "cut off in time"),
    ("a line that says nothing", lambda p: _quiet(p, b""), "cut off without an answer in time"),
    ("half a request", lambda p: _quiet(p, b"GET / HTTP/1.1\r\nHost: "), "cut off without an answer in time"),
    ("200 lines at once", _many, "200 OK to the operator meanwhile"),
]
FLOODS: list[tuple[str, Try, str]] = [
    (
        "8 wrong links in a row",
        lambda p: [p.get(f"/in?token={k}", Cookie=None) for k in range(8)][-1],
        "429 Too Many Requests: too many wrong links; wait a minute",
    ),
    (
        "100 requests in a row",
        lambda p: max((p.get("/icon.svg") for _ in range(100)), key=lambda a: a.status),
        "429 Too Many Requests: too many requests; wait a few seconds",
    ),
]
PARTS = {
    "Cookies": COOKIES,
    "Links": LINKS,
    "Where a request comes from": PLACES,
    "Odd requests": ODD,
    "Messages": MESSAGES,
    "Slow and many": SLOW,
    "Floods": FLOODS,
}
