"""The RealSense driver on librealsense itself: a software device feeds its context, pipeline and queue."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.cameras.devices import config, number_of, numbered
from zprl_cameras.driver import CameraLost, Frame
from zprl_cameras.drivers.realsense import RealSenseCamera
from zprl_core.errors import RigError

rs = pytest.importorskip("pyrealsense2", exc_type=ImportError)

from tests.cameras.software_realsense import SERIAL, Bus, Device  # noqa: E402

OTHER = "923322070999"
START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


class Clock:
    """The session's clock, set by hand."""

    ns = START_NS

    def __call__(self) -> int:
        return self.ns


@pytest.fixture
def bus() -> Iterator[Bus]:
    yield Bus()
    gc.collect()


def driver(bus: Bus, clock: Clock | None = None, **more: Any) -> RealSenseCamera:
    given = {"rate_hz": 30.0, "device": SERIAL, **more}
    return RealSenseCamera(config("realsense", **given), clock or Clock(), rs, bus)


def read(camera: RealSenseCamera, timeout_s: float = 5.0) -> Frame:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        frame = camera.read(0.1)
        if frame is not None:
            return frame
    raise AssertionError("no frame")


def test_pictures_come_as_they_are_with_number_and_global_time(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    for n in (3, 4, 6):
        device.send(n, (START_NS + n * 33 * MS) / 1e6, rs.timestamp_domain.global_time)
        frame = read(camera)
        np.testing.assert_array_equal(frame.image, numbered(n))
        assert frame.number == n and frame.depth is None
        assert abs(frame.stamp_ns - (START_NS + n * 33 * MS)) < 1000
    camera.close()


def test_a_picture_stays_what_it_is_while_others_come(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    kept: list[Frame] = []
    for n in range(20):
        device.send(n, 33.0 * n, rs.timestamp_domain.hardware_clock)
        kept = [*kept[-3:], read(camera)]
    assert [number_of(frame.image) for frame in kept] == [16, 17, 18, 19]
    camera.close()


def test_a_slow_reader_gets_the_newest(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    for n in range(6):
        device.send(n, 33.0 * n, rs.timestamp_domain.hardware_clock)
    time.sleep(0.2)
    assert read(camera).number == 5
    assert camera.read(0.05) is None
    camera.close()


def test_the_hardware_clock_is_mapped_by_the_shortest_delay(bus: Bus) -> None:
    clock = Clock()
    device, camera = Device(bus), driver(bus, clock)
    camera.open()
    stamps = []
    for n, delay_ms in enumerate([9, 4, 60, 5]):
        clock.ns = START_NS + (100 * n + delay_ms) * MS
        device.send(n, 5000.0 + 100.0 * n, rs.timestamp_domain.hardware_clock)
        stamps.append(read(camera).stamp_ns)
    assert [(stamp - START_NS) / MS for stamp in stamps] == [9.0, 104.0, 204.0, 304.0]
    camera.close()


def test_a_time_of_arrival_is_moved_back_by_half_a_frame(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    device.send(1, START_NS / 1e6, rs.timestamp_domain.system_time)
    assert abs(read(camera).stamp_ns - (START_NS - 16_666_666)) < 1000
    camera.close()


def test_depth_comes_in_millimetres_beside_its_picture(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus, depth=True)
    device.align()
    camera.open()
    tenths = np.full((24, 32), 2504, np.uint16)  # of a millimetre: 25.04 cm
    tenths[0, 0] = 0
    for n in range(3):
        device.send(n, 33.0 * n, rs.timestamp_domain.hardware_clock, tenths)
    frame = read(camera)
    assert frame.depth is not None and frame.depth.dtype == np.uint16 and frame.depth.shape == (24, 32)
    assert frame.depth[12, 16] == 250 and frame.depth[0, 0] == 0
    np.testing.assert_array_equal(frame.image, numbered(frame.number))
    camera.close()


def test_depth_of_another_moment_is_left_out_and_a_picture_comes_once(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus, depth=True)
    device.align()
    camera.open()
    depth = np.full((24, 32), 2500, np.uint16)
    seen: list[tuple[int, bool]] = []
    for n in range(30):
        late = n % 5 == 4  # this picture's depth is missing
        device.send(n, 33.3 * n, rs.timestamp_domain.hardware_clock, None if late else depth)
        while (frame := camera.read(0.02)) is not None:
            seen.append((frame.number or 0, frame.depth is not None))
    camera.close()
    numbers = [number for number, _ in seen]
    assert numbers == sorted(set(numbers)) and len(numbers) > 20
    assert not any(with_depth for number, with_depth in seen if number % 5 == 4)


@pytest.mark.parametrize(("one_sensor", "written"), [(False, 80.0), (True, 8000.0)])
def test_settings_reach_the_colour_sensor_in_its_own_unit(bus: Bus, one_sensor: bool, written: float) -> None:
    device = Device(bus, one_sensor=one_sensor)
    camera = driver(bus, exposure_us=8000, gain=20, white_balance_k=5000)
    camera.open()
    get = device.colour.get_option
    assert get(rs.option.exposure) == written
    assert (get(rs.option.gain), get(rs.option.white_balance)) == (20.0, 5000.0)
    assert get(rs.option.enable_auto_exposure) == get(rs.option.enable_auto_white_balance) == 0.0
    assert get(rs.option.global_time_enabled) == 1.0
    camera.close()


def test_nothing_set_means_automatic_and_never_slower_in_the_dark(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    device.colour.set_option(rs.option.enable_auto_exposure, 0.0)
    camera.open()
    assert device.colour.get_option(rs.option.enable_auto_exposure) == 1.0
    assert device.colour.get_option(rs.option.auto_exposure_priority) == 0.0
    camera.close()


def test_a_setting_out_of_range_names_the_range(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus, white_balance_k=9000)
    with pytest.raises(RigError, match="refuses white_balance_k: 9000, allowed: 2800 to 6500, or null"):
        camera.open()
    camera.close()
    with pytest.raises(RigError, match="refuses exposure_us: 2000000, allowed: 100 to 1000000, or null"):
        driver(bus, exposure_us=2_000_000).open()
    del device


def test_another_serial_number_lists_what_is_connected(bus: Bus) -> None:
    with pytest.raises(RigError, match=f"'wrist': RealSense {SERIAL} is not connected; connected: none"):
        driver(bus).open()
    device = Device(bus, OTHER)
    with pytest.raises(RigError, match=rf"connected: {OTHER} \(Soft D405\)\. Set `device` to a serial"):
        driver(bus).open()
    del device


def test_one_that_is_not_listed_may_be_hidden_for_want_of_udev_rules(bus: Bus) -> None:
    with pytest.raises(
        RigError, match=r"99-realsense-libusb\.rules, see docs/real_rigs\.md\) are installed: w"
    ):
        driver(bus).open()


@pytest.mark.parametrize(
    "said", ["Last Error: Permission denied", "Permission Denied!\nThis is often an ind"]
)
def test_listing_that_permission_is_missing_for_names_the_udev_rules(bus: Bus, said: str) -> None:
    device = Device(bus)
    bus.unanswered = said
    with pytest.raises(
        RigError, match=r"is not found; connected: none; not all .*may not open it: .*udev"
    ) as e:
        driver(bus).open()
    assert "\n" not in str(e.value)
    del device


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "map_device_descriptor Cannot open '/dev/video0 Last Error: Permission denied",
            "this user may not open",
        ),
        (
            "bulk transfer, error: RS2_USB_STATUS_ACCESS",
            "this user may not open it: install librealsense's udev",
        ),
        (
            "xioctl(VIDIOC_S_FMT) failed, errno=16 Last Error: Device or resource busy",
            "it offers 24x32 at 30 Hz",
        ),
    ],
)
def test_opening_names_the_udev_rules_only_where_permission_is_missing(
    bus: Bus, said: str, advice: str
) -> None:
    class Refuses(rs.pipeline):  # type: ignore[name-defined]
        def start(self, *_: Any) -> Any:
            raise RuntimeError(said)

    device, denied = Device(bus), SimpleNamespace(**{**vars(rs), "pipeline": Refuses})
    camera = RealSenseCamera(config("realsense", rate_hz=30.0, device=SERIAL), Clock(), denied, bus)
    with pytest.raises(RigError) as caught:
        camera.open()
    assert f"cannot stream 24x32 at 30 Hz ({said}); {advice}" in str(caught.value)
    del device


def test_a_size_that_it_does_not_have_lists_those_that_it_has(bus: Bus) -> None:
    device = Device(bus)
    with pytest.raises(RigError, match=r"cannot stream 48x64 at 30 Hz .*it offers 24x32 at 30 Hz \(height"):
        driver(bus, width=64, height=48).open()
    del device


def test_a_listing_that_fails_says_nothing_of_the_camera(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    for bus.unlistable, bus.unanswered in (("udev is gone", ""), ("", "hwmon is busy")):
        assert camera.listed() is None
        assert [camera.read(0.01) for _ in range(5)] == [None] * 5
    camera.close()
    with pytest.raises(
        RigError, match=r"not found; connected: none; not all can be listed \(hwmon is busy\)"
    ):
        camera.open()
    bus.unlistable, bus.unanswered = "udev is gone", ""
    with pytest.raises(RigError, match=r"not found; connected: none; not all can be listed \(udev is gone\)"):
        camera.open()
    bus.unlistable = ""
    assert camera.listed() is True
    camera.open()
    camera.close()
    del device


def test_only_two_looks_in_a_row_without_it_mean_that_it_is_unplugged(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus)
    camera.open()
    for bus.pulled, bus.unlistable in ((True, ""), (False, ""), (True, ""), (False, "no"), (True, "")):
        assert camera.read(0.01) is None
    device.send(1, 33.0, rs.timestamp_domain.hardware_clock)
    assert camera.read(5.0) is not None
    assert camera.read(0.01) is None  # a frame ends the row, too
    with pytest.raises(CameraLost, match="is gone; connected: none"):
        camera.read(0.01)
    assert camera.listed() is False
    camera.close()


def test_a_reset_reaches_the_camera_of_this_serial_number_alone(bus: Bus) -> None:
    devices, camera = [Device(bus, OTHER), Device(bus)], driver(bus)
    camera.reset()
    assert bus.resets == [SERIAL]
    bus.resettable = False
    with pytest.raises(
        RigError, match=r"takes no reset \(hardware_reset is not implemented for this device!\)"
    ):
        camera.reset()
    bus.absent = {SERIAL}
    with pytest.raises(
        RigError, match=rf"is not listed; connected: {OTHER} \(Soft D405\)\. Plug it in again"
    ):
        camera.reset()
    del devices


def test_pulled_out_while_streaming_and_plugged_in_again(bus: Bus) -> None:
    device, camera = Device(bus), driver(bus, exposure_us=8000)
    camera.open()
    device.send(1, 33.0, rs.timestamp_domain.hardware_clock)
    assert read(camera).number == 1
    assert camera.read(0.05) is None  # a pause is no loss
    bus.pulled = True
    with pytest.raises(CameraLost, match=f"RealSense {SERIAL} is gone; connected: none. Check its cable"):
        read(camera)
    camera.close()
    with pytest.raises(RigError, match="is not connected; connected: none"):
        camera.open()
    del device
    bus.forget()
    gc.collect()
    bus.pulled = False
    with pytest.raises(RigError, match="is not connected; connected: none"):  # librealsense says so too
        camera.open()
    back = Device(bus)
    camera.open()
    assert back.colour.get_option(rs.option.exposure) == 80.0  # the rig's setting, not the device's
    back.send(2, 10.0, rs.timestamp_domain.hardware_clock)
    frame = read(camera)
    assert frame.number == 2 and frame.stamp_ns == START_NS
    camera.close()
    camera.close()
