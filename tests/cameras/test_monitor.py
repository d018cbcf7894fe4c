"""A camera's stream, frame by frame, on a hand-written table of arrivals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_cameras.driver import Frame
from zprl_cameras.judge import Expected, expected, is_black
from zprl_cameras.monitor import StreamMonitor
from zprl_core.config import CameraConfig, CameraView

MS = 1_000_000
GOOD = np.full((96, 128, 3), 90, np.uint8)
PLAIN = Expected("wrist", 96, 128, max_silence_s=0.2)
WATCHED = replace(PLAIN, rate_hz=30.0, frozen_frames=3, black=True)


def monitor(stream: Expected = PLAIN) -> StreamMonitor:
    return StreamMonitor(stream, first_frame_s=5.0)


def picture(value: int) -> np.ndarray:
    return np.full((96, 128, 3), value, np.uint8)


def test_good_frames_pass() -> None:
    m = monitor()
    for i in range(5):
        assert m.frame(Frame(GOOD, i * 33 * MS), i * 33 * MS + 7 * MS) == ""
    assert {k: n for k, n in m.counts.items() if n} == {"published": 5}
    health = m.health(140 * MS)
    assert (health.level, health.message) == ("ok", "camera wrist: streaming")


def test_a_wrong_size_names_both_and_what_to_do() -> None:
    m = monitor()
    turned = m.frame(Frame(GOOD.transpose(1, 0, 2), 1), 0)
    assert turned.startswith("camera wrist: a frame of 128x96x3, expected 96x128x3; set height and width")
    assert "96x128, expected" in m.frame(Frame(GOOD[..., 0], 2), 0)
    assert m.counts["wrong_size"] == 2
    assert m.health(0).level == "error" and m.health(0).cause == "wrong_size"


def test_a_repeated_or_older_stamp_is_refused() -> None:
    m = monitor()
    assert m.frame(Frame(GOOD, 100 * MS), 0) == ""
    assert "0.0 ms behind" in m.frame(Frame(GOOD, 100 * MS), 33 * MS)
    assert "40.0 ms behind" in m.frame(Frame(GOOD, 60 * MS), 66 * MS)
    assert m.counts["repeated"] == 2
    assert m.health(70 * MS).level == "ok"  # as in simulation; a device that does it is doubtful
    doubtful = monitor(WATCHED)
    doubtful.health(0)
    for stamp_ms in (100, 100):
        doubtful.frame(Frame(GOOD, stamp_ms * MS), stamp_ms * MS)
    assert doubtful.health(101 * MS).message.startswith("camera wrist: 0 frames dropped and 1 repeated")


def test_silence_is_noticed_and_measured_by_good_frames_only() -> None:
    m = monitor()
    m.frame(Frame(GOOD, 0), 1000 * MS)
    assert m.health(1200 * MS).level == "ok"
    assert m.health(1500 * MS).message.startswith("camera wrist: no frame for 0.50 s; check its power")
    m.frame(Frame(GOOD, 0), 1510 * MS)
    health = m.health(1600 * MS)
    assert health.cause == "silent" and "no frame for 0.60 s: 1 came whose stamps repeat" in health.message
    m.frame(Frame(GOOD, 1), 1601 * MS)
    assert m.health(8000 * MS).cause == "silent"
    m.frame(Frame(GOOD, 2), 8001 * MS)
    assert m.health(8001 * MS).message == "camera wrist: streaming"


def test_the_first_frame_may_take_longer() -> None:
    m = monitor()
    assert m.health(0).message == "camera wrist: waiting for the first frame"
    assert m.health(5000 * MS).level == "ok"
    assert m.health(5001 * MS).level == "error"


def test_equal_pictures_with_new_stamps_are_refused_from_the_limit_on() -> None:
    m = monitor(WATCHED)
    told = [m.frame(Frame(picture(90), i * 33 * MS), i * 33 * MS) for i in range(5)]
    assert [bool(text) for text in told] == [False, False, True, True, True]
    assert told[2].startswith(
        "camera wrist: the last 3 pictures or more are equal to the bit; it hangs: unplug"
    )
    assert m.counts["frozen"] == 3 and m.counts["published"] == 2
    health = m.health(140 * MS)
    assert (health.level, health.cause, health.message) == ("error", "frozen", told[4])
    one_bit = picture(90)
    one_bit[-1, -1, -1] ^= 1
    assert m.frame(Frame(one_bit, 165 * MS), 165 * MS) == ""
    assert m.health(166 * MS).level == "ok"


def test_a_black_picture_is_refused_and_hot_pixels_do_not_hide_it() -> None:
    m = monitor(WATCHED)
    dark = np.random.default_rng(0).integers(0, 8, (96, 128, 3), np.uint8)
    dark[5, 5] = 255
    told = m.frame(Frame(dark, 0), 0)
    assert "camera wrist: the picture is black (all below 8 of 255); take the lens cap off" in told
    assert m.counts["black"] == 1 and m.health(0).cause == "black"
    assert m.frame(Frame(picture(90), 33 * MS), 33 * MS) == ""


def test_how_bright_black_is() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:1, :10] = 8  # 30 of 30000 values
    assert is_black(image)
    image[0, 10, 0] = 8
    assert not is_black(image)


def test_gaps_are_counted_by_the_devices_numbers() -> None:
    m = monitor(WATCHED)
    for i, (number, late_ms) in enumerate([(7, 0), (8, 30), (11, 0), (12, 200)]):
        m.frame(Frame(picture(60 + i), i * 33 * MS + late_ms, number), 0)
    assert m.counts["dropped"] == 2


def test_gaps_are_counted_by_stamps_where_there_is_no_number() -> None:
    m = monitor(WATCHED)
    for i, stamp_ms in enumerate([0, 33, 67, 100, 200, 240, 266, 400]):  # 2 missing, jitter, 3 missing
        m.frame(Frame(picture(60 + i), stamp_ms * MS), 0)
    assert m.counts["dropped"] == 5


def test_missing_frames_are_a_warning_for_five_seconds() -> None:
    m = monitor(WATCHED)
    m.frame(Frame(picture(50), 0, 1), 0)
    m.health(0)
    m.frame(Frame(picture(51), 100 * MS, 4), 100 * MS)
    health = m.health(150 * MS)
    assert (health.level, health.cause) == ("warn", "dropped")
    assert health.message.startswith("camera wrist: 2 frames dropped and 0 repeated in the last 5 s; give it")
    m.health(5200 * MS)
    m.frame(Frame(picture(52), 5300 * MS, 5), 5300 * MS)
    assert m.health(5301 * MS).level == "ok"


def test_a_lost_camera_says_so_until_it_streams_again() -> None:
    m = monitor(WATCHED)
    m.frame(Frame(picture(50), 0, 900), 0)
    m.lost("unplugged", "Video devices: none.")
    assert m.health(10 * MS).level == "error"
    assert m.health(10 * MS).message == "camera wrist unplugged; trying again. Video devices: none."
    m.lost("unplugged", "Still none.")
    assert m.health(600 * MS).message.endswith("trying again. Still none.")
    m.reopened()
    assert m.health(1600 * MS).message == "camera wrist: open again, waiting for its first frame"
    assert m.frame(Frame(picture(50), 1700 * MS, 1), 1700 * MS) == ""
    assert m.health(1700 * MS).level == "ok"
    counted = {k: m.counts[k] for k in ("lost", "attempts", "reopened", "dropped", "frozen")}
    assert counted == {"lost": 1, "attempts": 2, "reopened": 1, "dropped": 0, "frozen": 0}


def test_equal_pictures_before_and_after_a_loss_do_not_add_up() -> None:
    m = monitor(WATCHED)
    told = [m.frame(Frame(picture(90), i), 0) for i in range(2)]
    m.lost("unplugged", "")
    m.reopened()
    told += [m.frame(Frame(picture(90), 10 + i), 0) for i in range(3)]
    assert [bool(text) for text in told] == [False, False, False, False, True]


@pytest.mark.parametrize("driver", ["realsense", "v4l2", "files"])
def test_a_devices_stream_is_watched(driver: str) -> None:
    config = CameraConfig(name="c", driver=driver, width=640, height=480, rate_hz=15.0, device="x")
    assert expected(config, CameraView("c", 64, 128, 60, 124), 0.3) == Expected(
        "c", 480, 640, 0.3, rate_hz=15.0, frozen_frames=10, black=True
    )


def test_a_simulated_one_may_stand_still_pause_and_draw_at_the_tasks_size() -> None:
    config = CameraConfig(name="c", driver="sim", width=128, height=128, rate_hz=30.0)
    stream = expected(config, CameraView("c", 64, 128, 60, 124), 0.3)
    m = StreamMonitor(stream)
    black = np.zeros((64, 128, 3), np.uint8)
    assert [m.frame(Frame(black, i * 10**9), 0) for i in range(50)] == [""] * 50
    assert {k: n for k, n in m.counts.items() if n} == {"published": 50}


@given(st.lists(st.tuples(st.integers(-50, 120), st.integers(0, 2)), max_size=60))
def test_every_frame_is_either_published_or_counted_and_stamps_grow(steps: list[tuple[int, int]]) -> None:
    m, stamp_ns, good = monitor(WATCHED), 10**12, [-1]
    for step_ms, value in steps:
        stamp_ns += step_ms * MS
        if not m.frame(Frame(picture(100 * value), stamp_ns), 0):
            good.append(stamp_ns)
            assert value
    assert good == sorted(set(good))
    refused = sum(m.counts[k] for k in ("repeated", "black", "frozen", "wrong_size"))
    assert m.counts["published"] == len(good) - 1 and refused + len(good) - 1 == len(steps)
