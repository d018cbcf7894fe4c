"""The real server in front of the real session, without ROS: what stands between them in a graph is `Bench`.

`python -m tests.panel.bench HOST:PORT [FOLDER]` serves a made-up run to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from zprl_core import layout
from zprl_core.config import load_task
from zprl_core.panel_address import PanelAddress
from zprl_core.plan import Block, trial
from zprl_core.records import EpisodeRecord, append_record, read_records
from zprl_core.session import RecordEpisode, ResetWorld, Session, SessionConfig
from zprl_panel.latest import Cell, Latest
from zprl_panel.protocol import LABELS
from zprl_panel.server import Server
from zprl_web import private
from zprl_web.connection import Verdict
from zprl_web.messages import Command
from zprl_web.site import Place
from zprl_web.tls import certificate
from zprl_web.web_node import NoAnswer

REGION = load_task("place_orange").region
RUN = "20260101-120000-0123abcd"
CELL = Cell(
    run_id=RUN,
    task="place_orange",
    rig="xarm6_place_orange",
    lockstep=False,
    chunk_steps=16,
    horizon_steps=160,
    arms=("arm",),
    cameras=("third_view", "wrist"),
    nodes=("/arm_bridge", "/camera_third_view", "/policy_node", "/learner_node", "/session_node"),
    managed=("/policy_node",),
    region=REGION,
    corners={"third_view": ((0.15, 0.9), (0.85, 0.9), (0.7, 0.45), (0.3, 0.45))},
)

TRAINING = (Block("train", "explore", chunks=10_000),)


class Bench:
    """A session that answers, until it is made deaf, and a world that is reset at once.

    Attributes:
        deaf: nothing reaches the session.
        mute: what it is asked reaches it, and the answer is lost.
        unseen: what becomes of it reaches no page any more.
        asked: every command that reached it.
    """

    def __init__(self, records: Path, plan: tuple[Block, ...] = TRAINING, cell: Cell = CELL) -> None:
        self.records, self.deaf, self.mute, self.unseen = records, False, False, False
        self.asked: list[Command] = []
        self.plan, self.latest = plan, Latest(cell, time.monotonic())
        config = SessionConfig(
            run_id=RUN,
            seed=0,
            plan=plan,
            horizon_chunks=10,
            chunk_steps=16,
            lockstep=False,
            auto_begin=False,
        )
        self.session = Session(config)
        self.publish()

    async def ask(self, command: Command, author: str) -> Verdict:
        """See `zprl_web.server.Desk`."""
        if self.deaf:
            raise NoAnswer("/session/command is not there")
        self.asked.append(command)
        now_ns, id_, episode = time.time_ns(), command.id, command.episode
        if command.name in LABELS:
            answer = self.session.label(id_, episode, -1, command.name, author, now_ns)
        else:
            answer = self.session.command(id_, episode, command.name, author, now_ns, command.value)
        self.settle()
        if self.mute:
            raise NoAnswer("/session/command has not answered for 3 s")
        return Verdict(answer.accepted, answer.reason)

    def settle(self) -> None:
        """Carry out what the session asks for."""
        for effect in self.session.take_effects():
            if isinstance(effect, RecordEpisode):
                append_record(self.records, effect.record)
            elif isinstance(effect, ResetWorld):
                case = self.latest.cell.cases.get(self.session.case)
                laid_out = layout.describe(layout.draw(REGION, effect.layout_seed, case))
                self.session.reset_done(effect.episode, laid_out, time.time_ns())
        self.publish()

    def publish(self) -> None:
        """What /session/state would say."""
        if self.unseen:
            return
        view = self.session.view
        since = SimpleNamespace(sec=view.since_ns // 10**9, nanosec=view.since_ns % 10**9)
        message = SimpleNamespace(**{**asdict(view), "since": since})
        now = trial(self.plan, read_records(self.records), view.episode)
        self.latest.on_session(message, time.monotonic(), time.time(), now)

    def encode(self, camera: str) -> bytes:
        """See `zprl_web.server.Desk`."""
        picture = np.zeros((240, 320, 3), np.uint8)
        picture[:, :, 1] = np.linspace(30, 90, 320).astype(np.uint8)
        place = (int(160 + 100 * np.sin(time.monotonic())), 150)
        cv2.circle(picture, place, 24, (30, 140, 250), -1)
        return bytes(cv2.imencode(".jpg", picture)[1])

    def live(self) -> None:
        """One more picture, state and lease, as a real-time graph sends them."""
        now_s = time.monotonic()
        state = SimpleNamespace(fault="", owner="policy", shadow=False)
        for stream in self.latest.arms.values():
            stream.note(state, now_s)
        for stream in self.latest.cameras.values():
            stream.note(b"", now_s)
        self.latest.on_lease(SimpleNamespace(frame_id=RUN), now_s)
        self.latest.on_names(set(CELL.nodes))


class Running:
    """A server in a thread of its own, on a free port of this machine."""

    def __init__(self, folder: Path, bench: Bench, port: int = 0, host: str = "127.0.0.1") -> None:
        self.bench = bench
        self.folder = private.private_folder(folder / "panel")
        address = PanelAddress(host, port or free_port(host))
        self.port = address.port
        made = None
        if address.tls:
            now = datetime.datetime.now(datetime.timezone.utc)
            made = certificate(private.private_folder(folder / "tls"), (host,), now)
        self.place = Place("panel", address, ("localhost",), self.folder, made)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.server = self.call(self._start())
        self._live = threading.Event()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    async def _start(self) -> Server:
        server = Server(self.place, self.bench.records, self.bench, self.bench.latest)
        await server.start()
        return server

    def _keep_alive(self) -> None:
        while not self._live.wait(0.05):
            self.loop.call_soon_threadsafe(self.bench.live)

    def call(self, coroutine: Any) -> Any:
        """Run something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10.0)

    @property
    def url(self) -> str:
        """Its origin."""
        return self.place.address.url

    @property
    def link(self) -> str:
        """The way in for one operator."""
        return (self.folder / "link").read_text().strip()

    def stop(self) -> None:
        """End it."""
        self._live.set()
        self.call(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5.0)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, bench: Bench | None = None, **more: Any) -> Iterator[Running]:
    """A server that is gone afterwards."""
    made = Running(folder, bench or Bench(folder / "episodes.jsonl"), **more)
    try:
        yield made
    finally:
        made.stop()


def record(episode: int, outcome: str, steps: int = 96, block: str = "train") -> EpisodeRecord:
    """An episode that is over."""
    return EpisodeRecord(
        episode=episode,
        block=block,
        mode="explore",
        layout_seed=episode,
        outcome=outcome,
        steps=steps,
        chunks=steps // 16,
        start_stamp_ns=0,
        end_stamp_ns=1,
        label_author="operator-1",
    )


def main() -> None:
    """Serve until Ctrl-C."""
    address = PanelAddress.parse(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else name)
        with running(folder, port=address.port, host=address.host) as made:
            print(made.link, flush=True)
            threading.Event().wait()


if __name__ == "__main__":
    main()
