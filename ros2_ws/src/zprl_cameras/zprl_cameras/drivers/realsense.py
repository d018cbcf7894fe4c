"""An Intel RealSense, by its serial number: colour, and depth aligned to it where the rig asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_bringup.node import Node, Setup
from zprl_cameras import stamps
from zprl_cameras.driver import CameraLost, Frame
from zprl_core.config import CameraConfig, CameraView
from zprl_core.errors import RigError

RGB_EXPOSURE_UNIT_US = 100  # of a separate colour sensor; a stereo module that also gives colour counts in us
MS_NS = 1e6
WITHOUT_DDS = '{"dds": {"enabled": false}}'
LOOKS = 2  # in a row that do not show it make it unplugged
DENIED = ("permission denied", "rs2_usb_status_access")  # what librealsense's errors say then, in any case
UDEV_RULES = "librealsense's udev rules (99-realsense-libusb.rules, see docs/real_rigs.md)"


class Listing(NamedTuple):
    """What librealsense lists.

    Attributes:
        found: serial number to name and device.
        problem: why there may be more, in librealsense's words; empty where that is all.
    """

    found: dict[str, tuple[str, Any]]
    problem: str

    def __str__(self) -> str:
        named = ", ".join(f"{serial} ({name})" for serial, (name, _) in self.found.items()) or "none"
        return f"{named}; not all can be listed ({self.problem})" if self.problem else named


class RealSenseCamera:
    """Frames are taken from a queue of one, so that a slow reader gets the newest.

    The pipeline's own waiting is not used: it would start a device that was plugged in again by itself, with
    the device's settings instead of the rig's.

    Args:
        config: of the camera; `device` is the serial number.
        now_ns: the session's clock.
        rs: the module pyrealsense2.
        context: its context.
    """

    def __init__(self, config: CameraConfig, now_ns: Callable[[], int], rs: Any, context: Any) -> None:
        self._config, self._now_ns, self._rs, self._context = config, now_ns, rs, context
        self._period_ns = round(1e9 / config.rate_hz)
        self._clock, self._number, self._missed = stamps.ClockMap(), -1, 0
        self._queue, self._pipeline, self._align = rs.frame_queue(1), None, rs.align(rs.stream.color)

    def open(self) -> None:
        """Start the streams, then set exposure, gain and white balance.

        Raises:
            RigError: no device with this serial number, no such stream, a setting that it does not have, or
                no permission, where librealsense tells.
        """
        rs, config = self._rs, self._config
        self._check_connected()
        wanted, pipeline = rs.config(), rs.pipeline(self._context)
        wanted.enable_device(config.device)
        rate_hz = round(config.rate_hz)
        wanted.enable_stream(rs.stream.color, config.width, config.height, rs.format.rgb8, rate_hz)
        if config.depth:
            wanted.enable_stream(rs.stream.depth, rs.format.z16, rate_hz)
        self._clock, self._queue = stamps.ClockMap(), rs.frame_queue(1)
        self._number, self._missed = -1, 0
        try:
            device = pipeline.start(wanted, self._queue).get_device()
        except RuntimeError as error:
            raise RigError(self._no_stream(str(error))) from error
        self._pipeline = pipeline
        try:
            self._set_up(device)
        except RuntimeError as error:
            advice = remedy(str(error)) or "plug it in again"
            raise RigError(f"{self._who()} does not take its settings ({error}); {advice}") from error

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame.

        Raises:
            CameraLost: the device is gone: two reads in a row had no frame and found that it is not listed.
        """
        came, frame = self._queue.try_wait_for_frame(round(timeout_s * 1000))
        if came:
            self._missed = 0
            try:
                return self._frame(frame.as_frameset())
            except RuntimeError as error:
                raise CameraLost(f"{self._who()}: librealsense says: {error}.", "fails") from error
        self._missed = self._missed + 1 if self.listed() is False else 0
        if self._missed >= LOOKS:
            raise CameraLost(f"{self._who()} is gone; connected: {self._look()}. Check its cable and power")
        return None

    def close(self) -> None:
        """Stop the streams and let go of the device."""
        if self._pipeline is not None:
            with contextlib.suppress(RuntimeError):  # it may be gone already
                self._pipeline.stop()
        self._pipeline, self._queue = None, self._rs.frame_queue(1)

    def listed(self) -> bool | None:
        """Whether the device is plugged in; None: the listing fails, or leaves something out."""
        found, problem = self._look()
        return True if self._config.device in found else None if problem else False

    def reset(self) -> None:
        """Restart the device's firmware, which takes it off the bus for some seconds; its handles are dead.

        Raises:
            RigError: it is not listed, or does not take the command.
        """
        looked = self._look()
        if self._config.device not in looked.found:
            raise RigError(f"{self._who()} is not listed; connected: {looked}. Plug it in again")
        try:
            looked.found[self._config.device][1].hardware_reset()
        except RuntimeError as error:
            raise RigError(f"{self._who()} takes no reset ({error}); plug it in again") from error

    def _frame(self, frames: Any) -> Frame | None:
        """The set's picture, unless it came already: the last one is sent again with depth that is early."""
        arrival_ns, colour = self._now_ns(), frames.get_color_frame()
        if not colour or colour.get_frame_number() == self._number:
            return None
        self._number = colour.get_frame_number()
        image: NDArray[np.uint8] = np.array(colour.get_data())  # a copy: its buffer goes back to the device
        return Frame(image, self._stamp_ns(colour, arrival_ns), self._number, self._depth(frames))

    def _depth(self, frames: Any) -> NDArray[np.uint16] | None:
        """Depth of a set, if it was taken within half a frame of the picture."""
        depth, colour = frames.get_depth_frame(), frames.get_color_frame()
        if not (self._config.depth and depth):
            return None
        apart_ns = abs(depth.get_timestamp() - colour.get_timestamp()) * MS_NS
        if apart_ns > self._period_ns / 2:
            return None
        return millimetres(self._align.process(frames).get_depth_frame())

    def _stamp_ns(self, frame: Any, arrival_ns: int) -> int:
        """Global time is the system's already; the hardware's is mapped; the rest is a time of arrival."""
        stamp_ns, domain = round(frame.get_timestamp() * MS_NS), frame.get_frame_timestamp_domain()
        if domain == self._rs.timestamp_domain.global_time:
            return stamp_ns
        if domain == self._rs.timestamp_domain.hardware_clock:
            return self._clock(stamp_ns, arrival_ns)
        return stamps.before_arrival(stamp_ns, self._period_ns)

    def _look(self) -> Listing:
        """What is plugged in; a device that is just going away, or hangs, may be one that cannot be asked."""
        info, found, problem = self._rs.camera_info, dict[str, tuple[str, Any]](), ""
        try:
            listed = self._context.query_devices()
        except RuntimeError as error:
            return Listing({}, str(error))
        for i in range(len(listed)):
            try:
                device = listed[i]
                found[device.get_info(info.serial_number)] = device.get_info(info.name), device
            except RuntimeError as error:
                problem = " ".join(str(error).split())  # some have several lines
        return Listing(found, problem)

    def _check_connected(self) -> None:
        looked = self._look()
        if self._config.device in looked.found:
            return
        if looked.problem:
            advice = remedy(looked.problem) or "plug it in again"
            raise RigError(f"{self._who()} is not found; connected: {looked}. If it is there, {advice}")
        raise RigError(
            f"{self._who()} is not connected; connected: {looked}. Set `device` to a serial number, or check "
            f"the cable, that it hangs on USB 3, and that {UDEV_RULES} are installed: without them it is "
            "hidden from all who may not open it"
        )

    def _no_stream(self, problem: str) -> str:
        config, offers = self._config, set()
        _, device = self._look().found.get(str(config.device), ("", None))
        with contextlib.suppress(RuntimeError):  # one that is just going away
            for profile in () if device is None else self._colour_sensor(device).get_stream_profiles():
                if profile.stream_type() == self._rs.stream.color:
                    video = profile.as_video_stream_profile()
                    offers.add((video.height(), video.width(), video.fps()))
        listed = ", ".join(f"{h}x{w} at {fps} Hz" for h, w, fps in sorted(offers)) or "no colour"
        wanted = f"{config.height}x{config.width} at {config.rate_hz:g} Hz{' with depth' * config.depth}"
        advice = remedy(problem) or f"it offers {listed} (height x width)"
        return f"{self._who()} cannot stream {wanted} ({problem}); {advice}"

    def _set_up(self, device: Any) -> None:
        option, config = self._rs.option, self._config
        for sensor in device.query_sensors():
            _prefer(sensor, option.global_time_enabled, 1.0)
        sensor = self._colour_sensor(device)
        automatic = config.exposure_us is None and config.gain is None
        _prefer(sensor, option.enable_auto_exposure, float(automatic))
        _prefer(sensor, option.auto_exposure_priority, 0.0)  # 1 would slow the stream down in the dark
        _prefer(sensor, option.enable_auto_white_balance, float(config.white_balance_k is None))
        unit_us = 1 if sensor.is_depth_sensor() else RGB_EXPOSURE_UNIT_US
        self._set(sensor, "exposure_us", option.exposure, unit_us)
        self._set(sensor, "gain", option.gain)
        self._set(sensor, "white_balance_k", option.white_balance)

    def _colour_sensor(self, device: Any) -> Any:
        colour = self._rs.stream.color
        for sensor in device.query_sensors():
            if any(profile.stream_type() == colour for profile in sensor.get_stream_profiles()):
                return sensor
        raise RigError(f"{self._who()} has no colour stream; use a model that has one")

    def _set(self, sensor: Any, key: str, option: Any, unit: int = 1) -> None:
        value = getattr(self._config, key)
        if value is None:
            return
        if not sensor.supports(option):
            raise RigError(f"{self._who()} has no setting for {key}: {value}, allowed: null")
        span = sensor.get_option_range(option)
        low, high = span.min * unit, span.max * unit
        if not low <= value <= high:
            raise RigError(f"{self._who()} refuses {key}: {value}, allowed: {low:.0f} to {high:.0f}, or null")
        sensor.set_option(option, round(value / unit))

    def _who(self) -> str:
        return f"camera '{self._config.name}': RealSense {self._config.device}"


def millimetres(depth: Any) -> NDArray[np.uint16]:
    """A depth frame to mm, uint16 (h, w), 0 where unknown or beyond; devices count in their own unit."""
    raw: NDArray[np.uint16] = np.asarray(depth.get_data())
    factor = depth.get_units() * 1000.0
    if abs(factor - 1.0) < 1e-6:
        return raw
    scaled = np.rint(raw * np.float32(factor))
    return np.where(scaled > np.iinfo(np.uint16).max, 0, scaled).astype(np.uint16)


def remedy(problem: str) -> str:
    """What to do where an error of librealsense says that this user may not open a device; else empty."""
    if not any(sign in problem.lower() for sign in DENIED):
        return ""
    return f"this user may not open it: install {UDEV_RULES}, and plug it in again"


def _prefer(sensor: Any, option: Any, value: float) -> None:
    if sensor.supports(option) and not sensor.is_option_read_only(option):
        sensor.set_option(option, value)


def make(node: Node, setup: Setup, camera: CameraConfig, view: CameraView) -> RealSenseCamera:
    """The driver of one camera of a rig.

    pyrealsense2 carries a Fast DDS and an asio of its own. Imported before ROS's, it breaks the process (it
    dies in its exit handlers), so it is imported here, after them, and its own DDS stays off.

    Raises:
        RigError: pyrealsense2 is not installed.
    """
    try:
        import pyrealsense2 as rs
    except ImportError as error:
        raise RigError(
            f"camera '{camera.name}': driver realsense needs pyrealsense2 and libusb ({error}); "
            "run pip install -e '.[real]' and apt-get install libusb-1.0-0"
        ) from error
    return RealSenseCamera(camera, node.now_ns, rs, rs.context(WITHOUT_DDS))
