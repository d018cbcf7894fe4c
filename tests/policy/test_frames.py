"""Frames that are embedded before the snapshot which has them is taken."""

from __future__ import annotations

import numpy as np

from policy_node.frames import KEPT, Frames
from zprl_core.snapshot import Image, Snapshot


def image(value: int) -> Image:
    return np.full((2, 2, 3), value, np.uint8)


class Encoder:
    """Notes what it is asked for; an embedding is the frame's value and the camera's initial."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def __call__(self, camera: str, frame: Image) -> np.ndarray:
        self.asked.append((camera, int(frame.max())))
        return np.array([frame.max(), ord(camera[0])], np.float32)


def snapshot(**stamps: tuple[int, ...]) -> Snapshot:
    """Of frames whose values are their stamps."""
    images = {camera: tuple(image(each) for each in found) for camera, found in stamps.items()}
    return Snapshot(0, images, np.zeros((2, 1), np.float32), dict(stamps))


def test_what_came_early_is_not_embedded_again() -> None:
    encoder = Encoder()
    frames = Frames(encoder)
    frames.ahead([("third", 1, image(1)), ("wrist", 1, image(1)), ("third", 1, image(1))])
    assert encoder.asked == [("third", 1), ("wrist", 1)]
    found = frames.of(snapshot(third=(1, 4), wrist=(1, 5)))
    assert encoder.asked[2:] == [("third", 4), ("wrist", 5)]
    np.testing.assert_array_equal(found["third"], [[1, ord("t")], [4, ord("t")]])
    np.testing.assert_array_equal(found["wrist"], [[1, ord("w")], [5, ord("w")]])
    assert frames.counts == {"all": 4, "early": 2}


def test_a_history_that_is_one_frame_twice_is_embedded_once_and_came_late() -> None:
    encoder = Encoder()
    frames = Frames(encoder)
    found = frames.of(snapshot(third=(7, 7)))
    assert encoder.asked == [("third", 7)] and found["third"].shape == (2, 2)
    assert frames.counts == {"all": 2, "early": 0}


def test_one_that_the_last_snapshot_had_is_known_and_was_not_early() -> None:
    encoder = Encoder()
    frames = Frames(encoder)
    frames.of(snapshot(third=(1, 2)))
    frames.of(snapshot(third=(2, 3)))
    assert encoder.asked == [("third", 1), ("third", 2), ("third", 3)]
    assert frames.counts == {"all": 4, "early": 0}


def test_another_episodes_frames_are_other_frames() -> None:
    encoder = Encoder()
    frames = Frames(encoder)
    frames.ahead([("third", 3, image(3))])
    frames.clear()
    frames.of(snapshot(third=(3,)))
    assert encoder.asked == [("third", 3)] * 2 and frames.counts == {"all": 1, "early": 0}


def test_it_does_not_grow() -> None:
    encoder = Encoder()
    frames = Frames(encoder)
    for stamp in range(KEPT + 1):
        frames.ahead([("third", stamp, image(stamp))])
    frames.of(snapshot(third=(0, KEPT)))
    assert encoder.asked[-1] == ("third", 0) and len(encoder.asked) == KEPT + 2
