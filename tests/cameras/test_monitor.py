"""A camera's stream, frame by frame, on a hand-written table of arrivals."""

from __future__ import annotations

from zprl_cameras.monitor import StreamMonitor

MS = 1_000_000
GOOD = (96, 128, 3)


def monitor() -> StreamMonitor:
    return StreamMonitor("third_view", 96, 128, max_silence_s=0.2, first_frame_s=5.0)


def test_good_frames_pass() -> None:
    m = monitor()
    for i in range(5):
        assert m.frame(GOOD, i * 33 * MS, i * 33 * MS + 7 * MS) == ""
    assert m.counts == {"published": 5, "repeated": 0, "wrong_size": 0}
    assert m.health(140 * MS).ok


def test_a_wrong_size_names_both() -> None:
    m = monitor()
    assert m.frame((128, 96, 3), 0, 0) == "camera third_view: a frame of 128x96x3, expected 96x128x3"
    assert m.frame((96, 128), 0, 0) == "camera third_view: a frame of 96x128, expected 96x128x3"
    assert m.counts["wrong_size"] == 2


def test_a_repeated_or_older_stamp_is_refused() -> None:
    m = monitor()
    assert m.frame(GOOD, 100 * MS, 0) == ""
    assert "0.0 ms behind" in m.frame(GOOD, 100 * MS, 33 * MS)
    assert "40.0 ms behind" in m.frame(GOOD, 60 * MS, 66 * MS)
    assert m.counts["repeated"] == 2


def test_silence_is_noticed_and_measured_by_usable_frames_only() -> None:
    m = monitor()
    m.frame(GOOD, 0, 1000 * MS)
    assert m.health(1200 * MS).ok
    m.frame(GOOD, 0, 1199 * MS)
    health = m.health(1500 * MS)
    assert not health.ok and health.message == "camera third_view: no frame for 0.50 s"
    m.frame(GOOD, 1, 1501 * MS)
    assert m.health(1501 * MS).message == "camera third_view: streaming"


def test_the_first_frame_may_take_longer() -> None:
    m = monitor()
    assert m.health(0).message == "camera third_view: waiting for the first frame"
    assert m.health(5000 * MS).ok
    assert not m.health(5001 * MS).ok
