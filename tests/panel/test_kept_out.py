"""Who does not get in: every way in, against the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.panel.bench import Running, running
from tests.panel.visitor import browser, cookies


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as made:
        yield made


Refusal = Callable[[Running, aiohttp.ClientSession], Awaitable[int]]


async def _status(client: aiohttp.ClientSession, path: str, method: str = "GET", **headers: str) -> int:
    async with client.request(method, path, headers=headers, allow_redirects=False) as response:
        return response.status


def _carry(panel: Running, client: aiohttp.ClientSession, value: str) -> None:
    client.cookie_jar.clear()
    client.headers["Cookie"] = f"zprl_{panel.port}={value}"


async def _no_cookie(panel: Running, client: aiohttp.ClientSession) -> int:
    client.cookie_jar.clear()
    return await _status(client, "/")


async def _made_up_cookie(panel: Running, client: aiohttp.ClientSession) -> int:
    _carry(panel, client, "x" * 43)
    return await _status(client, "/")


async def _what_is_on_the_disk_as_cookie(panel: Running, client: aiohttp.ClientSession) -> int:
    kept = json.loads((panel.folder / "guests.json").read_text())
    _carry(panel, client, next(iter(kept["guests"])))
    return await _status(client, "/")


async def _bad_token(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/in?token=" + "A" * 43)


async def _no_token(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/in")


async def _replayed_link(panel: Running, client: aiohttp.ClientSession) -> int:
    link = panel.link
    assert await _status(client, link.removeprefix(panel.url)) == 303
    return await _status(client, link.removeprefix(panel.url))


async def _wrong_host(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/", Host=f"evil.example:{panel.port}")


async def _wrong_host_with_a_good_link(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, panel.link.removeprefix(panel.url), Host=f"evil.example:{panel.port}")


async def _foreign_origin(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/", Origin="http://evil.example")


async def _foreign_log_out(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/out", "POST", Origin="http://evil.example")


async def _log_out_without_origin(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/out", "POST")


async def _socket(client: aiohttp.ClientSession, **headers: str) -> int:
    try:
        async with client.ws_connect("/ws", headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


async def _foreign_socket(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _socket(client, Origin="http://evil.example")


async def _socket_without_origin(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _socket(client)


async def _socket_without_cookie(panel: Running, client: aiohttp.ClientSession) -> int:
    client.cookie_jar.clear()
    return await _socket(client, Origin=panel.url)


async def _replayed_cookie(panel: Running, client: aiohttp.ClientSession) -> int:
    (value,) = cookies(client).values()
    assert await _status(client, "/") == 200
    assert await _status(client, "/out", "POST", Origin=panel.url) == 204
    _carry(panel, client, value)
    return await _status(client, "/")


async def _another_file(panel: Running, client: aiohttp.ClientSession) -> int:
    return await _status(client, "/..%2f..%2fpanel_node.py")


async def _too_large_a_body(panel: Running, client: aiohttp.ClientSession) -> int:
    big = b"x" * 100_000
    async with client.post("/out", data=big, headers={"Origin": "http://evil.example"}) as response:
        return response.status


async def _too_many_wrong_links(panel: Running, client: aiohttp.ClientSession) -> int:
    return [await _status(client, f"/in?token={k}") for k in range(8)][-1]


async def _too_many_requests(panel: Running, client: aiohttp.ClientSession) -> int:
    return max([await _status(client, "/icon.svg") for _ in range(90)])


REFUSED: list[tuple[Refusal, int]] = [
    (_no_cookie, 401),
    (_made_up_cookie, 401),
    (_what_is_on_the_disk_as_cookie, 401),
    (_bad_token, 403),
    (_no_token, 403),
    (_replayed_link, 403),
    (_wrong_host, 403),
    (_wrong_host_with_a_good_link, 403),
    (_foreign_origin, 403),
    (_foreign_log_out, 403),
    (_log_out_without_origin, 403),
    (_foreign_socket, 403),
    (_socket_without_origin, 403),
    (_socket_without_cookie, 401),
    (_replayed_cookie, 401),
    (_another_file, 404),
    (_too_large_a_body, 403),
    (_too_many_wrong_links, 429),
    (_too_many_requests, 429),
]


@pytest.mark.parametrize(
    ("attempt", "status"), REFUSED, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_who_is_kept_out(panel: Running, attempt: Refusal, status: int) -> None:
    async def scenario() -> None:
        async with browser(panel) as client:
            assert await attempt(panel, client) == status

    asyncio.run(scenario())
