"""A person at a session of the kill test: looks, decides by a seeded draw, remembers what was answered."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from zprl_interfaces.msg import ActionChunk, ChunkReport, LearnerStatus, SessionState, SimState
from zprl_interfaces.srv import Label, SessionCommand

from tests.benchmarks.kill_checks import LABELS, Asked
from zprl_bringup import convert, qos

AUTHOR, ARM = "kill-test", "arm"
ANSWER_S, WAY_S = 20.0, 120.0
NEXT = {
    "idle": "start",
    "labelled": "start",
    "ready": "begin",
    "paused": "resume",
    "stopped": "clear",
    "faulted": "clear",
}
"""What leads on from a state."""


class Operator:
    """Use it as a context manager, while the session runs.

    Args:
        environment: of the session, from RUN/live.json.

    Attributes:
        asked: everything in order.
        version: records that the learner has acknowledged, as far as was heard.
        executed: (when its report was sent, Unix time in ns; episode) of every chunk that an arm executed.
        worlds: (when it was sent, Unix time in ns; simulated time, ns) of every state of the world.
        states: (when it was sent, Unix time in ns; state; episode) of everything that the session told.
    """

    def __init__(self, environment: Mapping[str, str], rng: random.Random) -> None:
        os.environ.update({k: v for k, v in environment.items() if k != "ROS_DOMAIN_ID"})
        self._domain, self._rng = int(environment["ROS_DOMAIN_ID"]), rng
        self.asked: list[Asked] = []
        self.view: SessionState | None = None
        self.version = 0
        self.executed: list[tuple[int, int]] = []
        self.worlds: list[tuple[int, int]] = []
        self.states: list[tuple[int, str, int]] = []

    def __enter__(self) -> Operator:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=self._domain)
        self._node = rclpy.create_node(f"operator_{uuid.uuid4().hex[:8]}", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        node, stream = self._node, qos.stream(lockstep=True)
        node.create_subscription(SessionState, "/session/state", self._on_state, qos.changes())
        node.create_subscription(LearnerStatus, "/learner/status", self._on_learner, qos.status())
        node.create_subscription(ChunkReport, f"/arms/{ARM}/report", self._on_report, stream)
        node.create_subscription(SimState, "/sim/state", self._on_world, stream)
        self._commands = node.create_client(SessionCommand, "/session/command")
        self._labels = node.create_client(Label, "/session/label")
        self._chunks = node.create_publisher(ActionChunk, f"/arms/{ARM}/command", stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    @property
    def state(self) -> str:
        """Of the session, as seen last."""
        return self.view.state if self.view is not None else ""

    @property
    def episode(self) -> int:
        """Of the session, as seen last."""
        return self.view.episode if self.view is not None else -1

    @property
    def possible(self) -> list[str]:
        """What the session would accept, as seen last."""
        return list(self.view.possible) if self.view is not None else []

    def look(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Take in what comes, until something holds or the time is over; whether it held."""
        end = time.monotonic() + seconds
        while not (held := until()) and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=min(0.02, max(0.0, end - time.monotonic())))
        return held

    def connected(self) -> bool:
        """Whether the session and its services were found."""
        clients = (self._commands, self._labels)
        return self.view is not None and all(client.service_is_ready() for client in clients)

    def ask(self, name: str, value: str = "", episode: int | None = None, id: str = "") -> Asked:
        """Ask, and wait for the answer."""
        send = self.send(name, value, episode, id)
        self.look(ANSWER_S, send.done)
        return self.settle(send)

    def send(self, name: str, value: str = "", episode: int | None = None, id: str = "") -> Pending:
        """Ask, and do not wait."""
        episode = self.episode if episode is None else episode
        id = id or uuid.uuid4().hex
        common: dict[str, Any] = {"command_id": id, "episode": episode, "author": AUTHOR}
        if name in LABELS:
            future = self._labels.call_async(Label.Request(**common, chunk=-1, label=name))
        else:
            future = self._commands.call_async(SessionCommand.Request(**common, command=name, value=value))
        return Pending(Asked(id, name, episode, value), future)

    def settle(self, pending: Pending) -> Asked:
        """Remember what was asked, with its answer if there is one by now."""
        self.asked.append(pending.answered())
        return self.asked[-1]

    def spoil(self) -> None:
        """A chunk for the arm that is not due: a fault, while an episode runs."""
        assert self.view is not None
        self._chunks.publish(
            ActionChunk(
                header=convert.header(0),
                run_id=self.view.run_id,
                episode=self.view.episode,
                chunk=99,
                source="policy",
                dt_s=0.1,
                dim=7,
                actions=convert.doubles(np.zeros((16, 7))),
            )
        )

    def go_to(self, target: str) -> bool:
        """Lead the session to a state; False where it did not get there."""
        end = time.monotonic() + WAY_S
        while self.state != target:
            if time.monotonic() > end or self.state == "done":
                return False
            self._step(target)
        return True

    def finish_episode(self) -> None:
        """Up to a label, and now and then a second thought; nothing where the plan is done."""
        if self.state == "labelled":
            self._do("start")
        if self.go_to("labelled"):
            draw = self._rng.random()
            if draw < 0.2 and self.ask("undo").accepted:
                self._wait_change("labelled")
                self._label()
            elif draw < 0.4:
                self.correct_an_earlier_one()

    def correct_an_earlier_one(self) -> None:
        """Turn the outcome of an episode that is over."""
        done = [
            one for one in self.asked if one.accepted and one.name in LABELS and one.episode < self.episode
        ]
        if done:
            self.ask("correct", self._rng.choice(LABELS), self._rng.choice(done).episode)

    def _step(self, target: str) -> None:
        state, draw = self.state, self._rng.random()
        if target == "stopped":
            self._do("stop")
        elif target == "paused" and state in ("ready", "running", "labelled") and draw < 0.5:
            self._do("pause")
        elif target == "idle":
            self._do("clear" if state in ("stopped", "faulted") else "stop")
        elif target == "judging" and state == "labelled" and draw < 0.5 and "undo" in self.possible:
            self._do("undo")
        elif state == "running":
            self._while_running(target, draw)
        elif state == "judging":
            self._label()
        elif state == "resetting":
            self._wait_change(state)
        else:
            self._do(NEXT[state])

    def _while_running(self, target: str, draw: float) -> None:
        if target == "faulted":
            self.look(0.1 * draw)
            episode = self.episode
            self.spoil()
            if self.look(1.0, lambda: self.state != "running") and self.state == "faulted":
                self.asked.append(Asked("", "fault", episode, accepted=True))
        elif target == "labelled" and draw < 0.3:
            self.look(0.3 * self._rng.random())
            self._label()
        elif target == "labelled" and draw < 0.4:
            self._do("abort")
        elif target == "paused":
            self._do("pause")
        else:
            self._wait_change("running")

    def _label(self) -> None:
        self._do(self._rng.choice(LABELS))

    def _do(self, name: str) -> None:
        """Ask, and wait for what follows; what is refused because the state has changed is no matter."""
        before = self.view.sequence if self.view else -1
        if self.ask(name).accepted:
            self.look(ANSWER_S, lambda: self.view is not None and self.view.sequence > before)

    def _wait_change(self, state: str) -> None:
        self.look(ANSWER_S, lambda: self.state != state)

    def at(self, time_ns: int) -> tuple[str, int]:
        """State and episode that the session had told by then, whenever that was read here."""
        return max((sent, state, episode) for sent, state, episode in self.states if sent <= time_ns)[1:]

    def _on_state(self, message: SessionState, info: dict[str, Any]) -> None:
        self.states.append((info["source_timestamp"], message.state, message.episode))
        if self.view is None or message.sequence >= self.view.sequence:
            self.view = message

    def _on_learner(self, message: LearnerStatus) -> None:
        self.version = max(self.version, message.actor_version)

    def _on_report(self, message: ChunkReport, info: dict[str, Any]) -> None:
        if message.status == ChunkReport.EXECUTED:
            self.executed.append((info["source_timestamp"], message.episode))

    def _on_world(self, message: SimState, info: dict[str, Any]) -> None:
        self.worlds.append((info["source_timestamp"], convert.stamp_ns(message)))


class Pending:
    """Something that was asked."""

    def __init__(self, asked: Asked, future: Any) -> None:
        self._asked, self._future = asked, future

    def done(self) -> bool:
        """Whether there is an answer."""
        return bool(self._future.done())

    def answered(self) -> Asked:
        """With its answer, if there is one."""
        one = self._asked
        if not self.done():
            return one
        answer = self._future.result()
        return Asked(one.id, one.name, one.episode, one.value, bool(answer.accepted), str(answer.reason))
