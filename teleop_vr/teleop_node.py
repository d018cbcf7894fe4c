"""The teleoperation node: a page's hands in, chunks with source "human" out.

It decides nothing that moves an arm: the bridges own the limits, and who may command when. So a takeover in
the middle of training is the same thing as a demonstration.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from sensor_msgs.msg import Image
from zprl_interfaces.msg import ActionChunk, ArmState, ChunkReport, SessionState

from teleop_vr.server import Server
from teleop_vr.view import Cell
from zprl_bringup import convert, qos
from zprl_bringup.node import Setup, run
from zprl_core.collection import collected, region_by_hand
from zprl_core.config.region import RegionConfig
from zprl_core.errors import DataError
from zprl_core.panel_address import DEFAULT_TELEOP, PanelAddress
from zprl_core.records import read_records, size_of
from zprl_core.safety import ChunkCommand
from zprl_core.teleop import ClutchSettings
from zprl_core.teleop.pilot import PERSON
from zprl_core.teleop.teleoperation import ArmSample, Teleoperation
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose
from zprl_web.connection import Verdict
from zprl_web.jpeg import jpeg
from zprl_web.messages import Command
from zprl_web.outlines import corners
from zprl_web.session_desk import SessionDesk
from zprl_web.web_node import WebNode, place

FEATURES = "xr-spatial-tracking=(self), gamepad=(self)"
LOOK_S = 1.0


class TeleopNode(WebNode):
    """Serves the page at the address of the parameter `address`."""

    def __init__(self) -> None:
        super().__init__("teleop_node")
        setup = self.setup()
        folder = setup.folder
        text = self.parameter("address", DEFAULT_TELEOP, "host:port on which to listen")
        demonstrated = self.parameter("demonstrated", False, "no policy moves the arms, only a person")
        self._records = folder.episodes_file
        self._region = region_by_hand(setup.rig, setup.task)
        self._collected: Mapping[str, Any] = {}
        self._records_size = -1
        self._desk = SessionDesk(self, [arm.name for arm in setup.rig.arms])
        self._commands = {
            arm.name: self.create_publisher(ActionChunk, f"/arms/{arm.name}/command", qos.stream(False))
            for arm in setup.rig.arms
        }
        self._teleoperation = Teleoperation(
            setup.rig, setup.task, ClutchSettings(), demonstrated=demonstrated
        )
        where = place("teleoperation", PanelAddress.parse(text), folder.path / "teleop", FEATURES)
        self._server = Server(where, self, _cell(setup, self._region), self._teleoperation, setup.task.tick_s)
        self.serve(self._server, where, "--teleop")
        self._subscribe(setup)
        self.create_timer(LOOK_S, self._look)

    def _subscribe(self, setup: Setup) -> None:
        self.create_subscription(
            SessionState, "/session/state", lambda m: self.soon(self._server.on_session, m), qos.changes()
        )
        for arm in setup.rig.arms:
            profile = qos.stream(False)
            self.create_subscription(ArmState, f"/arms/{arm.name}/state", self._on_arm, profile)
            self.create_subscription(ChunkReport, f"/arms/{arm.name}/report", self._on_report, profile)
        for name, stream in self._server.cameras.items():
            self._watch(setup.rig.camera(name).topic, stream)

    def _watch(self, topic: str, stream: Any) -> None:
        """Pictures stay bytes until somebody looks."""
        self.create_subscription(
            Image, topic, lambda raw: stream.note(raw, time.monotonic()), qos.viewer(), raw=True
        )

    def _on_arm(self, message: ArmState) -> None:
        try:
            told = Pose(*convert.pose_arrays(message.setpoint_base_tcp))
            measured = Pose(*convert.pose_arrays(message.pose_base_tcp))
        except DataError:
            return  # no numbers: the arm grows silent, and the hand lets go for that
        width = float(message.setpoint_width_m)
        setpoint = Setpoint.at(told, None if np.isnan(width) else width)
        sample = ArmSample(convert.stamp_ns(message), setpoint, measured, message.fault)
        self.soon(self._teleoperation.on_arm, message.arm, sample)

    def _on_report(self, message: ChunkReport) -> None:
        if message.source == PERSON and message.status == message.REFUSED:
            self.soon(self._teleoperation.on_refused, message.arm, message.reason, self.now_ns())

    def _look(self) -> None:
        """How far the collection is, when there is something new."""
        size = size_of(self._records)
        if size == self._records_size:
            return
        self._records_size = size
        with contextlib.suppress(DataError):
            self._collected = collected(read_records(self._records), self._region).to_dict()

    async def ask(self, command: Command, author: str) -> Verdict:
        """Hand a label or a command on to the session; see `teleop_vr.server.Rig`."""
        return await self._desk.ask(command.name, command.id, command.episode, author)

    def send(self, arm: str, command: ChunkCommand) -> None:
        """Publish a chunk for an arm; see `teleop_vr.server.Rig`."""
        self._commands[arm].publish(
            ActionChunk(
                header=convert.header(command.stamp_ns, command.frame or ""),
                run_id=command.run_id,
                episode=command.episode,
                chunk=command.chunk,
                source=command.source,
                dt_s=command.dt_s,
                dim=command.dim,
                actions=np.asarray(command.actions, np.float64).ravel(),
            )
        )

    def encode(self, camera: str) -> bytes:
        """The newest picture of a camera as JPEG; see `teleop_vr.server.Rig`."""
        return jpeg(self._server.cameras[camera].message)

    def collected(self) -> Mapping[str, Any]:
        """What was collected so far; see `teleop_vr.server.Rig`."""
        return self._collected


def _cell(setup: Setup, region: RegionConfig | None) -> Cell:
    return Cell(
        run_id=setup.run_id,
        task=setup.task.name,
        rig=setup.rig.name,
        arms=tuple(arm.name for arm in setup.rig.arms),
        cameras=tuple(view.name for view in setup.task.observation.cameras),
        reset=setup.task.reset,
        region=region,
        corners=corners(setup.rig, setup.task),
    )


def main() -> None:
    """Run the node."""
    run(TeleopNode)


if __name__ == "__main__":
    main()
