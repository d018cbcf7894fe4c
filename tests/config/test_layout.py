"""Layouts for people: drawn inside their ranges, and seen where the camera's corners say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.config import load_task
from zprl_core.config.region import RegionConfig, RegionObject
from zprl_core.layout import Placement, describe, draw, outlines

UNIT = ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))  # seen from above, the far edge on top


def region(**changes: Any) -> RegionConfig:
    values: dict[str, Any] = {
        "name": "egg", "x_m": (-0.1, 0.1), "y_m": (-0.05, 0.0), "yaw_deg": (-10.0, 10.0),
        "size_m": (0.04, 0.02),
    }  # fmt: skip
    return RegionConfig(size_m=(0.4, 0.2), objects=(RegionObject(**{**values, **changes}),))


@given(st.integers(0, 2**63 - 1))
def test_a_layout_keeps_its_ranges_and_is_its_seeds(seed: int) -> None:
    (place,) = draw(region(), seed)
    assert -0.1 <= place.x_m <= 0.1 and -0.05 <= place.y_m <= 0.0 and abs(place.yaw_rad) <= math.radians(10.0)
    assert draw(region(), seed) == (place,)


def test_half_a_pan_is_drawn_evenly() -> None:
    pan = region(x_m=(-0.2, 0.2), y_m=(-0.1, 0.0), within="ellipse")
    places = np.array([draw(pan, seed)[0][1:3] for seed in range(400)])
    assert (np.hypot(places[:, 0] / 0.2, places[:, 1] / 0.1) <= 1.0).all()
    inner = np.mean(np.hypot(places[:, 0] / 0.2, places[:, 1] / 0.1) < math.sqrt(0.5))
    assert inner == pytest.approx(0.5, abs=0.08)  # half of the area


def test_outlines_by_hand() -> None:
    """0.1 m to the right of the middle of 0.4 m is 3/4 of the width; a quarter turn swaps the sides."""
    shapes = outlines(region(), [Placement("egg", 0.1, -0.05, math.pi / 2)], UNIT)
    np.testing.assert_allclose(shapes[""], UNIT, atol=1e-6)
    np.testing.assert_allclose(shapes["egg"].mean(axis=0), (0.75, 0.75), atol=1e-6)
    np.testing.assert_allclose(np.ptp(shapes["egg"], axis=0), (0.02 / 0.4, 0.04 / 0.2), atol=1e-6)


def test_a_slanted_view_shows_what_is_near_larger() -> None:
    slanted = ((0.0, 1.0), (1.0, 1.0), (0.7, 0.2), (0.3, 0.2))
    near = outlines(region(), [Placement("egg", 0.0, -0.08, 0.0)], slanted)["egg"]
    far = outlines(region(), [Placement("egg", 0.0, 0.08, 0.0)], slanted)["egg"]
    assert np.ptp(near, axis=0)[0] > 1.5 * np.ptp(far, axis=0)[0]


@pytest.mark.parametrize("task", ["place_orange", "flip_egg", "open_box", "insert_bills"])
def test_the_papers_four_tasks_can_be_laid_out(task: str) -> None:
    area = load_task(task).region
    assert area.objects
    for seed in range(20):
        placements = draw(area, seed)
        assert set(outlines(area, placements, UNIT)) == {"", *(p.name for p in placements)}
        assert all(p.name in describe(placements) for p in placements)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x_m": (0.1, 0.3)}, "leaves the region, allowed: -0.2 to 0.2 m"),
        ({"x_m": (0.19, 0.2), "y_m": (0.09, 0.1), "within": "ellipse"}, "no drawn place"),
    ],
)
def test_a_region_that_cannot_be_drawn_is_refused(changes: dict[str, Any], said: str) -> None:
    ((key, problem),) = region(**changes).check()
    assert key.startswith("objects[0].") and said in problem


def test_a_range_is_in_order() -> None:
    (thing,) = region(y_m=(0.0, -0.05)).objects
    assert thing.check() == [("y_m", "[0.0, -0.05]: the first number is above the second")]
