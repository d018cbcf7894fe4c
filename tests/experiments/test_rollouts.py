"""Episodes over copies: numbered in order, cut at the horizon, ended by success."""

from __future__ import annotations

import numpy as np
import pytest

from tests.experiments.point import Point, Points, small_task
from zprl_core.experiments.environments.vector import execute
from zprl_core.experiments.motion import motion_of
from zprl_core.experiments.rollouts import Rollouts, Start


def chunk(x: float, steps: int = 2) -> np.ndarray:
    return np.tile(np.array([x, 0.0, 0.0, 0.0], np.float32), (steps, 1))


def test_copies_take_the_episodes_in_order_and_stop_when_there_are_none() -> None:
    task = small_task(horizon_steps=3)
    rollouts = Rollouts(Points(2), task, (Start(10 + n, n) for n in range(3)))
    assert {copy: slot.episode for copy, slot in rollouts.slots.items()} == {0: 10, 1: 11}
    first = rollouts.step({0: chunk(0.0), 1: chunk(0.0)})
    assert [(m.slot.steps, m.slot.chunk, m.finished) for m in first] == [(2, 1, None), (2, 1, None)]
    second = rollouts.step({0: chunk(0.0), 1: chunk(0.0)})
    assert [m.execution.steps for m in second] == [1, 1], "the horizon cuts the chunk"
    assert [m.finished and (m.finished.episode, m.finished.success, m.finished.steps) for m in second] == [
        (10, False, 3),
        (11, False, 3),
    ]
    assert {copy: slot.episode for copy, slot in rollouts.slots.items()} == {0: 12}
    for _ in range(2):
        rollouts.step({0: chunk(0.0)})
    assert rollouts.slots == {}


def test_success_ends_an_episode_inside_a_chunk_and_repeats_count_as_steps() -> None:
    task = small_task(horizon_steps=12, action__repeat=3)
    points = Points(1)
    rollouts = Rollouts(points, task, iter([Start(0, 5), Start(1, 6)]))
    points.copies[0].place = np.array([0.79, 0.0, 0.0])
    (moved,) = rollouts.step({0: chunk(1.0)})
    assert moved.execution.steps == 1 and moved.execution.success and moved.execution.reward == 1.0
    assert moved.finished and moved.finished.steps == 3 and moved.finished.reward == 1.0
    assert rollouts.slots[0].episode == 1 and rollouts.slots[0].chunk == 0


def test_with_a_dense_reward_an_episode_goes_on_after_success() -> None:
    point, way = Point(), np.array([[0.9, 0, 0, 0], [1.0, 0, 0, 0], [0.5, 0, 0, 0]], np.float32)
    point.place = np.array([0.8, 0.0, 0.0])
    dense = execute(point, way, dense=True)
    assert (dense.success, dense.over, dense.steps, dense.reward) == (True, False, 3, 1.0)
    point.place = np.array([0.8, 0.0, 0.0])
    sparse = execute(point, way)
    assert (sparse.success, sparse.over, sparse.steps, sparse.reward) == (True, True, 2, 1.0)


def test_the_tool_s_velocity_and_acceleration_by_hand() -> None:
    task = small_task()  # 80 Hz
    actions = np.zeros((4, 4), np.float32)
    actions[:, 0] = [0.0, 0.1, 0.3, 0.3]
    found = motion_of(actions, task)
    assert found is not None
    assert found.velocity == pytest.approx((0.1 + 0.2 + 0.0) / 3 * 80, rel=1e-6)
    assert found.acceleration == pytest.approx((0.1 + 0.2) / 2 * 80**2, rel=1e-6)
    assert motion_of(actions[:2], task) is None
