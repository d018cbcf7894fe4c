"""A USB camera, or anything else that Linux shows as /dev/video*, through OpenCV's V4L2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from zprl_bringup.node import Node, Setup
from zprl_cameras import stamps
from zprl_cameras.driver import HANGS, CameraLost, Frame
from zprl_cameras.picture import rgb
from zprl_core.config import CameraConfig, CameraView
from zprl_core.errors import RigError

DEVICES = Path("/sys/class/video4linux")
BUFFERS = 2
MANUAL_EXPOSURE, AUTOMATIC_EXPOSURE = (
    1,
    3,
)  # V4L2's menu; 3 is aperture priority, the automatic of UVC cameras
EXPOSURE_UNIT_US = 100
RATE_TOLERANCE = 0.05


class V4L2Camera:
    """Motion JPEG at the rig's size and rate.

    Two buffers: one is filled while the other is read. With a single one the device has nowhere to put the
    picture that begins while we decode the last one, which halves the rate. Frames are stamped with their
    buffer's time stamp, see `stamps.BufferClock`.

    Args:
        config: of the camera; `device` is its path, best one of /dev/v4l/by-id, which stays the same when
            it is plugged in elsewhere.
        now_ns: the session's clock.
        devices: where the system tells of its video devices.
    """

    def __init__(self, config: CameraConfig, now_ns: Callable[[], int], devices: Path = DEVICES) -> None:
        self._config, self._now_ns, self._devices = config, now_ns, devices
        self._identity: str | None = None
        self._period_ns = round(1e9 / config.rate_hz)
        self._capture: Any = None

    def open(self) -> None:
        """Open the device, set its format and its controls.

        Raises:
            RigError: it is not there, is another one than the first time, is busy, or refuses the size, the
                rate or a control.
        """
        path = self._config.device
        if not path or not Path(path).exists():
            raise RigError(
                f"{self._who()} does not exist; video devices here: {present()}. Set `device` to one"
            )
        self._check_identity(path)
        self._clock = stamps.BufferClock(self._period_ns)  # another device may have another
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")  # s; OpenCV's own is 10
        self._capture = cv2.VideoCapture(path, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise RigError(
                f"{self._who()} cannot be opened; close what else uses it, and see that this user may read "
                f"it (group video). Video devices here: {present()}"
            )
        self._set_format()
        self._set_controls()

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame, or None where its JPEG is damaged. Waits up to a second, whatever `timeout_s` is.

        Raises:
            CameraLost: none came.
        """
        if not self._capture.grab():
            if self._config.device and Path(self._config.device).exists():
                raise CameraLost(f"{self._who()} is still there, but sends nothing.", HANGS)
            raise CameraLost(f"{self._who()} is gone; video devices here: {present()}. Check its cable")
        monotonic_ns, system_ns = time.monotonic_ns(), self._now_ns()
        buffer_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        whole, bgr = self._capture.retrieve()
        if not whole:
            return None
        return Frame(rgb(bgr), self._clock(buffer_ns, monotonic_ns, system_ns))

    def close(self) -> None:
        """Let go of the device."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None

    def _check_identity(self, path: str) -> None:
        """A path such as /dev/video0 goes to whichever camera is plugged in next."""
        found = identity(path, self._devices)
        if self._identity is None:
            self._identity = found
        elif found != self._identity:
            raise RigError(
                f"{self._who()} is another camera now: {found}, before it was {self._identity}. Plug that "
                "one in again, or start the session anew; a path in /dev/v4l/by-id belongs to one camera"
            )

    def _set_format(self) -> None:
        config, capture = self._config, self._capture
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        capture.set(cv2.CAP_PROP_FPS, config.rate_hz)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS)
        size = (round(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), round(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        advice = f"v4l2-ctl -d {config.device} --list-formats-ext lists what it can"
        if size != (config.height, config.width):
            raise RigError(
                f"{self._who()} offers {size[0]}x{size[1]} (height x width) where the rig wants "
                f"{config.height}x{config.width}; {advice}"
            )
        if rate_hz > 0.0 and abs(rate_hz - config.rate_hz) > RATE_TOLERANCE * config.rate_hz:
            raise RigError(
                f"{self._who()} offers {rate_hz:g} Hz where the rig wants {config.rate_hz:g} Hz; {advice}"
            )

    def _set_controls(self) -> None:
        config = self._config
        if config.exposure_us is None:
            self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, AUTOMATIC_EXPOSURE)  # not every camera has it
        else:
            self._control("exposure_us", cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL_EXPOSURE)
            self._control(
                "exposure_us", cv2.CAP_PROP_EXPOSURE, max(1, config.exposure_us // EXPOSURE_UNIT_US)
            )
        if config.gain is not None:
            self._control("gain", cv2.CAP_PROP_GAIN, config.gain)
        if config.white_balance_k is None:
            self._capture.set(cv2.CAP_PROP_AUTO_WB, 1)
        else:
            self._control("white_balance_k", cv2.CAP_PROP_AUTO_WB, 0)
            self._control("white_balance_k", cv2.CAP_PROP_WB_TEMPERATURE, config.white_balance_k)

    def _control(self, key: str, control: int, value: float) -> None:
        if not self._capture.set(control, value):
            value_there = getattr(self._config, key)
            raise RigError(
                f"{self._who()} refuses {key}: {value_there}, allowed: null, or what "
                f"v4l2-ctl -d {self._config.device} --list-ctrls shows"
            )

    def _who(self) -> str:
        return f"camera '{self._config.name}': {self._config.device}"


def present(devices: Path = DEVICES) -> str:
    """The video devices of this machine and their names, for a message; "none" where there are none."""
    found = [
        f"/dev/{entry.name} ({(entry / 'name').read_text().strip()})"
        for entry in sorted(devices.glob("video*"))
        if (entry / "name").is_file()
    ]
    return ", ".join(found) or "none"


def identity(path: str, devices: Path = DEVICES) -> str:
    """Name and serial number of a video device as the system tells them, for comparison and for a message.

    Cameras of one model that have no serial number are alike; "unknown" where the system tells nothing.
    """
    entry = devices / Path(path).resolve().name
    usb = (entry / "device").resolve().parent
    name, serial = (f.read_text().strip() if f.is_file() else "" for f in (entry / "name", usb / "serial"))
    return f"{name or 'unknown'}{f', serial number {serial}' if serial else ''}"


def make(node: Node, setup: Setup, camera: CameraConfig, view: CameraView) -> V4L2Camera:
    """The driver of one camera of a rig."""
    return V4L2Camera(camera, node.now_ns)
