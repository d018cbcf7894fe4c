"""The camera's process over DDS, fed from files: what it publishes, what it refuses, and what it says."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from tests.cameras.devices import number_of, numbered, write_folder
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
from zprl_cameras.picture import Fit


def test_frames_come_in_the_tasks_size_in_order_at_the_rate(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", pictures(5))
    rig = rig_file(tmp_path, "files", folder)
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 60, PATIENCE_S, "three seconds of frames")
        g.wait(lambda: status(eyes).level in (DiagnosticStatus.OK, DiagnosticStatus.WARN), 5, "a diagnosis")
        frames = list(eyes.seen["image"])
        assert status(eyes).name == "camera third_view" and status(eyes).hardware_id == str(folder)
        assert count(eyes, "published") > 50
    assert {(m.height, m.width, m.encoding, m.header.frame_id) for m in frames} == {
        (*VIEW, "rgb8", "camera_third_view")
    }
    images = [convert.image_array(m) for m in frames]
    numbers = [number_of(image) for image in images]
    np.testing.assert_array_equal(images[0], Fit(SIZE, VIEW)(numbered(numbers[0], *SIZE)))
    assert all(after == before % 5 + 1 for before, after in itertools.pairwise(numbers))
    stamps = np.array([convert.stamp_ns(m) for m in frames])
    assert (stamps % round(1e9 / RATE_HZ) == 0).all()
    assert np.median(np.diff(stamps)) == 1e9 / RATE_HZ


def test_a_frozen_camera_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", pictures(1) * 3)
    rig = rig_file(tmp_path, "files", folder, frozen_frames=4)
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: error(eyes, "equal to the bit"), PATIENCE_S, "the diagnosis")
        g.wait(lambda: count(eyes, "frozen") > 20, PATIENCE_S, "a second of refused frames")
        assert status(eyes).message.startswith("camera third_view: the last 4 pictures or more are equal")
        assert "unplug it and plug it in again" in status(eyes).message
        assert len(eyes.seen["image"]) <= 3 and count(eyes, "published") == 3
    assert g.log("camera").count("equal to the bit") == 1


def test_a_black_camera_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 5, (*SIZE, 3), np.uint8) for _ in range(3)]
    rig = rig_file(tmp_path, "files", write_folder(tmp_path / "pictures", dark))
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: error(eyes, "the picture is black"), PATIENCE_S, "the diagnosis")
        g.wait(lambda: count(eyes, "black") > 20, PATIENCE_S, "a second of refused frames")
        assert "take the lens cap off" in status(eyes).message
        assert eyes.seen["image"] == []


def test_another_size_than_the_rig_says_is_refused(tmp_path: Path) -> None:
    rig = rig_file(tmp_path, "files", write_folder(tmp_path / "pictures", pictures(3, (48, 80))))
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: error(eyes, "a frame of 48x80x3, expected 96x160x3"), PATIENCE_S, "the diagnosis")
        assert eyes.seen["image"] == []


def test_a_camera_that_was_unplugged_streams_again_by_itself(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", pictures(5))
    rig = rig_file(tmp_path, "files", folder)
    with alone(tmp_path) as g, watched(g, rig) as eyes:
        g.wait(lambda: len(eyes.seen["image"]) > 5, PATIENCE_S, "frames")
        folder.rename(tmp_path / "away")
        g.wait(lambda: error(eyes, "camera third_view unplugged; trying again"), PATIENCE_S, "the diagnosis")
        g.wait(lambda: count(eyes, "attempts") >= 2, PATIENCE_S, "attempts")
        assert f"{folder} does not exist; set `device`" in status(eyes).message
        before = len(eyes.seen["image"])
        (tmp_path / "away").rename(folder)
        g.wait(lambda: len(eyes.seen["image"]) > before + 5, PATIENCE_S, "frames again")
        g.wait(lambda: count(eyes, "reopened") == 1 and count(eyes, "lost") == 1, 5, "the counters")
        g.wait(lambda: status(eyes).level == DiagnosticStatus.OK, 15, "the all-clear")
        stamps = [convert.stamp_ns(m) for m in eyes.seen["image"]]
        assert stamps == sorted(set(stamps))
    assert "camera third_view unplugged; trying again" in g.log("camera")
    assert "streaming again after" in g.log("camera")


def test_a_camera_that_is_not_there_at_the_start_ends_the_node_with_one_line(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with alone(tmp_path) as g:
        line = refused(g, rig_file(tmp_path, "files", missing))
        assert [text for text in g.log("camera").splitlines() if text] == [line]
    assert line == (
        f"error: camera 'third_view': {missing} does not exist; "
        "set `device` to a video or a folder of pictures"
    )


def test_lockstep_wants_a_camera_that_can_wait(tmp_path: Path) -> None:
    rig = rig_file(tmp_path, "files", write_folder(tmp_path / "pictures", pictures(2)))
    with alone(tmp_path) as g:
        assert "driver 'files' runs on the wall clock, lockstep needs" in refused(g, rig, lockstep=True)
