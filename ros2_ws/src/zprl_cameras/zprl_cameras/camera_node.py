"""One camera: whatever its driver reads becomes /cameras/<name>/image at the task's size.

Frames are read, checked and published in one thread of their own, so that a driver may block and a graphics
context may live in it. The executor's thread watches: it says on /diagnostics, and in the log, which camera
has stopped and for how long.
"""

from __future__ import annotations

import threading

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Image

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, Setup, run
from zprl_cameras.driver import Frame
from zprl_cameras.drivers import make_driver
from zprl_cameras.monitor import StreamMonitor
from zprl_core.config import CameraView
from zprl_core.errors import ConfigError

WATCH_PERIOD_S = 0.1
READ_TIMEOUT_S = 0.1
JOIN_TIMEOUT_S = 5.0


class CameraNode(Node):
    """Publishes the frames of the camera named by the parameter `camera`."""

    def __init__(self) -> None:
        super().__init__("camera")
        setup = self.setup()
        name = self.parameter("camera", "", "name of the camera in the rig and in the task")
        self._config = setup.rig.camera(name)
        view = _view(setup, name)
        self._monitor = StreamMonitor(name, view.height, view.width, setup.task.observation.max_age_s)
        self._publisher = self.create_publisher(Image, self._config.topic, qos.stream(setup.lockstep))
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.status())
        self._driver = make_driver(self, setup, self._config, view)
        self._healthy, self._complaint, self._silent_s, self._watches = True, "", 0.0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._capture, name=f"camera {name}", daemon=True)
        self._thread.start()
        if not setup.lockstep:  # in lockstep a camera is silent for as long as everybody else needs
            self.create_timer(WATCH_PERIOD_S, self._watch)

    def shut_down(self) -> None:
        """Ends the capture thread, which closes the driver."""
        self._stop.set()
        self._thread.join(JOIN_TIMEOUT_S)

    def _capture(self) -> None:
        try:
            self._driver.open()
            while not self._stop.is_set():
                frame = self._driver.read(READ_TIMEOUT_S)
                if frame is not None:
                    self._publish(frame)
        except BaseException as error:
            self.fail(error)
        finally:
            self._driver.close()

    def _publish(self, frame: Frame) -> None:
        problem = self._monitor.frame(frame.image.shape, frame.stamp_ns, self.now_ns())
        if problem:
            if problem != self._complaint:
                self.get_logger().warning(problem)
            self._complaint = problem
            return
        self._publisher.publish(convert.image_message(frame.image, frame.stamp_ns, self._config.frame))

    def _watch(self) -> None:
        health = self._monitor.health(self.now_ns())
        changed = health.ok != self._healthy
        if changed and health.ok:
            self.get_logger().info(f"{health.message} again after {self._silent_s:.2f} s without a frame")
        elif changed:
            self.get_logger().error(health.message)
        self._healthy, self._silent_s = health.ok, max(health.silence_s, WATCH_PERIOD_S)
        self._watches += 1
        if changed or self._watches % round(1.0 / WATCH_PERIOD_S) == 0:
            self._report(health.ok, health.message, health.silence_s)

    def _report(self, ok: bool, message: str, silence_s: float) -> None:
        level = DiagnosticStatus.OK if ok else DiagnosticStatus.ERROR
        values = {**self._monitor.counts, "silence_s": f"{silence_s:.3f}"}
        status = DiagnosticStatus(
            level=level,
            name=f"camera {self._config.name}",
            message=message,
            hardware_id=self._config.device or self._config.driver,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        self._diagnostics.publish(DiagnosticArray(header=convert.header(self.now_ns()), status=[status]))


def _view(setup: Setup, camera: str) -> CameraView:
    views = {view.name: view for view in setup.task.observation.cameras}
    if camera not in views:
        known = ", ".join(views) or "none"
        raise ConfigError(f"task {setup.task.name} has no view of camera '{camera}'. Its cameras: {known}")
    return views[camera]


def main() -> None:
    """Run the node."""
    run(CameraNode)


if __name__ == "__main__":
    main()
