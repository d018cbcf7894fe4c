"""The world behind simulated controllers: starts their processes, shows the world's state, and resets it.

For rigs whose arms have a real driver and an address of this machine. A controller that somebody started
before (`zprl sim-xarm`) is used as it is, and so is a gripper's serial device that is there.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time

from zprl_interfaces.msg import SimState
from zprl_interfaces.srv import SimReset

from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, run
from zprl_core.config import ArmConfig
from zprl_core.errors import ConfigError, RigError
from zprl_core.supervisor import end_with_parent
from zprl_sim.serial_gripper import SerialGripper, is_there
from zprl_sim.stand_ins import StandIn, controller_of
from zprl_sim.xarm_box.client import BoxClient

START_S = 30.0
LOOK_S = 0.1
END_S = 3.0
PRIORITY = 10
NICENESS = -10
"""Of a controller that does not get a core of its own: at its own priority two of them would leave the others
nothing where they cannot keep up; so they get nine parts of the time where the others get one."""


class WorldNode(LifecycleNode):
    """Publishes /sim/state and serves /sim/reset where the scene has objects."""

    def __init__(self) -> None:
        super().__init__("world_node")
        self._setup = self.setup()
        simulation = self._setup.rig.simulation
        if simulation is None:
            raise RigError(
                f"rig {self._setup.rig.name}: simulation is null; a real cell has no simulated world"
            )
        self._simulation = simulation
        self._arms = [arm for arm in self._setup.rig.arms if arm.driver != "sim"]
        self._boxes: list[subprocess.Popen[bytes]] = []
        self._grippers: list[SerialGripper] = []
        self._client: BoxClient | None = None
        self._episode, self._scene = 0, ""

    def configure(self) -> None:
        """Start the controllers and grippers that are not there yet."""
        for arm in self._arms:
            self._find_or_start(arm)
            self._find_or_make_gripper(arm)
        if not self._simulation.has_objects:
            return
        self._states = self.create_publisher(SimState, "/sim/state", qos.stream(False))
        self._client = BoxClient(_address(self._arms[0]))
        self.create_service(SimReset, "/sim/reset", self._on_reset)
        threading.Thread(target=self._follow, name="world", daemon=True).start()

    def shut_down(self) -> None:
        """End the controllers and grippers that this node started."""
        for box in self._boxes:
            box.terminate()
        for box in self._boxes:
            try:
                box.wait(END_S)
            except subprocess.TimeoutExpired:
                box.kill()
        for gripper in self._grippers:
            gripper.close()

    def _find_or_start(self, arm: ArmConfig) -> None:
        stand_in = controller_of(arm, self._simulation)
        if stand_in.answers():
            self.get_logger().info(f"arm '{arm.name}': uses the controller that runs at {stand_in.address}")
            return
        spare = len(self._arms) < (os.cpu_count() or 1)
        box = _start(stand_in, alone=stand_in.urgent and spare)
        self._boxes.append(box)
        end_s, where = time.monotonic() + START_S, f"the simulated controller at {stand_in.address}"
        while not stand_in.answers():
            if box.poll() is not None:
                raise RigError(
                    f"arm '{arm.name}': {where} ended with exit code {box.returncode}; it says why above"
                )
            if time.monotonic() > end_s:
                raise RigError(f"arm '{arm.name}': {where} does not answer after {START_S:g} s")
            time.sleep(LOOK_S)

    def _find_or_make_gripper(self, arm: ArmConfig) -> None:
        gripper = arm.gripper
        if gripper is None or gripper.port is None:
            return
        if is_there(gripper.port):
            self.get_logger().info(f"arm '{arm.name}': uses the gripper at {gripper.port}")
        else:
            self._grippers.append(SerialGripper(gripper.port, gripper.max_width_m))

    def _follow(self) -> None:
        """The world's states, at the task's rate, until it ends."""
        try:
            for state in BoxClient(_address(self._arms[0])).states(self._setup.task.rate_hz):
                message = SimState(
                    header=convert.header(state.stamp_ns, "world"),
                    episode=self._episode,
                    qpos=convert.doubles(state.qpos),
                    qvel=convert.doubles(state.qvel),
                    observation_due=True,
                    chunk_end=-1,
                    scene=self._scene,
                )
                self._states.publish(message)
            self.fail(RigError(f"the simulated controller at {_address(self._arms[0])} has ended"))
        except (RigError, OSError) as error:
            self.fail(error)

    def _on_reset(self, request: SimReset.Request, response: SimReset.Response) -> SimReset.Response:
        assert self._client is not None
        try:
            case = self._setup.task.evaluation.case(request.case_name)
            world = self._client.reset(request.layout_seed, case=case)
        except (RigError, ConfigError) as error:
            response.reason = str(error)
            return response
        self._episode, self._scene, response.layout = request.episode, world.scene, world.layout
        response.ok, response.start = True, convert.time_message(self.now_ns())
        return response


def _address(arm: ArmConfig) -> str:
    assert arm.address is not None  # the rig's check
    return arm.address


def _start(stand_in: StandIn, *, alone: bool) -> subprocess.Popen[bytes]:
    """Not in this process's group: at Ctrl-C the arm bridge still needs it."""
    environment = {**os.environ, **stand_in.environment}
    box = subprocess.Popen(
        stand_in.command, env=environment, start_new_session=True, preexec_fn=end_with_parent
    )
    with contextlib.suppress(PermissionError):
        if alone:
            os.sched_setscheduler(box.pid, os.SCHED_RR, os.sched_param(PRIORITY))
        elif stand_in.urgent:
            os.setpriority(os.PRIO_PROCESS, box.pid, NICENESS)
    return box


def main() -> None:
    """Run the node."""
    run(WorldNode)


if __name__ == "__main__":
    main()
