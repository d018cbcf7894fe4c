# SPDX-License-Identifier: Apache-2.0
"""A box as a whole: controller, plant in real time on a thread of its own, and the faults of its link."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from zprl_core.errors import RigError
from zprl_sim.xarm_box.commands import Commands
from zprl_sim.xarm_box.controller import Controller, Snapshot
from zprl_sim.xarm_box.faults import LinkFaults
from zprl_sim.xarm_box.grippers import make_gripper
from zprl_sim.xarm_box.models import BoxModel, find_model
from zprl_sim.xarm_box.plant import ArmKinematics, Plant
from zprl_sim.xarm_box.tool import ToolConnector

SCENES = ("place_orange", "bench")
_FROZEN_S = 0.25  # after a longer hiccup of the process the world is frozen for the time
Watcher = Callable[[Snapshot], None]


class Box:
    """Everything but the sockets. `lock` guards the controller and its plant.

    Args:
        model: name of the arm's model.
        scene: "place_orange" (xarm6 only) or "bench".
        gripper: "robotiq_2f85", "xarm_gripper" or None.
        serial: serial number of the arm; None: the model's.

    Raises:
        RigError: an unknown model, scene or gripper, a scene that the model is not in, or a serial number
            that is not of the vendor's form.
    """

    def __init__(self, model: str, scene: str, gripper: str | None, serial: str | None = None) -> None:
        found = find_model(model)
        if serial is not None:
            found = found.with_serial(serial)
        chain, plant = _world(found, scene)
        tool = ToolConnector(make_gripper(gripper, plant.max_width_m))
        self.lock = threading.Lock()
        self.link = LinkFaults()
        self.controller = Controller(found, chain, plant, tool, time.time_ns())
        self.commands = Commands(self.controller)
        self.rate_hz = plant.rate_hz
        self._watchers: tuple[Watcher, ...] = ()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plant", daemon=True)

    def start(self) -> None:
        """Let time run."""
        self._thread.start()

    def close(self) -> None:
        """Stop time."""
        self._ended.set()
        self._thread.join()

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with the state after every step, in the plant's thread."""
        self._watchers = (*self._watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """No longer."""
        self._watchers = tuple(each for each in self._watchers if each is not watcher)

    def _run(self) -> None:
        period_ns = round(1e9 / self.rate_hz)
        due_ns = time.time_ns()
        while not self._ended.is_set():
            due_ns = max(due_ns + period_ns, time.time_ns() - int(_FROZEN_S * 1e9))
            time.sleep(max(0, due_ns - time.time_ns()) / 1e9)
            with self.lock:
                self.controller.step(due_ns)
                now = self.controller.now
            for watcher in self._watchers:
                watcher(now)


def _world(model: BoxModel, scene: str) -> tuple[ArmKinematics, Plant]:
    if scene == "bench":
        from zprl_sim.xarm_box.bench import BenchPlant
        from zprl_sim.xarm_box.chains import ModelChain

        chain = ModelChain(model.name)
        return chain, BenchPlant(model, chain)
    if scene != "place_orange":
        raise RigError(f"scene '{scene}': unknown, allowed: {', '.join(SCENES)}")
    if model.name != "xarm6":
        raise RigError(f"scene place_orange has an xarm6, not model '{model.name}': use scene bench")
    from zprl_sim.xarm_box.twin import TwinKinematics, TwinPlant

    return TwinKinematics(), TwinPlant()
