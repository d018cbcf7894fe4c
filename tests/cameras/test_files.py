"""The driver that plays files: order, stamps, and files that go away."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cameras.devices import config, number_of, numbered, write_folder
from zprl_cameras.driver import CameraLost, Frame
from zprl_cameras.drivers.files import FilesCamera
from zprl_core.errors import RigError


def camera(device: Path, rate_hz: float = 100.0, now_ns: Callable[[], int] = time.time_ns) -> FilesCamera:
    return FilesCamera(config("files", str(device), rate_hz=rate_hz), now_ns)


def read(camera: FilesCamera, count: int) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < count:
        frame = camera.read(0.1)
        if frame is not None:
            frames.append(frame)
    return frames


def test_a_folder_is_played_by_name_again_and_again(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", [numbered(n) for n in range(3)])
    (folder / "notes.txt").write_text("no picture")
    played = camera(folder)
    played.open()
    frames = read(played, 7)
    np.testing.assert_array_equal(frames[1].image, numbered(1))
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 0, 1, 2, 0]


def test_a_video_is_played_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30.0, (32, 24))
    for n in range(4):
        writer.write(np.ascontiguousarray(numbered(n)[..., ::-1]))
    writer.release()
    played = camera(path)
    played.open()
    assert [number_of(frame.image) for frame in read(played, 10)] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_stamps_are_ticks_and_frames_come_when_they_are_due(tmp_path: Path) -> None:
    played = camera(write_folder(tmp_path / "pictures", [numbered(n) for n in range(3)]), rate_hz=50.0)
    played.open()
    for _ in range(10):
        (frame,) = read(played, 1)
        assert frame.stamp_ns % 20_000_000 == 0
        assert 0 <= time.time_ns() - frame.stamp_ns < 200_000_000


def test_a_picture_does_not_come_before_its_tick(tmp_path: Path) -> None:
    now_ns = 1_000_000_000
    played = camera(write_folder(tmp_path / "pictures", [numbered(0)]), rate_hz=50.0, now_ns=lambda: now_ns)
    played.open()
    assert played.read(0.0) is None
    now_ns += 20_000_000
    frame = played.read(0.0)
    assert frame is not None and frame.stamp_ns == now_ns
    assert played.read(0.0) is None


def test_a_reader_that_was_away_misses_ticks_and_no_picture(tmp_path: Path) -> None:
    played = camera(write_folder(tmp_path / "pictures", [numbered(n) for n in range(5)]))
    played.open()
    before = read(played, 1)[0]
    time.sleep(0.3)
    after, following = read(played, 2)
    assert after.stamp_ns - before.stamp_ns > 250_000_000
    assert time.time_ns() - after.stamp_ns < 200_000_000 and following.stamp_ns > after.stamp_ns
    assert [number_of(f.image) for f in (before, after, following)] == [0, 1, 2]


def test_a_folder_that_goes_is_lost_and_can_be_opened_again_when_it_is_back(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", [numbered(n) for n in range(3)])
    played = camera(folder)
    played.open()
    read(played, 2)
    folder.rename(tmp_path / "away")
    with pytest.raises(CameraLost, match=r"camera 'wrist': .*pictures is gone; put it back"):
        read(played, 1)
    played.close()
    with pytest.raises(RigError, match="pictures does not exist; set `device` to a video or a folder"):
        played.open()
    (tmp_path / "away").rename(folder)
    played.open()
    assert number_of(read(played, 1)[0].image) == 0


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", [numbered(1)])
    (folder / "001.png").write_bytes(b"not a picture")
    played = camera(folder)
    played.open()
    with pytest.raises(CameraLost, match=r"pictures: 001\.png cannot be read"):
        read(played, 2)


def test_nothing_to_play_is_an_error_that_says_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RigError, match=r"camera 'wrist': .*empty holds no pictures; allowed: \.bmp, \.jpeg"):
        camera(tmp_path / "empty").open()
    (tmp_path / "film.mp4").write_bytes(b"not a film")
    with pytest.raises(RigError, match=r"film\.mp4 is not a video that OpenCV can read"):
        camera(tmp_path / "film.mp4").open()


def test_closing_is_harmless_at_any_time(tmp_path: Path) -> None:
    played = camera(tmp_path)
    played.close()
    played.close()
