"""A cell of two arms before simulated control boxes: the graph's own processes, a stand-in for the policy.

The stand-in is this test's process: it plans one chunk for both arms, and splits and stamps it as the policy
node does. An operator is simulated by commands to the session: nothing goes on by itself.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from zprl_interfaces.msg import ActionChunk, ArmState, ChunkReport

from policy_node.messages import chunk_message
from tests.hardware.boxes import own_address
from tests.ros.harness import OBSERVERS_NEED, without_domain
from tests.ros.observer import Observer
from zprl_bringup import qos
from zprl_core import single_host
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import RigConfig, TaskConfig, load_rig, load_task
from zprl_core.config.arm import PlacementConfig, XArmConfig
from zprl_core.config.rig import SimulationConfig
from zprl_core.effects import SendChunk
from zprl_core.graph import Parameter, graph
from zprl_core.kinematics import ArmKinematics
from zprl_core.plan import Block, write_plan
from zprl_core.planned import Plan
from zprl_core.run_folder import RunFolder, RunSpec
from zprl_core.supervisor import Supervisor, node_command
from zprl_sim.xarm_box.client import BoxClient

SERVO_HZ = 100.0
APART_M = 0.5
"""Between the arms' bases, and between their tools at home."""
LEAST_M = 0.4
"""Of the tools' distance that the rig asks for."""
STREAMING: Mapping[str, Any] = {"left": "joint", "right": "cartesian"}
S = 1_000_000_000
_AHEAD_S, URGENT = 0.3, -15


def cell() -> RigConfig:
    """Two xArm-6 side by side, each at an address of its own: one streams joint angles, one poses."""
    (model,) = load_rig("xarm6_place_orange").arms
    arms = tuple(
        replace(
            model,
            name=name,
            address=own_address(),
            base_frame="",
            base_in_rig=PlacementConfig(position_m=(0.0, side * APART_M / 2.0, 0.0)),
            servo_rate_hz=SERVO_HZ,
            xarm=XArmConfig(streaming=STREAMING[name], collision_sensitivity=2),
            gripper=None,
            homing=replace(model.homing, gripper_width_m=None),
            watchdog_s=0.6,
            lease_s=2.0,
        )
        for name, side in (("left", 1.0), ("right", -1.0))
    )
    return replace(
        load_rig("dual_open_box"),
        name="two_arms",
        arms=arms,
        cameras=(),
        proprioception=("left/joint_position_rad", "right/joint_position_rad"),
        table_m=None,
        tool_distance_m=LEAST_M,
        simulation=SimulationConfig(scene="bench", lockstep=False),
    )


def dance() -> TaskConfig:
    """Open Box without cameras and grippers: 16 waypoints for each arm at 20 Hz."""
    task = load_task("open_box")
    return replace(
        task,
        name="two_arms",
        horizon_steps=1600,
        observation=replace(task.observation, cameras=(), proprio_dim=12, max_age_s=1.0),
        action=replace(task.action, dim=14, gripper=False),
    )


class Eyes(Observer):
    """Also hears both arms, and sends chunks for both."""

    def __init__(self, domain: int, rig: RigConfig, run_id: str) -> None:
        super().__init__(domain)
        self._rig, self._run_id = rig, run_id
        self.reports: dict[str, list[ChunkReport]] = {arm.name: [] for arm in rig.arms}
        self.states: dict[str, list[ArmState]] = {arm.name: [] for arm in rig.arms}
        profile, self._commands_to = qos.stream(lockstep=False, depth=64), {}
        for arm in rig.arms:
            root, node = f"/arms/{arm.name}", self._node
            node.create_subscription(ChunkReport, f"{root}/report", self.reports[arm.name].append, profile)
            node.create_subscription(ArmState, f"{root}/state", self.states[arm.name].append, profile)
            self._commands_to[arm.name] = node.create_publisher(ActionChunk, f"{root}/command", profile)

    def fault(self, arm: str) -> str:
        """What an arm complains of now."""
        return str(self.states[arm][-1].fault) if self.states[arm] else ""

    def owner(self, arm: str) -> str:
        """Who moves an arm now."""
        return str(self.states[arm][-1].owner) if self.states[arm] else ""

    def send(self, send: SendChunk, start_ns: int, dt_s: float, arms: Collection[str]) -> None:
        """One chunk, split over the arms as the policy node does, and sent to those that are named."""
        width = send.plan.actions.shape[1] // len(self._rig.arms)
        for index, arm in enumerate(self._rig.arms):
            if arm.name not in arms:
                continue
            columns = slice(index * width, (index + 1) * width)
            message = chunk_message(send, columns, start_ns, dt_s, self._run_id, arm.frame)
            self._commands_to[arm.name].publish(message)


@dataclass(frozen=True)
class Stage:
    """A running graph."""

    rig: RigConfig
    task: TaskConfig
    supervisor: Supervisor
    eyes: Eyes
    boxes: Mapping[str, BoxClient]
    logs: Path

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Until a condition holds; fails with the logs where it does not, or where a process ended."""
        end_s = time.monotonic() + timeout_s
        while not condition():
            if self.supervisor.poll() is not None or time.monotonic() > end_s:
                logs = "\n".join(
                    f"--- {log.name}\n{log.read_text()[-1500:]}" for log in self.logs.glob("*.log")
                )
                raise AssertionError(f"{what}: not within {timeout_s:g} s\n{logs}")
            time.sleep(0.02)

    def run_episode(self) -> None:
        """What an operator does until the session runs: clear, start, wait for the arms to be home."""

        def runs() -> bool:
            if self.eyes.state in ("faulted", "stopped"):
                self.eyes.command("clear")
            elif self.eyes.state in ("idle", "labelled"):
                self.eyes.command("start")
            return self.eyes.state == "running"

        self.wait(runs, 60.0, "an episode")

    def send(
        self,
        offsets_m: Mapping[str, np.ndarray],
        *,
        chunk: int = 0,
        start_ns: int | None = None,
        arms: Collection[str] = ("left", "right"),
    ) -> int:
        """One chunk for both arms, as offsets (H, 3) from their homes, base frames; gives when it starts.

        Only its parts for the named arms are sent.
        """
        codec = ActionCodec.from_config(self.task.action)
        parts = []
        for arm in self.rig.arms:
            home = ArmKinematics(arm.model, arm.tool).forward(arm.homing.joints_rad)
            offsets = offsets_m[arm.name]
            parts.append(ArmWaypoints(home.position + offsets, np.tile(home.quaternion, (len(offsets), 1))))
        nothing = np.zeros(1, np.float32)
        plan = Plan(nothing, nothing, nothing, nothing, nothing, codec.encode(parts))
        start_ns = time.time_ns() + round(_AHEAD_S * S) if start_ns is None else start_ns
        self.eyes.send(SendChunk(self.eyes.episode, chunk, plan, 0, ""), start_ns, self.task.tick_s, arms)
        return start_ns


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """The graph without the policy node, up and waiting for its operator."""
    rig, task = cell(), dance()
    spec = RunSpec("two", "evaluate", task.name, rig.name, "", "", 3, False, 0, 0)
    run = RunFolder.create(folder, spec, task, rig)
    write_plan(run.plan_file, (Block("base_c", "base_c", episodes=99),))
    nodes = [node for node in graph(rig, task, spec, run) if node.name != "policy_node"]
    managed = tuple(f"/{node.name}" for node in nodes if node.lifecycle)
    session: dict[str, Parameter] = {"managed_nodes": managed, "operator": True}
    nodes = [
        replace(node, parameters={**node.parameters, **session}) if node.name == "session_node" else node
        for node in nodes
    ]
    ours = {**without_domain(), "OMP_NUM_THREADS": "1"}
    with (
        single_host.free_domain(ours) as domain,
        contextlib.ExitStack() as stack,
    ):
        profile = single_host.dds_profile("single_host_shm")
        environment = single_host.environment(profile, domain, run.logs / "ros", ours)
        os.environ.update({key: environment[key] for key in OBSERVERS_NEED})
        commands = [node_command(node, folder / "config") for node in nodes]
        stack.callback(single_host.clean_shared_memory)
        with _urgently():
            supervisor = stack.enter_context(Supervisor(commands, run.logs, environment))
        eyes = stack.enter_context(Eyes(domain, rig, "two"))
        made = Stage(rig, task, supervisor, eyes, {}, run.logs)
        made.wait(partial(_says, run.logs / "session_node.log", "everybody is there"), 90.0, "the graph")
        boxes = {
            arm.name: stack.enter_context(contextlib.closing(BoxClient(arm.address or "")))
            for arm in rig.arms
        }
        yield replace(made, boxes=boxes)


def _says(log: Path, text: str) -> bool:
    return log.exists() and text in log.read_text()


@contextlib.contextmanager
def _urgently() -> Iterator[None]:
    """What is started within comes before everything else on this machine, where that is permitted: real arms
    have a computer of their own, and the test is about the arms' lag, not about what else runs here.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, URGENT)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)
