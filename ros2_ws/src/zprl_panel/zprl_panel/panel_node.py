"""The operator's panel as a node: it listens to the graph, serves the page, and asks the session's services.

It publishes nothing and decides nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from zprl_interfaces.msg import (
    ArmState,
    ChunkReport,
    EpisodeMotion,
    LearnerStatus,
    SessionState,
    SteeringStatus,
    Stop,
)

from zprl_bringup import qos
from zprl_bringup.node import Setup, run
from zprl_core.collection import region_by_hand
from zprl_core.panel_address import DEFAULT, PanelAddress
from zprl_core.plan import Trial, read_plan, trial
from zprl_core.records import read_records
from zprl_panel.latest import Cell, Latest
from zprl_panel.server import Server
from zprl_web.connection import Verdict
from zprl_web.jpeg import jpeg
from zprl_web.messages import Command
from zprl_web.outlines import corners
from zprl_web.session_desk import SessionDesk
from zprl_web.web_node import WebNode, place

WATCH_S = 1.0


class PanelNode(WebNode):
    """Serves the page at the address of the parameter `address`."""

    def __init__(self) -> None:
        super().__init__("panel_node")
        setup = self.setup()
        folder = setup.folder
        address = PanelAddress.parse(self.parameter("address", DEFAULT, "host:port on which to listen"))
        none: list[str] = []
        nodes = self.parameter("nodes", none, "names of the graph's nodes, whose absence is shown")
        managed = self.parameter("managed_nodes", none, "those of them with a lifecycle")
        blind = self.parameter("blind", False, "the page is not to tell which policy drives")
        plan = read_plan(folder.plan_file)
        self._plan = plan if trial(plan, (), 0) else ()
        self._records = folder.episodes_file
        self._trial: tuple[int, Trial | None] | None = None
        self._latest = Latest(_cell(setup, nodes, managed, blind), time.monotonic(), _decoder(ArmState))
        self._run_dir = folder.path
        self._make_clients(managed)
        where = place("panel", address, folder.path / "panel")
        self._server = Server(where, self._records, self, self._latest)
        self.serve(self._server, where, "--panel")
        self._subscribe(setup)
        self.create_timer(WATCH_S, self._watch)

    def _make_clients(self, managed: list[str]) -> None:
        self._desk = SessionDesk(self, self._latest.cell.arms)
        self._states = {name: self.create_client(GetState, f"{name}/get_state") for name in managed}

    def _subscribe(self, setup: Setup) -> None:
        latest, status = self._latest, qos.status()
        soon = self.soon
        self.create_subscription(SessionState, "/session/state", self._on_session, qos.changes())
        self.create_subscription(
            Header, "/session/lease", lambda m: soon(latest.on_lease, m, time.monotonic()), status
        )
        self.create_subscription(
            SteeringStatus,
            "/policy/status",
            lambda m: soon(latest.on_policy, m, time.monotonic(), time.time()),
            status,
        )
        self.create_subscription(
            LearnerStatus, "/learner/status", lambda m: soon(latest.on_learner, m, time.monotonic()), status
        )
        self.create_subscription(Stop, "/rig/stop", lambda m: soon(latest.on_stop, m, time.time()), status)
        self.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda m: soon(latest.on_diagnostics, m, time.monotonic()),
            status,
        )
        for name, stream in latest.arms.items():
            self._watch_stream(ArmState, f"/arms/{name}/state", stream)
            self.create_subscription(
                ChunkReport, f"/arms/{name}/report", lambda m: soon(latest.on_report, m, time.time()), status
            )
            self.create_subscription(
                EpisodeMotion,
                f"/arms/{name}/motion",
                lambda m: soon(latest.on_motion, m, time.time()),
                qos.changes(),
            )
        for name, stream in latest.cameras.items():
            self._watch_stream(Image, setup.rig.camera(name).topic, stream)

    def _watch_stream(self, kind: Any, topic: str, stream: Any) -> None:
        """Fast topics stay bytes until somebody looks."""
        self.create_subscription(
            kind, topic, lambda raw: stream.note(raw, time.monotonic()), qos.viewer(), raw=True
        )

    def _on_session(self, message: SessionState) -> None:
        now = self._which_trial(message.episode)
        self.soon(self._latest.on_session, message, time.monotonic(), time.time(), now)
        self.soon(self._server.changed)

    def _which_trial(self, episode: int) -> Trial | None:
        """From the records, which are on the disk before the state that follows from them is announced."""
        if not self._plan:
            return None
        if self._trial is None or self._trial[0] != episode:
            self._trial = episode, trial(self._plan, read_records(self._records), episode)
        return self._trial[1]

    def _watch(self) -> None:
        names = {f"{space.rstrip('/')}/{name}" for name, space in self.get_node_names_and_namespaces()}
        self.soon(self._latest.on_names, names)
        self.soon(self._note_disk, shutil.disk_usage(self._run_dir).free)
        for name, client in self._states.items():
            node = self._latest.nodes[name]
            if node.present and node.asked_s is None and client.service_is_ready():
                self.soon(setattr, node, "asked_s", time.monotonic())
                self.call(client, GetState.Request(), partial(self._on_state, name))

    def _on_state(self, name: str, response: GetState.Response) -> None:
        self.soon(setattr, self._latest.nodes[name], "state", response.current_state.label)
        self.soon(setattr, self._latest.nodes[name], "asked_s", None)

    def _note_disk(self, free: int) -> None:
        self._latest.disk_free = free

    async def ask(self, command: Command, author: str) -> Verdict:
        """Hand a label or a command on to the session; see `zprl_web.server.Desk`."""
        return await self._desk.ask(command.name, command.id, command.episode, author, command.value)

    def encode(self, camera: str) -> bytes:
        """The newest picture of a camera as JPEG; see `zprl_web.server.Desk`."""
        return jpeg(self._latest.cameras[camera].message)


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    return lambda raw: deserialize_message(raw, kind)


def _cell(setup: Setup, nodes: list[str], managed: list[str], blind: bool) -> Cell:
    task = setup.task
    return Cell(
        run_id=setup.run_id,
        task=task.name,
        rig=setup.rig.name,
        lockstep=setup.lockstep,
        chunk_steps=task.action.chunk_ticks,
        horizon_steps=task.horizon_steps,
        arms=tuple(arm.name for arm in setup.rig.arms),
        cameras=tuple(view.name for view in task.observation.cameras),
        nodes=tuple(nodes),
        managed=tuple(managed),
        reset=task.reset,
        region=region_by_hand(setup.rig, task),
        corners=corners(setup.rig, task),
        cases={case.name: case for case in task.evaluation.cases},
        blind=blind,
    )


def main() -> None:
    """Run the node."""
    run(PanelNode)


if __name__ == "__main__":
    main()
