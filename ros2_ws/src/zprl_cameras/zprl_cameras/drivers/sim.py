"""A camera of the simulated cell: draws the states that the sim bridge publishes."""

from __future__ import annotations

import queue

from zprl_interfaces.msg import SimState

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, Setup
from zprl_cameras.driver import Frame
from zprl_core.config import CameraConfig, CameraView
from zprl_sim.render import Renderer
from zprl_sim.scene import Scene

_WAITING = 4  # states kept in real time; older ones are not worth drawing any more


class SimCamera:
    """Draws /sim/state. In lockstep only the states that are observed, in real time every one.

    The executor's thread puts states into a queue; the camera's thread makes the graphics context and draws.
    """

    def __init__(self, node: Node, lockstep: bool, camera: str, view: CameraView) -> None:
        self._camera, self._size, self._lockstep = camera, (view.height, view.width), lockstep
        self._states: queue.Queue[SimState] = queue.Queue(0 if lockstep else _WAITING)
        self._renderer: Renderer | None = None
        node.create_subscription(SimState, "/sim/state", self._on_state, qos.stream(lockstep))

    def open(self) -> None:
        """Make the graphics context, and see that the cell has this camera."""
        self._renderer = Renderer(*self._size)

    def read(self, timeout_s: float) -> Frame | None:
        """The picture of the next state."""
        try:
            state = self._states.get(timeout=timeout_s)
        except queue.Empty:
            return None
        assert self._renderer is not None
        scene = Scene.from_text(state.scene)
        return Frame(self._renderer(convert.vector(state.qpos), self._camera, scene), convert.stamp_ns(state))

    def close(self) -> None:
        """Free the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
        self._renderer = None

    def _on_state(self, state: SimState) -> None:
        if not state.observation_due:
            return
        while not self._lockstep and self._states.full():
            try:
                self._states.get_nowait()
            except queue.Empty:
                break
        self._states.put(state)


def make(node: Node, setup: Setup, camera: CameraConfig, view: CameraView) -> SimCamera:
    """The driver of one camera of a rig."""
    return SimCamera(node, setup.lockstep, camera.name, view)
