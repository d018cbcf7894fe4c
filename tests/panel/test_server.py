"""The real server, from outside: what a guest gets, and that no command counts twice."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import socket
import ssl
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.panel.bench import Bench, Running, free_port, running
from tests.panel.visitor import PHONE, browser, cookies, page
from zprl_core.panel_address import PanelAddress
from zprl_panel.server import Server
from zprl_web import private, tls
from zprl_web.messages import LARGEST_MESSAGE
from zprl_web.site import Place


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as made:
        yield made


def test_a_guest_gets_in_by_a_strict_cookie_and_sees_the_page_under_a_strict_policy(panel: Running) -> None:
    async def scenario() -> None:
        async with browser(panel, link=None) as client:
            async with client.get(panel.link, allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (303, "/")
                cookie = response.headers["Set-Cookie"]
                assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "token" not in cookie
            async with client.get("/") as response:
                policy = response.headers["Content-Security-Policy"]
                assert response.status == 200
                assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
                assert "unsafe" not in policy
                assert response.headers["Cache-Control"] == "no-store"
                text = await response.text()
        assert " style=" not in text and "onclick" not in text and "<script>" not in text

    asyncio.run(scenario())


def test_secrets_on_the_disk_are_private(panel: Running) -> None:
    asyncio.run(_enter(panel))
    assert stat.S_IMODE(panel.folder.stat().st_mode) == 0o700
    for name in ("link", "guests.json"):
        assert stat.S_IMODE((panel.folder / name).stat().st_mode) == 0o600


async def _enter(panel: Running) -> None:
    async with browser(panel):
        pass


def closing(panel: Running, *messages: str, agent: str = "") -> int:
    """The code with which the server closes a socket after these messages."""

    async def scenario() -> int:
        async with (
            browser(panel, agent=agent) as client,
            client.ws_connect("/ws", headers={"Origin": panel.url}) as connected,
        ):
            with contextlib.suppress(ConnectionResetError):  # closed before all was said
                for message in messages:
                    await connected.send_str(message)
            async for _ in connected:
                pass
            return connected.close_code or 0

    return asyncio.run(asyncio.wait_for(scenario(), 20.0))


HELLO = json.dumps({"type": "hello", "page": str(uuid.UUID(int=1, version=4)), "had_seat": False})


def test_sockets_that_do_not_keep_to_the_protocol_are_closed(panel: Running) -> None:
    assert closing(panel, "x" * (LARGEST_MESSAGE + 1)) == 1009
    assert closing(panel, HELLO, "x" * (LARGEST_MESSAGE + 1)) == 1009
    assert closing(panel, json.dumps({"type": "frame", "camera": "wrist"})) == 1008
    assert closing(panel, "{}") == 1008


def test_a_page_that_says_too_much_is_closed(panel: Running) -> None:
    code = closing(panel, HELLO, *["{}"] * 60)
    assert code in (1008, 1006)  # cut off, where more was on its way


def test_a_page_that_does_not_read_is_dropped(panel: Running) -> None:
    """It answers no ping and takes nothing; the others go on."""

    async def scenario() -> None:
        async with browser(panel) as client, page(client, panel) as good:
            cookie = "; ".join(f"{key}={value}" for key, value in cookies(client).items())
            slow = socket.create_connection(("127.0.0.1", panel.port))
            request = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{panel.port}\r\nOrigin: {panel.url}\r\n"
            request += f"Cookie: {cookie}\r\n"
            request += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            slow.sendall((request + "Sec-WebSocket-Key: " + "A" * 22 + "==\r\n\r\n").encode())
            slow.sendall(_masked(HELLO))
            began, gone = time.monotonic(), False
            while time.monotonic() - began < 15.0 and not gone:
                await good.until("view")
                gone = len(panel.server._pages) == 1 and time.monotonic() - began > 1.0
            assert gone, "the slow page is still there"
            assert (await good.command("stop"))["accepted"]
            slow.close()

    asyncio.run(scenario())


def _masked(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


def test_the_seat_labels_and_everyone_stops(panel: Running) -> None:
    async def scenario() -> None:
        async with (
            browser(panel) as first,
            browser(panel) as second,
            page(first, panel) as anna,
            page(second, panel) as ben,
        ):
            assert "take control first" in (await anna.command("start"))["reason"]
            await anna.take_seat()
            assert (await anna.command("start"))["accepted"]
            assert (await anna.command("begin"))["accepted"]
            assert not (await ben.command("success"))["accepted"]
            await ben.say(type="seat", action="take", over="")
            assert "operator-1 has control" in (await ben.until("notice"))["text"]
            await ben.take_seat(over="operator-1")
            assert not (await anna.command("success"))["accepted"]
            assert (await anna.command("stop"))["accepted"]
        assert panel.bench.session.view.state == "stopped"

    asyncio.run(scenario())


def test_an_invited_viewer_and_a_phone_cannot_start_a_motion(panel: Running) -> None:
    async def scenario() -> None:
        async with browser(panel) as first, page(first, panel) as anna:
            await anna.say(type="invite", role="viewer")
            link = (await anna.until("invitation"))["link"]
            async with browser(panel, link=link) as second, page(second, panel) as eve:
                await eve.say(type="seat", action="take", over="")
                assert "viewer cannot take control" in (await eve.until("notice"))["text"]
                await eve.say(type="invite", role="operator")
                assert "only an operator can invite" in (await eve.until("notice"))["text"]
                assert not (await eve.command("start"))["accepted"]
            async with browser(panel, agent=PHONE) as third, page(third, panel) as phone:
                await phone.take_seat()
                assert "a phone cannot start" in (await phone.command("start"))["reason"]
                await anna.take_seat(over="operator-3")
                assert (await anna.command("start"))["accepted"]
                assert (await anna.command("begin"))["accepted"]
                await phone.take_seat(over="operator-1")
                assert (await phone.command("success"))["accepted"]
                assert (await phone.command("stop"))["accepted"]

    asyncio.run(scenario())


def test_a_command_that_is_sent_again_counts_once(panel: Running) -> None:
    async def scenario() -> None:
        async with browser(panel) as client, page(client, panel) as anna:
            await anna.take_seat()
            await anna.command("start")
            await anna.command("begin")
            id = str(uuid.uuid4())
            panel.bench.mute = True  # the session hears it, and its answer is lost
            assert (await anna.command("failure", id=id))["accepted"] is None
            panel.bench.mute = False
            assert (await anna.command("failure", id=id))["accepted"] is True
            assert not (await anna.command("success"))["accepted"]
            assert not (await anna.command("success", episode=1))["accepted"]
            assert "your page shows run other" in (await anna.command("undo", run="other"))["reason"]
        lines = panel.bench.records.read_text().splitlines()
        assert [(line["episode"], line["outcome"]) for line in map(json.loads, lines)] == [(0, "failure")]
        assert json.loads(lines[0])["label_author"] == "operator-1"

    asyncio.run(scenario())


def test_a_restarted_server_knows_its_guests_and_who_had_the_seat(tmp_path: Path) -> None:
    bench, id, label = Bench(tmp_path / "episodes.jsonl"), str(uuid.uuid4()), str(uuid.uuid4())

    async def before(made: Running) -> dict[str, str]:
        async with browser(made) as client, page(client, made, id=id) as anna:
            await anna.take_seat()
            await anna.command("start")
            await anna.command("begin")
            bench.deaf = True
            assert (await anna.command("success", id=label))["accepted"] is None
            return cookies(client)

    async def after(made: Running, carried: dict[str, str]) -> None:
        async with browser(made, link=None) as client:
            client.headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in carried.items())
            async with page(client, made, had_seat=True, id=id) as anna:
                assert (await anna.command("success", id=label))["accepted"] is True

    with running(tmp_path, bench) as first:
        port, carried = first.port, asyncio.run(before(first))
    bench.deaf = False
    with running(tmp_path, bench, port=port) as second:
        asyncio.run(after(second, carried))
    assert bench.session.view.outcome == "success"


def test_a_page_that_comes_back_keeps_the_seat_and_replaces_its_old_self(panel: Running) -> None:
    async def scenario() -> None:
        async with browser(panel) as client, page(client, panel) as old:
            await old.take_seat()
            async with page(client, panel, id=old.page) as new:
                seat = await new.until("seat")
                assert seat["yours"]
                with pytest.raises(AssertionError, match="1008 this page was opened again"):
                    await old.until("never")
                assert (await new.command("start"))["accepted"]

    asyncio.run(scenario())


def test_pictures_come_one_for_one_credit(panel: Running) -> None:
    async def scenario() -> None:
        async with browser(panel) as client, page(client, panel) as anna:
            await anna.say(type="frame", camera="wrist")
            pictures, deadline = [], time.monotonic() + 1.5
            while time.monotonic() < deadline:
                message = await anna.socket.receive(timeout=5.0)
                if message.type is aiohttp.WSMsgType.BINARY:
                    pictures.append(message.data)
            assert len(pictures) == 1
            assert pictures[0][:4] == bytes([1]) + b"\xff\xd8\xff"  # the second camera's, a JPEG

    asyncio.run(scenario())


def test_off_this_machine_everything_is_encrypted_and_the_cookie_is_bound_to_it(tmp_path: Path) -> None:
    """127.0.0.2 stands for an address in the lab's network: only `loopback` says otherwise."""

    class Foreign(PanelAddress):
        loopback = False

    now = datetime.datetime.now(datetime.timezone.utc)
    made = tls.certificate(private.private_folder(tmp_path / "tls"), ("127.0.0.2",), now)
    address = Foreign("127.0.0.2", free_port())
    folder = private.private_folder(tmp_path / "panel")
    bench = Bench(tmp_path / "episodes.jsonl")
    place = Place("panel", address, (), folder, made)

    async def scenario() -> None:
        server = Server(place, bench.records, bench, bench.latest)
        await server.start()
        link = (folder / "link").read_text().strip()
        trust = ssl.create_default_context(cafile=str(made.certificate))
        async with aiohttp.ClientSession() as client:
            async with client.get(link, ssl=trust, allow_redirects=False) as response:
                cookie = response.headers["Set-Cookie"]
                assert cookie.startswith("__Host-zprl_") and "Secure" in cookie
            with pytest.raises(aiohttp.ClientError):
                await client.get(link.replace("https", "http"))
        await server.stop()

    asyncio.run(scenario())
