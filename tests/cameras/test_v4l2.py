"""What the V4L2 driver says where there is no camera; tests/ros/test_v4l2_camera.py has one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cameras.devices import config
from zprl_cameras.drivers.v4l2 import V4L2Camera, identity, present
from zprl_core.errors import RigError


def test_the_devices_of_the_machine_are_listed_with_their_names(tmp_path: Path) -> None:
    for number, name in ((2, "Top Camera"), (0, "Wrist Camera")):
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(f"{name}\n")
    assert present(tmp_path) == "/dev/video0 (Wrist Camera), /dev/video2 (Top Camera)"
    assert present(tmp_path / "nowhere") == "none"


def test_a_device_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    camera = V4L2Camera(config("v4l2", str(tmp_path / "video9")), time.time_ns)
    with pytest.raises(
        RigError, match=r"camera 'wrist': .*video9 does not exist; video devices here: .*Set `d"
    ):
        camera.open()
    camera.close()


def test_what_is_no_camera_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    camera = V4L2Camera(config("v4l2", str(tmp_path / "file")), time.time_ns)
    with pytest.raises(RigError, match="file cannot be opened; close what else uses it"):
        camera.open()
    camera.close()
    camera.close()


def plugged_in(devices: Path, serial: str) -> None:
    """The system tells of a USB camera at video7, as Linux lays it out."""
    usb, entry = devices / "usb1" / "1-2", devices / "video7"
    (usb / "1-2:1.0").mkdir(parents=True, exist_ok=True)
    entry.mkdir(exist_ok=True)
    (entry / "name").write_text("Top Camera\n")
    (usb / "serial").write_text(f"{serial}\n")
    if not (entry / "device").is_symlink():
        (entry / "device").symlink_to(usb / "1-2:1.0")


def test_another_camera_at_the_same_path_is_not_opened_again(tmp_path: Path) -> None:
    devices, path = tmp_path / "sys", tmp_path / "video7"
    path.touch()
    plugged_in(devices, "A1")
    assert identity(str(path), devices) == "Top Camera, serial number A1"
    camera = V4L2Camera(config("v4l2", str(path)), time.time_ns, devices)
    for serial, problem in (
        ("A1", "cannot be opened"),
        (
            "B2",
            "is another camera now: Top Camera, serial number B2, before it was Top Camera, serial number A1",
        ),
        ("A1", "cannot be opened"),
    ):
        plugged_in(devices, serial)
        with pytest.raises(RigError, match=problem):
            camera.open()
        camera.close()


def test_where_the_system_tells_nothing_a_camera_is_itself(tmp_path: Path) -> None:
    assert identity(str(tmp_path / "video3"), tmp_path) == "unknown"
