"""Crop and resize, on pictures computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_cameras.picture import Fit, largest_centred, rgb

SIDES = st.tuples(st.integers(1, 400), st.integers(1, 400))


def grey(rows: list[list[int]]) -> np.ndarray:
    """The same numbers in all three colours."""
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


def test_shrinking_takes_the_mean_of_each_area() -> None:
    picture = grey([[0, 4, 10, 20], [8, 12, 30, 40], [100, 100, 7, 7], [200, 200, 7, 7]])
    np.testing.assert_array_equal(Fit((4, 4), (2, 2))(picture), grey([[6, 25], [150, 7]]))


def test_a_wide_picture_loses_its_sides_and_a_tall_one_its_top_and_bottom() -> None:
    wide = grey([[1, 2, 3, 4], [5, 6, 7, 8]])
    np.testing.assert_array_equal(Fit((2, 4), (2, 2))(wide), grey([[2, 3], [6, 7]]))
    np.testing.assert_array_equal(Fit((4, 2), (2, 2))(wide.transpose(1, 0, 2)), grey([[2, 6], [3, 7]]))


def test_a_crop_that_is_given_is_taken() -> None:
    picture = grey([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])
    np.testing.assert_array_equal(Fit((3, 4), (2, 1), crop=(1, 3, 2, 1))(picture), grey([[8], [12]]))


def test_growing_is_linear_and_may_come_with_shrinking() -> None:
    grown = Fit((1, 2), (1, 4), crop=(0, 0, 1, 2))(grey([[0, 100]]))
    np.testing.assert_array_equal(grown, grey([[0, 25, 75, 100]]))
    both = Fit((2, 2), (1, 4), crop=(0, 0, 2, 2))(grey([[0, 100], [40, 140]]))
    np.testing.assert_array_equal(both, grey([[20, 45, 95, 120]]))


def test_colours_are_turned_round() -> None:
    np.testing.assert_array_equal(rgb(np.array([[[1, 2, 3]]], np.uint8)), [[[3, 2, 1]]])


def test_where_nothing_changes_nothing_is_copied() -> None:
    picture = grey([[1, 2], [3, 4]])
    assert np.shares_memory(Fit((2, 2), (2, 2))(picture), picture)


def test_depth_is_picked_never_mixed() -> None:
    depth = np.array([[500, 500, 0, 0], [500, 500, 0, 0], [9000] * 4, [9000] * 4], np.uint16)
    fitted = Fit((4, 4), (2, 2)).depth(depth)
    assert fitted.dtype == np.uint16
    np.testing.assert_array_equal(fitted, [[500, 0], [9000, 9000]])


@pytest.mark.parametrize(
    ("view", "part"),
    [
        ((110, 280), (114, 0, 251, 640)),  # 640 * 110 / 280 = 251.4
        ((128, 128), (0, 80, 480, 480)),
        ((120, 160), (0, 0, 480, 640)),
    ],
)
def test_the_papers_sizes_from_vga(view: tuple[int, int], part: tuple[int, int, int, int]) -> None:
    fit = Fit((480, 640), view)
    assert fit.part == part
    fitted = fit(np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8))
    assert fitted.shape == (*view, 3) and fitted.dtype == np.uint8 and fitted.flags.c_contiguous


@given(SIDES, SIDES)
def test_the_part_is_the_largest_and_lies_in_the_middle(size: tuple[int, int], view: tuple[int, int]) -> None:
    top, left, height, width = largest_centred(size, view)
    assert top >= 0 and left >= 0 and top + height <= size[0] and left + width <= size[1]
    assert height == size[0] or width == size[1]
    assert 0 <= size[0] - height - 2 * top <= 1 and 0 <= size[1] - width - 2 * left <= 1
    by_height = height == size[0] and (abs(width - height * view[1] / view[0]) <= 0.5 or width == 1)
    by_width = width == size[1] and (abs(height - width * view[0] / view[1]) <= 0.5 or height == 1)
    assert by_height or by_width


@given(SIDES, SIDES, st.integers(0, 255))
def test_sizes_are_exact_and_one_colour_stays_that_colour(
    size: tuple[int, int], view: tuple[int, int], value: int
) -> None:
    fitted = Fit(size, view)(np.full((*size, 3), value, np.uint8))
    assert fitted.shape == (*view, 3)
    assert (fitted == value).all()
