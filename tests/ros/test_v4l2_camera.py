"""The V4L2 driver in the camera's process: OpenCV's own V4L2 code on a camera that a preloaded library plays.

What the library cannot stand for: a kernel driver's own buffering and stamps, and a USB bus that is too slow.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from tests.cameras.devices import number_of
from tests.ros.camera import (
    PATIENCE_S,
    RATE_HZ,
    SIZE,
    VIEW,
    alone,
    count,
    error,
    pictures,
    refused,
    rig_file,
    status,
    watched,
)
from zprl_bringup import convert

SOURCE = Path(__file__).resolve().parents[1] / "cameras" / "fake_v4l2.c"
MJPG = int.from_bytes(b"MJPG", "little")
AUTO_EXPOSURE, EXPOSURE, GAIN, AUTO_WB, WB = 0x9A0901, 0x9A0902, 0x980913, 0x98090C, 0x98091A


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that stands for the device; the library is in LD_PRELOAD of what is started from now on."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library, frames, path = tmp_path / "fake_v4l2.so", tmp_path / "frames", tmp_path / "video7"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    frames.mkdir()
    for n, picture in enumerate(pictures(5)):
        cv2.imwrite(str(frames / f"{n:03}.jpg"), picture[..., ::-1])
    path.touch()
    monkeypatch.setenv("FAKE_V4L2_DEVICE", str(path))
    monkeypatch.setenv("FAKE_V4L2_FRAMES", str(frames))
    monkeypatch.setenv("FAKE_V4L2_LOG", str(tmp_path / "settings.log"))
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return path


def settings(folder: Path) -> dict[str, list[list[int]]]:
    """What was set, in order."""
    found: dict[str, list[list[int]]] = {}
    for line in (folder / "settings.log").read_text().splitlines():
        what, *numbers = line.split()
        found.setdefault(what, []).append([int(n) for n in numbers])
    return found


def test_frames_settings_and_stamps(tmp_path: Path, device: Path) -> None:
    rig = rig_file(tmp_path, "v4l2", device, exposure_us=8000, gain=10, white_balance_k=4500)
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 40, PATIENCE_S, "two seconds of frames")
        frames = list(eyes.seen["image"])
    assert {(m.height, m.width, m.encoding) for m in frames} == {(*VIEW, "rgb8")}
    assert {number_of(convert.image_array(m)) for m in frames} == {1, 2, 3, 4, 5}
    gaps = np.diff([convert.stamp_ns(m) for m in frames]) * 1e-9
    assert abs(np.median(gaps) - 1 / RATE_HZ) < 0.002
    done = settings(tmp_path)
    assert done["format"][-1] == [SIZE[1], SIZE[0], MJPG]
    assert done["rate"][-1][0] == RATE_HZ
    assert [n for n, *_ in done["buffers"] if n][-1] == 2
    wanted = [[AUTO_EXPOSURE, 1], [EXPOSURE, 80], [GAIN, 10], [AUTO_WB, 0], [WB, 4500]]
    assert [numbers[:2] for numbers in done["control"]] == wanted


def test_unplugged_or_hanging_it_streams_again_by_itself(tmp_path: Path, device: Path) -> None:
    with alone(tmp_path) as g, watched(g, rig_file(tmp_path, "v4l2", device)) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 5, PATIENCE_S, "frames")
        device.unlink()
        g.wait(lambda: error(eyes, "camera third_view unplugged; trying again."), PATIENCE_S, "the diagnosis")
        g.wait(lambda: count(eyes, "attempts") >= 1, PATIENCE_S, "an attempt")
        assert "video7 does not exist; video devices here: " in status(eyes).message
        before = len(eyes.seen["image"])
        device.touch()
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames again")
        device.write_text("hang")
        g.wait(lambda: error(eyes, "camera third_view hangs; trying again."), PATIENCE_S, "the diagnosis")
        before = len(eyes.seen["image"])
        device.write_text("nostamp")
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames once more")
        g.wait(lambda: status(eyes).level == DiagnosticStatus.OK, 20, "the all-clear")
        stamps = [convert.stamp_ns(m) for m in eyes.seen["image"]]
        assert stamps == sorted(set(stamps))
        assert count(eyes, "lost") == 2 and count(eyes, "reopened") >= 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 1920, "height": 1080}, "offers 720x1280 (height x width) where the rig wants 1080x1920"),
        ({"rate_hz": 100.0}, "offers 60 Hz where the rig wants 100 Hz; v4l2-ctl -d "),
        ({"gain": 300}, "refuses gain: 300, allowed: null, or what v4l2-ctl -d "),
    ],
)
def test_what_it_cannot_do_ends_the_node(
    tmp_path: Path, device: Path, wrong: dict[str, object], message: str
) -> None:
    with alone(tmp_path) as g:
        line = refused(g, rig_file(tmp_path, "v4l2", device, **wrong))
    assert line.startswith(f"error: camera 'third_view': {device} ") and message in line
