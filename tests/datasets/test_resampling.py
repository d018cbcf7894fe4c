# SPDX-License-Identifier: Apache-2.0
"""Streams to ticks: by hand, and what holds for any stream."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.config import load_rig, load_task
from zprl_core.data.recording import Recording, RunningEpisode, SessionEvent, Stream, running_episodes
from zprl_core.data.resampling import filled, resample, setpoints_at, ticks
from zprl_core.grid import TickGrid
from zprl_core.observation import snapshots

MS, SECOND = 1_000_000, 1_000_000_000
TASK = load_task("place_orange_demo")
RIG = load_rig("sim_xarm6")


def stream(stamps_ns: list[int], rows: NDArray[np.float64], topic: str = "/t") -> Stream:
    stamps = np.array(stamps_ns, np.int64)
    return Stream(topic, stamps, stamps + 5 * MS, list(rows))


def rows_of(positions: list[float], turn: float = 0.0) -> NDArray[np.float64]:
    """Setpoints at these x, turning about z by `turn` from one to the next."""
    turns = np.zeros((len(positions), 3))
    turns[:, 2] = turn * np.arange(len(positions))
    rows = np.zeros((len(positions), 8))
    rows[:, 0], rows[:, 7] = positions, 0.1 * np.array(positions)
    rows[:, 3:7] = transforms.quaternion_from_rotvec(turns)
    return rows


def test_setpoints_by_hand() -> None:
    """A quarter of the way is a quarter of the position, of the turn and of the width."""
    given_at = stream([0, 100 * MS], rows_of([1.0, 2.0], turn=0.8))
    found, gap_s = setpoints_at(given_at, np.array([25 * MS, 100 * MS, 130 * MS, -1 * MS]))
    assert found[:, 0].tolist() == pytest.approx([1.25, 2.0, 2.0, 1.0])
    assert found[:, 7].tolist() == pytest.approx([0.125, 0.2, 0.2, 0.1])
    turned = transforms.rotvec_from_quaternion(found[:, 3:7])[:, 2]
    assert turned.tolist() == pytest.approx([0.2, 0.8, 0.8, 0.0])
    assert gap_s.tolist() == pytest.approx([0.1, 0.0, 0.03, np.inf])


def test_each_arm_has_its_own_setpoints() -> None:
    """Two arms: the first along x with 0.1 m/s, the second where it is; seven numbers each."""
    arms = tuple(replace(RIG.arms[0], name=name) for name in ("left", "right"))
    action = replace(TASK.action, arms=2, dim=14)
    task = replace(TASK, action=action, observation=replace(TASK.observation, max_age_s=0.1))
    at = [n * 10 * MS for n in range(101)]
    camera = stream(at, np.zeros((101, 7)))
    moving, still = rows_of([0.001 * n for n in range(101)]), rows_of([0.5] * 101)
    recording = Recording(
        Path("bag"),
        {},
        replace(RIG, arms=arms),
        {"third_view": replace(camera, samples=[np.zeros((2, 2, 3), np.uint8)] * 101)},
        camera,
        {"left": stream(at, moving), "right": stream(at, still)},
        (),
    )
    found = resample(recording, RunningEpisode(0, ((0, SECOND),)), task, hold=False)
    ends_s = (found.stamp_ns + SECOND / 30) / SECOND
    np.testing.assert_allclose(found.action[:, 0], 0.1 * ends_s, atol=1e-6)
    np.testing.assert_allclose(found.action[:, 7], 0.5, atol=1e-6)
    np.testing.assert_allclose(found.action[:, 13], 0.05, atol=1e-6)
    assert found.action.shape == (30 - 4, 14)


def test_a_turn_goes_the_short_way_whatever_the_sign() -> None:
    rows = rows_of([0.0, 0.0], turn=0.4)
    rows[1, 3:7] *= -1.0
    found, _ = setpoints_at(stream([0, 100 * MS], rows), np.array([50 * MS]))
    assert transforms.rotvec_from_quaternion(found[0, 3:7])[2] == pytest.approx(0.2)


stamps = st.lists(st.integers(0, 2 * SECOND), min_size=1, max_size=20, unique=True).map(sorted)


@given(stamps, st.lists(st.integers(-SECOND, 3 * SECOND), min_size=1, max_size=20), st.randoms())
def test_between_setpoints_it_is_linear_in_any_order_of_arrival(
    at: list[int], asked: list[int], random: Random
) -> None:
    positions = np.sin(np.array(at) / SECOND)
    mixed = list(range(len(at)))
    random.shuffle(mixed)
    rows = rows_of(positions.tolist())
    found, gap_s = setpoints_at(stream([at[n] for n in mixed], rows[mixed]), np.array(asked))
    np.testing.assert_allclose(found[:, 0], np.interp(asked, at, positions), atol=1e-9)
    assert (gap_s[np.isin(asked, at)] == 0.0).all()
    assert np.isinf(gap_s[np.array(asked) < at[0]]).all()


@given(st.integers(0, 10 * SECOND), st.integers(0, 5 * SECOND), st.sampled_from([10.0, 29.97, 30.0]))
def test_every_tick_lies_in_its_episode(begin_ns: int, length_ns: int, rate_hz: float) -> None:
    task, grid = replace(TASK, rate_hz=rate_hz), TickGrid(rate_hz)
    end_ns = begin_ns + length_ns
    found = ticks(RunningEpisode(0, ((begin_ns, end_ns),)), task)
    assert found == list(range(found[0], found[0] + len(found))) if found else True
    for tick in found:
        assert grid.at(tick) >= begin_ns + task.observation.max_age_s * SECOND
        assert grid.at(tick + 1) <= end_ns
    if found:
        assert grid.at(found[-1] + 2) > end_ns


@given(st.lists(st.integers(0, 300), min_size=40, max_size=60, unique=True).map(sorted), st.integers(0, 60))
def test_two_steps_are_the_snapshots_of_two_ticks(at: list[int], delay_ms: int) -> None:
    """A dataset holds single observations; training joins them to the history that the policy node takes."""
    camera = replace(RIG.cameras[0], delay_s=delay_ms / 1e3)
    rig = replace(RIG, cameras=(camera,), proprioception_delay_s=delay_ms / 1e3)
    patient = replace(TASK, observation=replace(TASK.observation, steps=2, max_age_s=5.0))
    images = [np.full((2, 2, 3), n % 256, np.uint8) for n in at]
    vectors = stream([n * 7 * MS for n in at], np.array([[float(n)] * 7 for n in at]))
    pictures = replace(vectors, samples=images)
    recording = Recording(Path("bag"), {}, rig, {camera.name: pictures}, vectors, {}, ())
    single = filled(recording, patient)
    both = snapshots(rig, patient, lockstep=False, capacity=100)
    for stamp, image, vector in zip(vectors.stamp_ns.tolist(), images, vectors.samples, strict=True):
        both.add_image(camera.name, stamp, image)
        both.add_proprioception(stamp, vector)
    for tick in (30, 50, 70):
        stamp = TickGrid(30).at(tick)
        seen, before = both.snapshot(stamp), stamp - round(SECOND / 30)
        alone = [single.snapshot(each) for each in (before, stamp)]
        for step in range(2):
            np.testing.assert_array_equal(seen.images[camera.name][step], alone[step].images[camera.name][0])
            np.testing.assert_array_equal(seen.proprioception[step], alone[step].proprioception[0])


def events(*named: tuple[str, int, str]) -> list[SessionEvent]:
    """A second apart: (state, episode, outcome)."""
    return [
        SessionEvent(state, number, n, n + 1, outcome) for n, (state, number, outcome) in enumerate(named)
    ]


def test_when_episodes_ran() -> None:
    found = running_episodes(
        events(
            ("resetting", 3, ""),
            ("running", 3, ""),
            ("running", 3, ""),
            ("paused", 3, ""),
            ("running", 3, ""),
            ("labelled", 3, "success"),
            ("judging", 3, ""),
            ("labelled", 3, "failure"),
            ("resetting", 4, ""),
            ("running", 4, ""),
        ),
        end_ns=99,
    )
    assert found == [
        RunningEpisode(3, ((1, 3), (4, 5)), "failure"),
        RunningEpisode(4, ((9, 99),), ""),
    ]


def test_an_episode_that_follows_at_once() -> None:
    found = running_episodes(events(("running", 0, ""), ("running", 1, ""), ("labelled", 1, "success")), 9)
    assert [each.intervals for each in found] == [((0, 1),), ((1, 2),)]


def test_an_outcome_that_was_taken_back_is_none() -> None:
    (found,) = running_episodes(events(("running", 0, ""), ("labelled", 0, "success"), ("judging", 0, "")), 9)
    assert found.outcome == ""
