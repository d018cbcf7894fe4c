"""Through running bridges: an arm with another serial number is not moved, and a stop is heard once."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import cast

from zprl_interfaces.msg import Stop

from tests.hardware import faults
from tests.hardware.boxes import box, own_address
from tests.ros.harness import RIG, Graph, graph
from tests.ros.observer import Observer
from zprl_bringup import qos
from zprl_core.config import RigConfig, load_rig
from zprl_core.plan import Block

BLOCKS = (Block("base_c", "base_c", episodes=1),)
OTHER = "XI000000000000"


class Caller(Observer):
    """Also hears and calls stops of the rig."""

    def __init__(self, domain: int) -> None:
        super().__init__(domain)
        self.stops: list[Stop] = []
        self._node.create_subscription(Stop, "/rig/stop", self.stops.append, qos.status())
        self._to_all = self._node.create_publisher(Stop, "/rig/stop", qos.status())

    def call(self, stop: Stop) -> None:
        """Send a stop to everybody, as it is."""
        assert self._to_all.get_subscription_count() > 0
        self._to_all.publish(stop)


def with_serial(rig: RigConfig, serial: str) -> RigConfig:
    """The rig whose only arm has this serial number."""
    return replace(rig, arms=(replace(rig.arms[0], serial=serial),))


def refusal(g: Graph, *names: str) -> str:
    """Start a graph whose bridge must refuse, and then ends without a complaint: what it says."""
    for name in names:
        g.start(name)
    session = g.start("session", managed_nodes=[n for n in names if n != "camera"])
    assert session.wait(90) == 2, g.log("session")
    assert "bridge refused to configure; its log says why" in g.log("session")
    g.processes["bridge"].terminate()
    assert g.processes["bridge"].wait(20) == 0 and "Traceback" not in g.log("bridge"), g.log("bridge")
    (line,) = [line for line in g.log("bridge").splitlines() if "cannot configure: " in line]
    return line.partition("cannot configure: ")[2]


def test_an_arm_with_another_serial_number_is_neither_powered_nor_moved(tmp_path: Path) -> None:
    """The box that answers was there before, and has the number of its model."""
    with box("--scene", "place_orange", "--gripper", "robotiq_2f85") as client:
        rig = with_serial(faults.rig_at(client.address), OTHER)
        with graph(tmp_path / "g", lockstep=False, blocks=BLOCKS, rig=rig) as g:
            said = refusal(g, "world", "bridge")
        assert said.startswith(f"arm 'arm' at {client.address}: serial number")
        assert f"the rig says serial: {OTHER}" in said
        assert not any(client.status()["enabled"]) and client.status()["mode"] == 0
        assert len(client.trace(0).setpoint_ns) == 0


def test_the_box_that_is_started_for_a_rig_has_the_serial_number_in_it(tmp_path: Path) -> None:
    rig = with_serial(faults.rig_at(own_address()), OTHER)
    with graph(tmp_path / "g", lockstep=False, blocks=BLOCKS, rig=rig) as g:
        g.start("world")
        g.start("bridge")
        g.start("session", managed_nodes=["world", "bridge"])
        g.wait(lambda: f"serial number: {OTHER}" in g.log("bridge"), 60, "the bridge to connect")


def test_an_arm_that_tells_no_serial_number_is_not_taken_for_the_one_in_the_rig(tmp_path: Path) -> None:
    with graph(tmp_path / "g", lockstep=True, blocks=BLOCKS, rig=with_serial(load_rig(RIG), OTHER)) as g:
        said = refusal(g, "bridge")
    assert (
        said.startswith("arm 'arm' at ")
        and f"it tells no serial number, the rig says serial: {OTHER}" in said
    )


def test_the_echo_of_its_own_stop_does_not_stop_an_arm_that_was_cleared(tmp_path: Path) -> None:
    with faults.stage(tmp_path / "g") as stage, Caller(stage.graph.domain) as eyes:
        caller = cast(Caller, eyes)
        faults.wait_for_motion(stage)
        stage.eyes.stop_arm()
        stage.graph.wait(lambda: stopped(stage) and caller.stops, 10, "the stop and its message")
        time.sleep(0.2)
        (own,) = caller.stops
        assert own.source == "the service /arms/arm/stop"
        faults.wait_for_motion(stage)
        caller.call(own)
        time.sleep(0.5)
        assert not stopped(stage), "an echo that comes late"
        faults.wait_for_motion(stage)
        own.header.stamp.nanosec ^= 1
        caller.call(own)
        stage.graph.wait(lambda: stopped(stage), 10, "somebody else's stop")


def stopped(stage: faults.Stage) -> bool:
    """Whether the arm holds because somebody called a stop."""
    return "stopped by the service" in str(stage.eyes.seen["arm"][-1].fault)
