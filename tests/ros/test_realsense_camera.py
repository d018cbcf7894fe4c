"""The RealSense driver in the camera's process: colour and depth over DDS, and a cable that is pulled."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from tests.ros.camera import PATIENCE_S, VIEW, alone, count, error, refused, rig_file, status, watched
from zprl_bringup import convert

pytest.importorskip("pyrealsense2", exc_type=ImportError)

SCRIPT = Path(__file__).with_name("realsense_camera.py")
SERIAL = "923322070123"
RATE_HZ = 30.0


def test_colour_and_depth_come_together_and_come_back_after_the_cable_was_pulled(tmp_path: Path) -> None:
    unplug = tmp_path / "unplug"
    given = {"width": 32, "height": 24, "rate_hz": RATE_HZ, "depth": True}
    rig = rig_file(tmp_path, "realsense", Path(SERIAL), **given)
    with alone(tmp_path, UNPLUG=str(unplug)) as g, watched(g, rig, SCRIPT) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 40, PATIENCE_S, "frames")
        unplug.touch()
        g.wait(lambda: error(eyes, "camera third_view unplugged; trying again."), PATIENCE_S, "the diagnosis")
        g.wait(lambda: count(eyes, "attempts") >= 1, PATIENCE_S, "an attempt")
        assert f"RealSense {SERIAL} is not connected; connected: none" in status(eyes).message
        before = len(eyes.seen["image"])
        unplug.unlink()
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames again")
        g.wait(lambda: status(eyes).level == DiagnosticStatus.OK, 20, "the all-clear")
        images, depths = list(eyes.seen["image"]), list(eyes.seen["depth"])
    stamps = np.array([convert.stamp_ns(m) for m in images])
    assert (np.diff(stamps) > 0).all()
    assert abs(np.median(np.diff(stamps)) * 1e-9 - 1 / RATE_HZ) < 0.01
    of_depth = {convert.stamp_ns(m) for m in depths}
    assert len(of_depth & set(stamps.tolist())) > 0.8 * len(images)
    depth = depths[-1]
    assert (depth.height, depth.width, depth.encoding, depth.step) == (*VIEW, "16UC1", 2 * VIEW[1])
    millimetres = np.frombuffer(depth.data, "<u2")
    assert np.unique(millimetres).tolist() == [250]


@pytest.mark.slow
def test_one_that_hangs_is_reset_when_opening_it_again_did_not_help(tmp_path: Path) -> None:
    unplug = tmp_path / "unplug"
    rig = rig_file(tmp_path, "realsense", Path(SERIAL), width=32, height=24, rate_hz=RATE_HZ)
    with alone(tmp_path, UNPLUG=str(unplug)) as g, watched(g, rig, SCRIPT) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 20, PATIENCE_S, "frames")
        unplug.write_text("hang")
        g.wait(lambda: error(eyes, "camera third_view hangs; trying again."), PATIENCE_S, "the diagnosis")
        before = len(eyes.seen["image"])
        unplug.unlink()  # opening it again is enough, this once
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames of one that woke up")
        g.wait(lambda: count(eyes, "reopened") == 1, PATIENCE_S, "the count")
        unplug.write_text("hang")
        g.wait(lambda: error(eyes, "camera third_view hangs; trying again."), PATIENCE_S, "it again")
        before = len(eyes.seen["image"])
        g.wait(lambda: "resetting its hardware" in g.log("camera"), PATIENCE_S, "the reset")
        assert count(eyes, "reopened") == 3 and len(eyes.seen["image"]) == before
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames again")
        g.wait(lambda: status(eyes).level == DiagnosticStatus.OK, 20, "the all-clear")
        log = g.log("camera")
    assert "camera third_view is listed again " in log and log.count("resetting its hardware") == 1


def test_another_camera_in_its_place_is_never_taken_for_it(tmp_path: Path) -> None:
    unplug = tmp_path / "unplug"
    rig = rig_file(tmp_path, "realsense", Path(SERIAL), width=32, height=24, rate_hz=RATE_HZ)
    with alone(tmp_path, UNPLUG=str(unplug)) as g, watched(g, rig, SCRIPT) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 20, PATIENCE_S, "frames")
        unplug.write_text("swap")
        g.wait(lambda: count(eyes, "attempts") >= 3, PATIENCE_S, "attempts")
        named = f"RealSense {SERIAL} is not connected; connected: 111111111111 (Soft D405)"
        assert error(eyes, named), status(eyes).message
        before = len(eyes.seen["image"])
        time.sleep(2.0)
        assert len(eyes.seen["image"]) == before
        unplug.unlink()
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames of the right one")


def test_a_camera_that_is_not_connected_ends_the_node_with_one_line(tmp_path: Path) -> None:
    with alone(tmp_path) as g:
        line = refused(g, rig_file(tmp_path, "realsense", Path("0")))
    assert line.startswith("error: camera 'third_view': RealSense 0 is not connected; connected: ")
