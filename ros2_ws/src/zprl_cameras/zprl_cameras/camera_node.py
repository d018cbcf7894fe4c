"""One camera: whatever its driver reads becomes /cameras/<name>/image at the task's size.

Frames are read, checked and published in one thread of their own, so that a driver may block and a graphics
context may live in it. A device that is lost is opened again until it is back; one that hangs is reset. The
executor's thread watches: it says on /diagnostics, and in the log, which camera has stopped, why, and for how
long.
"""

from __future__ import annotations

import threading
import time

import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image

from zprl_bringup import convert, qos
from zprl_bringup.node import Node, Setup, run
from zprl_cameras.driver import HANGS, CameraLost, Frame
from zprl_cameras.drivers import make_driver
from zprl_cameras.judge import expected
from zprl_cameras.monitor import Health, StreamMonitor
from zprl_cameras.picture import Fit
from zprl_cameras.reconnect import delays_s
from zprl_cameras.resets import Resets
from zprl_core.config import CameraView
from zprl_core.errors import ConfigError, RigError

WATCH_PERIOD_S = 0.1
READ_TIMEOUT_S = 0.1
JOIN_TIMEOUT_S = 5.0
STALLED_S = 5.0
LEVELS = {"ok": DiagnosticStatus.OK, "warn": DiagnosticStatus.WARN, "error": DiagnosticStatus.ERROR}


class CameraNode(Node):
    """Publishes the frames of the camera named by the parameter `camera`."""

    def __init__(self) -> None:
        super().__init__("camera_node")
        cv2.setNumThreads(1)  # one picture at a time is little work, and the policy wants the cores
        quiet_opencv()
        setup = self.setup()
        name = self.parameter("camera", "", "name of the camera in the rig and in the task")
        self._config, self._lockstep = setup.rig.camera(name), setup.lockstep
        view = _view(setup, name)
        stream = expected(self._config, view, setup.task.observation.max_age_s)
        self._monitor = StreamMonitor(stream)
        self._simulated = self._config.driver == "sim"  # silent for as long as nothing happens
        crop = None if self._simulated else self._config.crop
        self._fit = Fit((stream.height, stream.width), (view.height, view.width), crop)
        profile = qos.stream(setup.lockstep)
        self._publisher = self.create_publisher(Image, self._config.topic, profile)
        self._depth: Publisher | None = None
        if self._config.depth:
            self._depth = self.create_publisher(Image, f"/cameras/{name}/depth", profile)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.status())
        self._driver = make_driver(self, setup, self._config, view)
        self._health, self._complaint, self._watches = Health("", "", 0.0), "", 0
        self._stop = threading.Event()
        log = self.get_logger().warning
        self._resets = Resets(name, self._driver, self._stop.wait, log, time.monotonic)
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
                try:
                    self._stream()
                except CameraLost as error:
                    self._reopen(error)
        except BaseException as error:
            self.fail(error)
        finally:
            self._driver.close()

    def _stream(self) -> None:
        seen_ns = self.now_ns()
        while not self._stop.is_set():
            frame = self._driver.read(READ_TIMEOUT_S)
            now_ns = self.now_ns()
            if frame is not None:
                seen_ns = now_ns
                self._resets.frame()
                self._publish(frame)
            elif not self._simulated and now_ns - seen_ns > STALLED_S * convert.SECOND_NS:
                raise CameraLost(f"It is not known to be gone, but no frame came for {STALLED_S:g} s.", HANGS)

    def _reopen(self, loss: CameraLost) -> None:
        reason: Exception = loss
        for delay_s in delays_s():
            self._monitor.lost(loss.how, str(reason))
            self._driver.close()
            if loss.how == HANGS:
                self._resets.hangs()
            if self._stop.wait(delay_s):
                return
            try:
                self._driver.open()
            except RigError as error:
                reason = error
            else:
                self._monitor.reopened()
                return

    def _publish(self, frame: Frame) -> None:
        problem = self._monitor.frame(frame, self.now_ns())
        if problem:
            if self._lockstep and problem != self._complaint:  # in real time the watch says it
                self.get_logger().warning(problem)
            self._complaint = problem
            return
        image = self._fit(frame.image)
        self._publisher.publish(convert.image_message(image, frame.stamp_ns, self._config.frame))
        if self._depth is not None and frame.depth is not None:
            depth = self._fit.depth(frame.depth)
            self._depth.publish(convert.depth_message(depth, frame.stamp_ns, self._config.frame))

    def _watch(self) -> None:
        health, before = self._monitor.health(self.now_ns()), self._health
        changed = health.cause != before.cause
        if changed and health.level == "error":
            self.get_logger().error(health.message)
        elif changed and before.level == "error":
            silence_s = max(before.silence_s, WATCH_PERIOD_S)
            self.get_logger().info(f"{health.message} again after {silence_s:.2f} s without a frame")
        self._health = health
        self._watches += 1
        if changed or self._watches % round(1.0 / WATCH_PERIOD_S) == 0:
            self._report(health)

    def _report(self, health: Health) -> None:
        values = {**self._monitor.counts, "silence_s": f"{health.silence_s:.3f}"}
        status = DiagnosticStatus(
            level=LEVELS[health.level],
            name=f"camera {self._config.name}",
            message=health.message,
            hardware_id=self._config.device or self._config.driver,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        self._diagnostics.publish(DiagnosticArray(header=convert.header(self.now_ns()), status=[status]))


def quiet_opencv() -> None:
    """Log only OpenCV's errors: of the rest the monitor says it better.

    OpenCV 4.6, which is Ubuntu 24.04's, has the call under another name, and no name for the level.
    """
    if hasattr(cv2.utils, "logging"):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    else:
        cv2.setLogLevel(2)  # type: ignore[attr-defined]  # LOG_LEVEL_ERROR


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
