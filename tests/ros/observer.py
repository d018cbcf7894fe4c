"""A pair of eyes in the test's own process: subscribes to a graph's topics and calls its services."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from types import TracebackType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from zprl_interfaces.msg import ActionChunk, ArmState, ChunkReport, Proprioception, SessionState, SimState
from zprl_interfaces.srv import Label, SessionCommand

from zprl_bringup import qos

TOPICS: dict[str, tuple[Any, str]] = {
    "arm": (ArmState, "/arms/arm/state"),
    "report": (ChunkReport, "/arms/arm/report"),
    "world": (SimState, "/sim/state"),
    "image": (Image, "/cameras/third_view/image"),
    "depth": (Image, "/cameras/third_view/depth"),
    "q": (Proprioception, "/proprioception"),
    "diagnostics": (DiagnosticArray, "/diagnostics"),
}


class Observer:
    """Collects messages in the order in which they come; use it as a context manager.

    Args:
        domain: ROS domain of the graph.
        topics: keys of `TOPICS` to listen to; the session's state always is.
    """

    def __init__(self, domain: int, *topics: str) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node("observer", context=self._context)
        self.seen: dict[str, list[Any]] = {key: [] for key in (*topics, "session")}
        for key in topics:
            kind, topic = TOPICS[key]
            self._node.create_subscription(
                kind, topic, self.seen[key].append, qos.stream(lockstep=False, depth=64)
            )
        self._node.create_subscription(
            SessionState, "/session/state", self.seen["session"].append, qos.changes()
        )
        self._chunks: Any = None
        self._commands = self._node.create_client(SessionCommand, "/session/command")
        self._labels = self._node.create_client(Label, "/session/label")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown()
        self._thread.join(5.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    @property
    def state(self) -> str:
        """The session's newest state."""
        return str(self.seen["session"][-1].state) if self.seen["session"] else ""

    @property
    def episode(self) -> int:
        """The session's present episode."""
        return int(self.seen["session"][-1].episode) if self.seen["session"] else -1

    def command(self, command: str, *, episode: int | None = None, command_id: str = "") -> tuple[bool, str]:
        """Call /session/command; (accepted, reason)."""
        request = SessionCommand.Request(
            command_id=command_id or uuid.uuid4().hex,
            episode=self._present_episode() if episode is None else episode,
            command=command,
            author="test",
        )
        return self._call(self._commands, request)

    def label(self, label: str, *, chunk: int = -1, command_id: str = "") -> tuple[bool, str]:
        """Call /session/label; (accepted, reason)."""
        request = Label.Request(
            command_id=command_id or uuid.uuid4().hex,
            episode=self._present_episode(),
            chunk=chunk,
            label=label,
            author="test",
        )
        return self._call(self._labels, request)

    def change(self, node: str, transition: int) -> bool:
        """Ask a lifecycle node for a transition; whether it succeeded."""
        client = self._node.create_client(ChangeState, f"/{node}/change_state")
        return bool(self._answer(client, ChangeState.Request(transition=Transition(id=transition))).success)

    def stop_arm(self, arm: str = "arm") -> str:
        """Call /arms/<arm>/stop; its message."""
        client = self._node.create_client(Trigger, f"/arms/{arm}/stop")
        return str(self._answer(client, Trigger.Request()).message)

    def send_chunk(self, chunk: ActionChunk) -> None:
        """Publish a chunk beside the policy."""
        self.reach_arm(chunk.header.frame_id.removesuffix("_base"))
        self._chunks.publish(chunk)

    def reach_arm(self, arm: str = "arm") -> None:
        """Before the first chunk: the two ends find each other."""
        if self._chunks is None:
            topic = f"/arms/{arm}/command"
            self._chunks = self._node.create_publisher(ActionChunk, topic, qos.stream(lockstep=False))
            time.sleep(0.5)

    def _present_episode(self) -> int:
        """Once the session has said which."""
        deadline = time.monotonic() + 10.0
        while not self.state and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.state, "the session has not said what state it is in"
        return self.episode

    def _call(self, client: Any, request: Any) -> tuple[bool, str]:
        response = self._answer(client, request)
        return bool(response.accepted), str(response.reason)

    def _answer(self, client: Any, request: Any) -> Any:
        assert client.wait_for_service(20.0), client.service_name
        future = client.call_async(request)
        deadline = time.monotonic() + 10.0
        while not future.done() and time.monotonic() < deadline:
            time.sleep(0.005)
        response = future.result()
        assert response is not None, client.service_name
        return response

    def _spin(self) -> None:
        with contextlib.suppress(rclpy.executors.ExternalShutdownException):
            self._executor.spin()
