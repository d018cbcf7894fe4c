"""What the V4L2 driver says where there is no camera; tests/ros/test_v4l2_camera.py has one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cameras.devices import config
from zprl_cameras.drivers.v4l2 import V4L2Camera, present
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
