"""The teleoperation page's real server, from outside, without ROS: who has the hands, and what they do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest

from teleop_vr.server import Server
from teleop_vr.view import Cell
from tests.panel.bench import free_port
from tests.panel.visitor import PHONE, Page
from zprl_core.config import load_rig, load_task
from zprl_core.panel_address import PanelAddress
from zprl_core.safety import ChunkCommand
from zprl_core.teleop import ClutchSettings
from zprl_core.teleop.teleoperation import ArmSample, Teleoperation
from zprl_core.trajectory import Setpoint
from zprl_web import private
from zprl_web.connection import Verdict
from zprl_web.messages import Command
from zprl_web.site import Place
from zprl_web.web_node import NoAnswer

RUN = "20260101-120000-0123abcd"
RIG, TASK = load_rig("sim_xarm6"), load_task("place_orange_demo")
HOME = Setpoint(np.array([0.36, 0.02, 0.19]), np.array([0.0, 1.0, 0.0, 0.0]), 0.088)
STATE = SimpleNamespace(
    run_id=RUN,
    state="running",
    episode=3,
    mode="human",
    outcome="",
    reason="",
    layout="",
    layout_seed=1,
    possible=["stop", "success", "failure", "abort"],
    since=SimpleNamespace(sec=0, nanosec=0),
)


QUEST = (
    "Mozilla/5.0 (Linux; Android 12; Quest 3) AppleWebKit/537.36 (KHTML, like Gecko) OculusBrowser/35.0 "
    "Chrome/126.0 Mobile VR Safari/537.36"
)


class House:
    """A server in a thread of its own, and the graph behind it."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[Command, str]] = []
        self.sent: list[tuple[str, ChunkCommand]] = []
        self.deaf = False
        self.folder = private.private_folder(folder / "teleop")
        place = Place("teleoperation", PanelAddress("127.0.0.1", free_port()), ("localhost",), self.folder)
        self.url = place.address.url
        self.teleoperation = Teleoperation(RIG, TASK, ClutchSettings(), demonstrated=True)
        cell = Cell(RUN, TASK.name, RIG.name, ("arm",), ("third_view",))
        self.server = Server(place, self, cell, self.teleoperation, TASK.tick_s)
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.call(self.server.start())
        self._over = threading.Event()
        threading.Thread(target=self._keep_alive, daemon=True).start()
        self.loop.call_soon_threadsafe(self.server.on_session, STATE)

    def _keep_alive(self) -> None:
        while not self._over.wait(1.0 / 60.0):
            sample = ArmSample(time.time_ns(), HOME, HOME.pose, "")
            self.loop.call_soon_threadsafe(self.teleoperation.on_arm, "arm", sample)
            self.server.cameras["third_view"].note(b"picture", time.monotonic())

    async def ask(self, command: Command, author: str) -> Verdict:
        if self.deaf:
            raise NoAnswer("/session/command is not there")
        self.asked.append((command, author))
        return Verdict(True)

    def send(self, arm: str, command: ChunkCommand) -> None:
        self.sent.append((arm, command))

    def encode(self, camera: str) -> bytes:
        return b"jpeg of " + camera.encode()

    def collected(self) -> Mapping[str, Any]:
        return {"kept": 2, "successes": 1, "discarded": 0, "covered": (1, 12)}

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10.0)

    @property
    def link(self) -> str:
        return (self.folder / "link").read_text().strip()

    def stop(self) -> None:
        self._over.set()
        self.call(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.stop()


@contextlib.asynccontextmanager
async def visit(house: House, link: str = "", agent: str = "") -> AsyncIterator[Page]:
    """A page of a browser that went through a link, an operator's if none is given."""
    jar, headers = aiohttp.CookieJar(unsafe=True), {"User-Agent": agent} if agent else {}
    async with aiohttp.ClientSession(house.url, cookie_jar=jar, headers=headers) as client:
        async with client.get(link or house.link) as response:
            assert response.status == 200, await response.text()
        async with client.ws_connect("/ws", headers={"Origin": house.url}) as socket:
            page = Page(socket, str(uuid.uuid4()))
            await page.say(type="hello", page=page.page)
            await page.until("welcome")
            yield page


async def hold(page: Page, seconds: float) -> None:
    """Tell of a right hand that holds the grip, at a headset's rate, after it had let go of it."""
    for grip, held_s in ((0.0, 0.1), (1.0, seconds)):
        end = time.monotonic() + held_s
        while time.monotonic() < end:
            hand = {"p": [0.0, 1.0, 0.0], "q": [0, 0, 0, 1], "grip": grip, "trigger": 0.1, "tracked": True}
            await page.say(type="hands", at=1e3 * time.monotonic(), hands={"right": hand})
            await asyncio.sleep(0.011)


async def view(page: Page, **wanted: Any) -> dict[str, Any]:
    """The next view in which the arm is as wanted."""
    return await page.until("view", lambda v: all(v["arms"]["arm"][k] == x for k, x in wanted.items()))


def test_hands_become_chunks_of_a_person_and_the_page_knows_its_round_trip(house: House) -> None:
    async def scenario() -> None:
        async with visit(house) as page:
            await hold(page, 0.5)
            seen = await page.until("seen")
            assert seen["at"] <= 1e3 * time.monotonic()
            shown = await view(page, closed=True)
            assert shown["yours"] and shown["driver"] == shown["you"] and shown["collected"]["kept"] == 2

    asyncio.run(scenario())
    arm, command = house.sent[-1]
    assert (arm, command.run_id, command.episode, command.source) == ("arm", RUN, 3, "human")
    assert len({command.chunk for _, command in house.sent}) == len(house.sent)


def test_a_silent_page_lets_go_and_so_does_one_that_says_so_or_leaves(house: House) -> None:
    async def scenario() -> None:
        async with visit(house) as page:
            await hold(page, 0.3)
            lost = await page.until("view", lambda v: v["arms"]["arm"]["why"] != "")
            assert "no word from the headset" in lost["arms"]["arm"]["why"]
            await hold(page, 0.2)
            await page.say(type="let_go", why="the page is hidden")
            await view(page, closed=False, why="the page is hidden")
            await hold(page, 0.2)
        async with visit(house) as again:
            await view(again, closed=False, why="the page with the hands is gone")

    asyncio.run(scenario())


def test_one_page_has_the_hands(house: House) -> None:
    async def scenario() -> None:
        async with visit(house) as first, visit(house) as second:
            assert (await first.until("view", lambda v: v["driver"] != ""))["yours"]
            watcher = await second.until("view", lambda v: v["driver"] != "")
            assert not watcher["yours"]
            sent = len(house.sent)
            await hold(second, 0.3)
            assert len(house.sent) == sent, "a page without the hands moves nothing"
            refused = await second.command("success", 3)
            assert not refused["accepted"] and "another page has the hands" in refused["reason"]
            assert (await second.command("stop", 3))["accepted"]
            await second.say(type="settings", scale=0.5, yaw_deg=0, locked=[], hand="right")
            notice = await second.until("notice", lambda v: True)
            assert "take the hands first" in notice["text"]
            assert house.teleoperation.settings.scale == 1.0
            await second.say(type="take")
            await second.until("view", lambda v: v["yours"])
            await first.until("view", lambda v: not v["yours"])
            await hold(second, 0.3)
            assert len(house.sent) > sent

    asyncio.run(scenario())


def test_a_viewer_never_has_them_and_can_stop(house: House) -> None:
    link = house.server._site.gate.invite("viewer")

    async def scenario() -> None:
        async with visit(house, link) as viewer:
            await viewer.say(type="take")
            assert "a viewer cannot take the hands" in (await viewer.until("notice"))["text"]
            assert not (await viewer.until("view"))["yours"]
            assert (await viewer.command("stop"))["accepted"]
        async with visit(house) as operator:
            assert (await operator.until("view", lambda v: v["driver"] != ""))["yours"]

    asyncio.run(scenario())
    assert [command.name for command, _ in house.asked] == ["stop"]


def test_a_phone_never_has_them_and_a_headset_is_none(house: House) -> None:
    async def scenario() -> None:
        async with visit(house, agent=PHONE) as phone:
            await phone.say(type="take")
            assert "a phone cannot take the hands" in (await phone.until("notice"))["text"]
            assert (await phone.command("stop", 3))["accepted"]
            assert not (await phone.command("success", 3))["accepted"]
        async with visit(house, agent=QUEST) as headset:
            assert (await headset.until("view", lambda v: v["driver"] != ""))["yours"]

    asyncio.run(scenario())


def test_commands_go_to_the_session_with_their_author_and_another_run_is_refused(house: House) -> None:
    async def scenario() -> None:
        async with visit(house) as page:
            assert (await page.command("success", 3))["accepted"]
            other = await page.command("success", 3, run="another")
            assert not other["accepted"] and "this is run" in other["reason"]
            house.deaf = True
            assert (await page.command("abort", 3))["accepted"] is None

    asyncio.run(scenario())
    ((command, author),) = house.asked
    assert (command.name, command.episode, author) == ("success", 3, "operator-1")


def test_pictures_come_one_for_each_credit(house: House) -> None:
    async def scenario() -> bytes:
        async with visit(house) as page:
            await page.say(type="frame", camera="third_view")
            while True:
                message = await page.socket.receive(timeout=5.0)
                if message.type is aiohttp.WSMsgType.BINARY:
                    return bytes(message.data)

    assert asyncio.run(scenario()) == b"\0jpeg of third_view"


def test_what_is_no_message_is_named_and_a_flood_is_cut(house: House) -> None:
    async def scenario() -> int:
        async with visit(house) as page:
            await page.say(type="hands", at=1.0, hands={"right": {"p": [1, 2]}})
            assert "p: [1, 2], allowed: 3 numbers" in (await page.until("notice"))["text"]
            with contextlib.suppress(ConnectionResetError):
                for _ in range(100):
                    await page.socket.send_str(json.dumps({"type": "take"}))
            async for _ in page.socket:
                pass
            return page.socket.close_code or 0

    assert asyncio.run(asyncio.wait_for(scenario(), 20.0)) in (1008, 1006)
