"""The world behind simulated controllers: starts their processes, shows the world's state, and resets it.

For rigs whose arms have a real driver and an address of this machine. A controller that somebody started
before (`zprl sim-xarm`) is used as it is.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from zprl_interfaces.msg import SimState
from zprl_interfaces.srv import SimReset

from zprl_bringup import convert, qos
from zprl_bringup.node import LifecycleNode, run
from zprl_core.config import ArmConfig
from zprl_core.errors import RigError
from zprl_core.supervisor import end_with_parent
from zprl_sim.xarm_box.client import BoxClient

START_S = 20.0
LOOK_S = 0.1
END_S = 3.0


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
        self._arms = [arm for arm in self._setup.rig.arms if arm.driver == "xarm"]
        self._boxes: list[subprocess.Popen[bytes]] = []
        self._client: BoxClient | None = None
        self._episode = 0

    def configure(self) -> None:
        """Start the controllers that are not there yet."""
        for arm in self._arms:
            self._find_or_start(arm)
        if not self._simulation.has_objects:
            return
        self._states = self.create_publisher(SimState, "/sim/state", qos.stream(False))
        self._client = BoxClient(_address(self._arms[0]))
        self.create_service(SimReset, "/sim/reset", self._on_reset)
        threading.Thread(target=self._follow, name="world", daemon=True).start()

    def shut_down(self) -> None:
        """End the controllers that this node started."""
        for box in self._boxes:
            box.terminate()
        for box in self._boxes:
            try:
                box.wait(END_S)
            except subprocess.TimeoutExpired:
                box.kill()

    def _find_or_start(self, arm: ArmConfig) -> None:
        address = _address(arm)
        if _answers(address):
            self.get_logger().info(f"arm '{arm.name}': uses the controller that runs at {address}")
            return
        command = [sys.executable, "-m", "zprl_core.cli", "sim-xarm", "--address", address]
        command += ["--model", arm.model, "--scene", self._simulation.scene]
        if arm.gripper is not None:
            command += ["--gripper", arm.gripper.kind]
        # Not in this process's group: at Ctrl-C the arm bridge still needs it.
        box = subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent)
        self._boxes.append(box)
        end_s = time.monotonic() + START_S
        while not _answers(address):
            if box.poll() is not None:
                raise RigError(
                    f"arm '{arm.name}': the simulated controller at {address} ended with exit code "
                    f"{box.returncode}; it says why above"
                )
            if time.monotonic() > end_s:
                raise RigError(f"arm '{arm.name}': no simulated controller at {address} after {START_S:g} s")
            time.sleep(LOOK_S)

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
                )
                self._states.publish(message)
            self.fail(RigError(f"the simulated controller at {_address(self._arms[0])} has ended"))
        except (RigError, OSError) as error:
            self.fail(error)

    def _on_reset(self, request: SimReset.Request, response: SimReset.Response) -> SimReset.Response:
        assert self._client is not None
        try:
            response.layout = self._client.reset(request.layout_seed).layout
        except RigError as error:
            response.reason = str(error)
            return response
        self._episode = request.episode
        response.ok, response.start = True, convert.time_message(self.now_ns())
        return response


def _address(arm: ArmConfig) -> str:
    assert arm.address is not None  # the rig's check
    return arm.address


def _answers(address: str) -> bool:
    try:
        BoxClient(address).close()
    except RigError:
        return False
    return True


def main() -> None:
    """Run the node."""
    run(WorldNode)


if __name__ == "__main__":
    main()
