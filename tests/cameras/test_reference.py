"""A bumped camera is found, another light is not taken for one. The scene is a random one of soft shapes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_cameras.reference import compare
from zprl_core.errors import DataError

MARGIN = 20
SIZE = (110, 160)


def scene(seed: int = 0) -> np.ndarray:
    """Rectangles and discs with sensor noise, uint8, larger than a picture by MARGIN on each side."""
    rng = np.random.default_rng(seed)
    height, width = SIZE[0] + 2 * MARGIN, SIZE[1] + 2 * MARGIN
    image = np.full((height, width, 3), 110, np.uint8)
    for _ in range(25):
        x, y, a, b = (int(v) for v in rng.integers(0, [width, height, 40, 30]))
        colour = [int(v) for v in rng.integers(30, 220, 3)]
        cv2.rectangle(image, (x, y), (x + a, y + b), colour, -1)
        cv2.circle(image, (width - x, height - y), a // 2, colour[::-1], -1)
    return cv2.GaussianBlur(image, (0, 0), 0.7)


def view(world: np.ndarray, down: int = 0, right: int = 0, noise: int = 0) -> np.ndarray:
    """What a camera sees of a scene that moved by so many pixels in its picture."""
    top, left = MARGIN - down, MARGIN - right
    picture = world[top : top + SIZE[0], left : left + SIZE[1]].astype(np.float64)
    picture += np.random.default_rng(noise).normal(0.0, 2.0, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("down", "right"), [(3, 0), (0, -3), (2, 2), (-11, 7)])
def test_a_shift_is_found(down: int, right: int) -> None:
    found = compare(view(scene()), view(scene(), down, right, noise=1))
    assert abs(found.down_px - down) < 0.3 and abs(found.right_px - right) < 0.3
    assert found.similarity > 0.8


@settings(max_examples=30)
@given(st.integers(-12, 12), st.integers(-12, 12), st.integers(0, 9))
def test_any_shift_of_any_scene_is_found(down: int, right: int, seed: int) -> None:
    found = compare(view(scene(seed)), view(scene(seed), down, right, noise=1))
    assert np.hypot(found.down_px - down, found.right_px - right) < 0.5


def test_half_a_pixel_is_seen() -> None:
    fine = scene()
    moved = cv2.warpAffine(fine, np.array([[1, 0, 0.5], [0, 1, 0]]), fine.shape[1::-1])
    found = compare(view(fine), view(moved, noise=1))
    assert abs(found.right_px - 0.5) < 0.25 and abs(found.down_px) < 0.1


@pytest.mark.parametrize("light", ["dim", "bright", "lamp at the side", "gamma"])
def test_another_light_is_no_alarm(light: str) -> None:
    still = view(scene())
    changed = still.astype(np.float64)
    if light == "dim":
        changed *= 0.4
    elif light == "bright":
        changed = changed * 1.3 + 25.0  # the brightest parts are clipped
    elif light == "lamp at the side":
        changed *= np.linspace(0.5, 1.3, SIZE[1])[None, :, None]
    else:
        changed = 255.0 * (changed / 255.0) ** 0.6
    found = compare(still, np.clip(changed, 0, 255).astype(np.uint8))
    assert found.shift_px < 0.2 and found.similarity > 0.9


def test_an_arm_in_the_picture_is_no_alarm() -> None:
    still, now = view(scene()), view(scene(), noise=1)
    now[30:, 60:100] = 40
    found = compare(still, now)
    assert found.shift_px < 0.2 and found.similarity > 0.5


@pytest.mark.parametrize("turn_deg", [15.0, 90.0])
def test_a_camera_that_was_turned_is_not_similar(turn_deg: float) -> None:
    world = scene()
    centre = (world.shape[1] / 2, world.shape[0] / 2)
    turned = cv2.warpAffine(world, cv2.getRotationMatrix2D(centre, turn_deg, 1.0), world.shape[1::-1])
    assert compare(view(world), view(turned)).similarity < 0.5


def test_another_scene_is_not_similar() -> None:
    assert compare(view(scene(1)), view(scene(2))).similarity < 0.4


def test_a_picture_that_shows_nothing_is_not_similar() -> None:
    grey = np.full((*SIZE, 3), 90, np.uint8)
    assert compare(view(scene()), grey) == (0.0, 0.0, 0.0)


def test_the_same_picture_is_the_same() -> None:
    found = compare(view(scene()), view(scene()))
    assert found.shift_px < 1e-6 and found.similarity == pytest.approx(1.0)


def test_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(110, 160, 3\).*\(64, 128, 3\).*store the reference again"):
        compare(view(scene()), np.zeros((64, 128, 3), np.uint8))
