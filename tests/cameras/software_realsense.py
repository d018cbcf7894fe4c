"""A RealSense without hardware: librealsense's software device on a real context."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyrealsense2 as rs

from tests.cameras.devices import numbered

SERIAL = "923322070123"


class Bus(rs.context):  # type: ignore[name-defined]
    """A context whose devices can be pulled out while a driver holds them.

    Attributes:
        pulled: nothing is plugged in.
        absent: serial numbers of what is not.
        unlistable: the error with which listing fails; empty: it does not.
        unanswered: the error with which each device meets questions; empty: it answers.
        resettable: whether devices take a reset; software devices themselves do not.
        resets: serial numbers of those that were reset.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pulled, self.resettable = False, True
        self.absent: set[str] = set()
        self.unlistable = self.unanswered = ""
        self.resets: list[str] = []
        self._new: list[Any] = []
        self.set_devices_changed_callback(lambda info: self._new.append(info.get_new_devices()))

    def query_devices(self) -> Any:
        if self.unlistable:
            raise RuntimeError(self.unlistable)
        there = [] if self.pulled else super().query_devices()
        return [Listed(d, self) for d in there if serial_number(d) not in self.absent]

    def forget(self) -> None:
        """Drop what the callback keeps alive."""
        self._new.clear()


class Listed:
    """A device as the bus lists it: librealsense's own, but for what the bus does to it."""

    def __init__(self, device: Any, bus: Bus) -> None:
        self._device, self._bus = device, bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def get_info(self, info: Any) -> str:
        if self._bus.unanswered:
            raise RuntimeError(self._bus.unanswered)
        return str(self._device.get_info(info))

    def hardware_reset(self) -> None:
        if not self._bus.resettable:
            self._device.hardware_reset()
        self._bus.resets.append(serial_number(self._device))


class Device:
    """A software RealSense with a colour and a depth stream of 24x32 at 30 Hz.

    Args:
        bus: where it hangs.
        serial: its serial number.
        one_sensor: colour comes from the stereo module, as on a D405; else from a sensor of its own.
    """

    def __init__(self, bus: Bus, serial: str = SERIAL, one_sensor: bool = False) -> None:
        self._device = rs.software_device()
        self._device.register_info(rs.camera_info.name, "Soft D405")
        self._device.register_info(rs.camera_info.serial_number, serial)
        self.stereo = self._device.add_sensor("Stereo Module")
        self.stereo.add_read_only_option(rs.option.depth_units, 0.0001)
        self.colour = self.stereo if one_sensor else self._device.add_sensor("RGB Camera")
        self._streams = {
            "colour": self._stream(self.colour, rs.stream.color, rs.format.rgb8, 3, 1),
            "depth": self._stream(self.stereo, rs.stream.depth, rs.format.z16, 2, 2),
        }
        for option, low, high, default in (
            (rs.option.exposure, 1, 10000, 156),
            (rs.option.gain, 0, 128, 64),
            (rs.option.white_balance, 2800, 6500, 4600),
            (rs.option.enable_auto_exposure, 0, 1, 1),
            (rs.option.auto_exposure_priority, 0, 1, 1),
            (rs.option.enable_auto_white_balance, 0, 1, 1),
            (rs.option.global_time_enabled, 0, 1, 0),
        ):
            span = rs.option_range()  # its constructor with arguments mixes step and default up
            span.min, span.max, span.step, span.default = low, high, 1, default
            self.colour.add_option(option, span, True)
        self._device.create_matcher(rs.matchers.default)
        self._device.add_to(bus)

    def _stream(self, sensor: Any, kind: Any, form: Any, size: int, uid: int) -> Any:
        video = rs.video_stream()
        video.type, video.index, video.uid, video.fmt, video.bpp = kind, 0, uid, form, size
        video.width, video.height, video.fps = 32, 24, 30
        inside = rs.intrinsics()
        inside.width, inside.height, inside.ppx, inside.ppy, inside.fx, inside.fy = (
            32,
            24,
            16.0,
            12.0,
            30.0,
            30.0,
        )
        inside.model, video.intrinsics = rs.distortion.none, inside
        profile = sensor.add_video_stream(video, True)
        profile.register_extrinsics_to(profile, _identity())
        return profile.as_video_stream_profile()

    def align(self) -> None:
        """Say that both streams see with the same eye."""
        self._streams["depth"].register_extrinsics_to(self._streams["colour"], _identity())

    def send(self, number: int, stamp_ms: float, domain: Any, depth: np.ndarray | None = None) -> None:
        """One picture, which tells its number up to 20, and depth with it where it is given."""
        if depth is not None:
            self._send(self.stereo, "depth", depth, number, stamp_ms, domain)
        self._send(
            self.colour,
            "colour",
            numbered(number if number < 20 else 1 + number % 20),
            number,
            stamp_ms,
            domain,
        )

    def _send(
        self, sensor: Any, stream: str, pixels: np.ndarray, n: int, stamp_ms: float, domain: Any
    ) -> None:
        frame = rs.software_video_frame()
        frame.pixels, frame.bpp = pixels, pixels.itemsize * (3 if pixels.ndim == 3 else 1)
        frame.stride = pixels.shape[1] * frame.bpp
        frame.timestamp, frame.domain, frame.frame_number = stamp_ms, domain, n
        frame.profile, frame.depth_units = self._streams[stream], 0.0001
        sensor.on_video_frame(frame)


def serial_number(device: Any) -> str:
    """Of one of librealsense's devices."""
    return str(device.get_info(rs.camera_info.serial_number))


def _identity() -> Any:
    same = rs.extrinsics()
    same.rotation, same.translation = [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0], [0.0, 0, 0]
    return same
