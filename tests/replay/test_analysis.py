# SPDX-License-Identifier: Apache-2.0
"""What replayed chunks say, by hand: distances of actions, values, calibration, what is out of distribution,
and what the report does not conclude.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.replay import made
from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig
from zprl_core.data.recording import RunningEpisode
from zprl_core.planned import Plan
from zprl_core.replay import figures
from zprl_core.replay.analysis import (
    UNKNOWN,
    ActionError,
    ChunkRow,
    action_error,
    at_least,
    calibration,
    differences,
    episode_rows,
    mean,
    value_that_followed,
)
from zprl_core.replay.episodes import Moment, ReplayEpisode
from zprl_core.replay.plans import Planned
from zprl_core.replay.summary import FEW, Comparison, PolicyResult, described, summarised

ROW = ChunkRow(
    source="bag",
    episode=0,
    chunk=0,
    block="base_c",
    recorded_mode="base_c",
    outcome="success",
    mode="steer",
    at_s=0.0,
    error=UNKNOWN,
    dz_rms=0.0,
    scale=1.0,
    rms_ratio=0.0,
    mahalanobis=0.5,
    displacement=0.0,
    mahalanobis_z=0.5,
    q=(),
    value=math.nan,
    inference_s=0.01,
    same_c=None,
    same_actions=None,
    difference=math.nan,
)


def codec(**more: object) -> ActionCodec:
    """Poses by a rotation vector, one arm with a gripper."""
    return ActionCodec.from_config(task(**more).action)


def task(**more: object) -> TaskConfig:
    """With chunks of two waypoints."""
    small = made.task()
    return replace(small, action=replace(small.action, chunk=2, **more))  # type: ignore[arg-type]


def test_distances_of_poses() -> None:
    """3 and 4 mm apart in x and y, then not at all; a tenth of a radian about z; 10 and 30 mm of gripper."""
    own = np.zeros((2, 7))
    other = own.copy()
    other[0, :2] = 0.003, 0.004
    other[0, 5] = 0.1
    other[:, 6] = 0.01, 0.03
    found = action_error(codec(), own, other)
    assert (found.position_m, found.position_max_m) == pytest.approx((0.0025, 0.005), abs=1e-7)
    assert (found.rotation_rad, found.rotation_max_rad) == pytest.approx((0.05, 0.1), abs=1e-6)
    assert (found.gripper_m, found.gripper_max_m) == pytest.approx((0.02, 0.03), abs=1e-7)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=14, max_size=14), st.integers(0, 99))
def test_a_distance_is_symmetric_and_zero_to_itself(numbers: list[float], seed: int) -> None:
    a = np.array(numbers).reshape(2, 7)
    b = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 7))
    assert vars(action_error(codec(), a, b)) == pytest.approx(vars(action_error(codec(), b, a)), abs=1e-6)
    assert list(vars(action_error(codec(), a, a)).values()) == pytest.approx([0.0] * 6, abs=1e-3)


def test_without_a_gripper_nothing_is_known_of_it() -> None:
    found = action_error(codec(dim=6, gripper=False), np.zeros((2, 6)), np.full((2, 6), 0.01))
    assert found.position_m == pytest.approx(0.01 * math.sqrt(3.0)) and math.isnan(found.gripper_m)


def test_two_arms_are_two_tools() -> None:
    """The second arm is 20 mm off all the time: 10 mm on average over both."""
    own = np.zeros((2, 14))
    other = own.copy()
    other[:, 7] = 0.02
    found = action_error(codec(dim=14, arms=2), own, other)
    assert (found.position_m, found.position_max_m) == pytest.approx((0.01, 0.02))
    assert found.rotation_rad == pytest.approx(0.0, abs=1e-6)


def test_actions_that_are_no_poses() -> None:
    found = action_error(
        codec(dim=3, rotation="none", gripper=False), np.zeros((2, 3)), [[3, 4, 0], [0, 0, 0]]
    )
    assert (found.position_m, found.position_max_m) == (2.5, 5.0)
    assert math.isnan(found.rotation_rad) and math.isnan(found.gripper_m)


@pytest.mark.parametrize(("outcome", "expected"), [("success", [0.81, 0.9, 1.0]), ("failure", [0.0] * 3)])
def test_the_value_that_followed(outcome: str, expected: list[float]) -> None:
    moments = tuple(Moment(chunk, 0, 0) for chunk in range(3))
    running = RunningEpisode(0, ((0, 1),), outcome=outcome)
    episode = ReplayEpisode("bag", running, moments, None, last_chunk=2)
    assert [value_that_followed(episode, chunk, 0.9) for chunk in range(3)] == pytest.approx(expected)
    cut = replace(episode, moments=moments[:1])  # by a hole in a stream; the reward came as late
    assert value_that_followed(cut, 0, 0.9) == pytest.approx(expected[0])
    late = replace(episode, running=replace(running, outcome="horizon"))
    assert math.isnan(value_that_followed(late, 0, 0.9))


def chunks(distances: list[float], **more: object) -> list[ChunkRow]:
    """An episode whose z lie so far away."""
    return [
        replace(ROW, chunk=number, mahalanobis_z=distance, **more)  # type: ignore[arg-type]
        for number, distance in enumerate(distances)
    ]


@pytest.mark.parametrize(
    ("far", "of", "flagged"),
    [(0, 5, False), (1, 1, True), (1, 2, True), (1, 3, False), (1, 10, False), (2, 24, True), (2, 25, False)],
)
def test_where_out_of_distribution_begins(far: int, of: int, flagged: bool) -> None:
    """One of n is surely more than 1 % while 1 - 0.99**n < 0.025: up to n = 2. Distance 1 is not beyond."""
    (row,) = episode_rows(chunks([1.0001] * far + [1.0] * (of - far)))
    assert (row.far, row.out_of_distribution) == (far, flagged)


def test_ordinary_episodes_are_rarely_flagged() -> None:
    """Of episodes with 1 % of their latents beyond, at most 2.5 % are, however long they are."""
    for length in (1, 5, 8, 10, 30, 100):
        chance = sum(
            math.comb(length, far) * 0.01**far * 0.99 ** (length - far)
            for far in range(length + 1)
            if at_least(far, length) > 0.01
        )
        assert chance <= 0.025, length


def test_episodes_are_in_the_order_of_their_distance() -> None:
    rows = [
        *chunks([0.2, 0.4], episode=1),
        *chunks([0.9, math.nan], episode=2),
        *chunks([2.0, 2.0], episode=3),
        *chunks([math.nan], episode=4),
    ]
    found = episode_rows(rows)
    assert [row.episode for row in found] == [3, 2, 1, 4]
    assert [row.out_of_distribution for row in found] == [True, None, False, None]
    assert found[2].distance == pytest.approx(0.3) and math.isnan(found[3].distance)


def test_means_of_what_is_known() -> None:
    assert mean([1.0, math.nan, 3.0]) == 2.0 and math.isnan(mean([])) and math.isnan(mean([math.nan]))


def valued(episodes: int, each: int = 4) -> list[ChunkRow]:
    """Every second episode succeeds; Q rises with the episode."""
    return [
        replace(ROW, episode=number, chunk=chunk, q=(number - 0.5, number + 0.5), value=float(number % 2))
        for number in range(episodes)
        for chunk in range(each)
    ]


def test_calibration_by_hand() -> None:
    """Two bins of eight chunks from two episodes each, one of which succeeded: 0.5, give or take 0.5 - over
    episodes, not over chunks, which would give 0.19.
    """
    low, high = calibration(valued(4), bins=2)
    assert (low.low, low.high, high.low, high.high) == (0.0, 1.0, 2.0, 3.0)
    assert (low.chunks, low.episodes, low.q, low.value) == (8, 2, 0.5, 0.5)
    assert low.error == pytest.approx(0.5)  # std([0, 1], ddof=1) / sqrt(2)


def test_calibration_of_little() -> None:
    (one,) = calibration(valued(1), bins=1)
    assert math.isnan(one.error) and one.episodes == 1
    assert calibration([]) == [] and calibration([replace(ROW, q=(1.0,))]) == []  # no outcome
    assert calibration([replace(ROW, value=1.0)]) == []  # no critics
    assert [each.chunks for each in calibration(valued(1, 3))] == [1, 1, 1]  # never an empty bin


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 12))
def test_calibration_loses_no_chunk(episodes: int, each: int, bins: int) -> None:
    found = calibration(valued(episodes, each), bins)
    assert sum(part.chunks for part in found) == episodes * each
    assert all(a.high <= b.low for a, b in itertools.pairwise(found))


def planned(chunk: int, x: float) -> Planned:
    """A plan that stays at (x, 0, 0)."""
    actions = np.zeros((2, 7), np.float32)
    actions[:, 0] = x
    none = np.zeros(4, np.float32)
    return Planned("bag", 0, chunk, "steer", Plan(none, none, none, none, actions, actions), 0.01)


def test_differences_are_of_chunks_that_both_planned() -> None:
    own, others = [planned(0, 0.0), planned(1, 0.0)], [planned(1, 0.01), planned(2, 0.5)]
    rows = [replace(ROW, chunk=1, q=(1.0, 3.0))]
    (found,) = differences(task(), own, others, rows, [])
    assert (found.chunk, found.q) == (1, 2.0) and math.isnan(found.other_q)
    assert found.error.position_m == pytest.approx(0.01)


def result(rows: list[ChunkRow], name: str = "run") -> PolicyResult:
    return PolicyResult(name, rows, episode_rows(rows), calibration(rows))


def test_what_cannot_be_concluded_is_said() -> None:
    text = described([result([])], [], [])
    assert "Nothing was planned, so nothing can be said" in text and "not known" in text
    text = described([result(chunks([math.nan]))], [], ["a note"])
    assert "no distribution of its offline latents" in text and "has no critics" in text
    assert "do not hold what was planned then" in text and "- a note" in text
    text = described([result(valued(FEW - 1))], [], [])
    assert f"{FEW - 1} episodes with a success or a failure: too few" in text and "mean Q" not in text
    text = described([result([])], [Comparison("a", "b", [])], [])
    assert "No chunk was planned by both." in text
    assert "nan" not in text


def test_what_can_be_concluded_is_said() -> None:
    known = ActionError(0.002, 0.004, 0.1, 0.2, math.nan, math.nan)
    rows = [replace(row, error=known, same_c=True, same_actions=True, difference=0.0) for row in valued(FEW)]
    text = described([result(rows)], [], [])
    assert "2 (p95 2)" in text and "5.73 (p95 5.73)" in text and "mean Q" in text and "| not known |" in text
    assert f"Of {4 * FEW} chunks whose plan was recorded, {4 * FEW} have the same embedding" in text
    assert "0 of 20 episodes look unlike the demonstrations" in text


def test_a_bin_of_one_episode_has_no_error() -> None:
    alone = valued(10 * FEW, 1)
    bins = calibration(alone, bins=10 * FEW)
    shown = described([PolicyResult("run", alone, episode_rows(alone), bins)], [], [])
    assert "± not known" in shown and "nan" not in shown


def test_plain_data_is_json() -> None:
    data = summarised([result(chunks([2.0] * 3)), result([], "other")], [Comparison("a", "b", [])])
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["policies"]["run"]["out_of_distribution"] == ["bag#0"]
    assert data["policies"]["other"]["against_executed"]["position_m"] is None


def test_the_figure_of_everything_and_of_nothing(tmp_path: Path) -> None:
    known = ActionError(0.002, 0.004, 0.1, 0.2, math.nan, math.nan)
    outcomes = ("success", "failure", "horizon", "")
    full = [
        replace(row, error=known, outcome=outcomes[row.episode % 4], at_s=0.5 * row.chunk)
        for row in valued(FEW)
    ]
    figures.draw([result(full), result([], "nothing")], tmp_path / "replay.png")
    assert (tmp_path / "replay.png").stat().st_size > 10_000
    looks = {(figures.OUTCOMES[outcome], figures.MARKERS[outcome]) for outcome in outcomes}
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 4
