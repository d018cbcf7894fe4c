"""Sizes of pictures, rates, rewards and statistics, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.data.episode import EpisodeInfo
from zprl_core.data.formats.frames import fit
from zprl_core.data.formats.lerobot_stats import histogram, image_stats, vector_stats
from zprl_core.data.formats.signals import dones_of, rewards_of, signal_facts
from zprl_core.data.formats.thinning import stride, thin_dones, thin_rewards
from zprl_core.errors import DataError


def _quadrants(height: int, width: int) -> np.ndarray:
    """(1, h, w, 3): red is 10, 20, 30, 40 in the four quarters."""
    frame = np.zeros((1, height, width, 3), np.uint8)
    frame[0, : height // 2, : width // 2, 0] = 10
    frame[0, : height // 2, width // 2 :, 0] = 20
    frame[0, height // 2 :, : width // 2, 0] = 30
    frame[0, height // 2 :, width // 2 :, 0] = 40
    return frame


def test_resize_scales_each_side_and_crop_keeps_the_proportions() -> None:
    wide = _quadrants(4, 8)
    assert fit(wide, (4, 8), "exact", "front") is wide
    assert fit(wide, (2, 2), "resize", "front")[0, :, :, 0].tolist() == [[10, 20], [30, 40]]
    wide[:, :, :2] = 99  # outside of the middle square
    assert fit(wide, (2, 2), "crop", "front")[0, :, :, 0].tolist() == [[10, 20], [30, 40]]
    assert fit(wide, (2, 2), "resize", "front")[0, 0, 0, 0] > 50


@given(
    height=st.integers(2, 20), width=st.integers(2, 20), to=st.tuples(st.integers(1, 12), st.integers(1, 12))
)
def test_the_size_is_what_was_asked_for(height: int, width: int, to: tuple[int, int]) -> None:
    for how in ("resize", "crop"):
        assert fit(np.zeros((2, height, width, 3), np.uint8), to, how, "front").shape == (2, *to, 3)


def test_pictures_that_are_none_are_named() -> None:
    with pytest.raises(DataError, match=r"front: is 4x8 pixels \(height x width\), the task's camera 8x4"):
        fit(_quadrants(4, 8), (8, 4), "exact", "front")
    with pytest.raises(DataError, match="channels first"):
        fit(np.zeros((2, 3, 8, 8), np.uint8), (8, 8), "exact", "front")
    with pytest.raises(
        DataError, match=r"is uint8 \(2, 8, 8, 4\), must be uint8 \(T, height, width, 3\) RGB"
    ):
        fit(np.zeros((2, 8, 8, 4), np.uint8), (8, 8), "resize", "front")


def test_a_rate_is_the_same_a_whole_multiple_or_refused() -> None:
    assert stride(20.0, 20.0, False, "x") == 1
    assert stride(29.99, 30.0, False, "x") == 1
    assert stride(60.0, 20.0, True, "x") == 3
    with pytest.raises(DataError, match="x: has 60 Hz, the task 20 Hz; --thin keeps every 3th tick"):
        stride(60.0, 20.0, False, "x")
    for source in (30.0, 10.0, 1.0):
        with pytest.raises(DataError, match="no whole multiple of the task's 20 Hz"):
            stride(source, 20.0, True, "x")


def test_rewards_are_summed_and_dones_kept_where_ticks_go() -> None:
    rewards = np.array([1, 2, 3, 4, 5.0])
    assert thin_rewards(rewards, 2).tolist() == [3, 7, 5]
    assert thin_dones(np.array([0, 1, 0, 0, 0]), 2).tolist() == [True, False, False]


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12), st.data())
def test_signals_come_back_from_facts(values: list[float], data: st.DataObject) -> None:
    rewards = np.array(values, dtype=np.float32)
    dones = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    info = EpisodeInfo(length=len(values), facts=signal_facts(rewards, dones))
    np.testing.assert_array_equal(rewards_of(info), rewards)
    np.testing.assert_array_equal(dones_of(info), dones)


def test_without_signals_the_outcome_makes_them() -> None:
    success = EpisodeInfo(length=3, outcome="success")
    assert rewards_of(success).tolist() == [0, 0, 1] and dones_of(success).tolist() == [False, False, True]
    horizon = replace(success, outcome="horizon")
    assert rewards_of(horizon).tolist() == [0, 0, 0] and not dones_of(horizon).any()


def test_statistics_by_hand() -> None:
    stats = vector_stats(np.array([[0.0, 1.0], [4.0, 1.0]]))
    assert (stats["min"], stats["max"], stats["mean"], stats["std"]) == ([0, 1], [4, 1], [2, 1], [2, 0])
    assert (stats["q50"], stats["count"]) == ([2, 1], [2])
    frames = np.zeros((2, 1, 2, 3), np.uint8)
    frames[0, 0, 0] = (255, 51, 0)
    image = image_stats(histogram(frames), 2)
    assert np.ravel(image["mean"]).tolist() == pytest.approx([0.25, 0.05, 0.0])
    assert np.ravel(image["max"]).tolist() == [1.0, 0.2, 0.0]
    assert np.ravel(image["min"]).tolist() == [0.0, 0.0, 0.0]
    assert np.ravel(image["q50"]).tolist() == [0.0, 0.0, 0.0]
    assert np.ravel(image["q90"]).tolist() == [1.0, 0.2, 0.0]
    assert np.ravel(image["std"])[0] == pytest.approx(np.std([1, 0, 0, 0]))
