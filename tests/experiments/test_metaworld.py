"""Metaworld behind the protocol: layouts, absolute waypoints, parts of q, medium experts, processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from zprl_core.config import BenchmarkConfig, TaskConfig, load_task
from zprl_core.errors import ConfigError, SessionError
from zprl_core.experiments.demonstrations import demonstrate
from zprl_core.experiments.environments.metaworld import CORNER_M, MetaworldEnvironment
from zprl_core.experiments.environments.registry import make_environment, make_expert
from zprl_core.experiments.environments.vector import VectorEnvironment
from zprl_core.experiments.policy import Mode, Place, episodes
from zprl_core.experiments.rollouts import Array, Rollouts, Slot, Start
from zprl_core.experiments.stopwatch import Stopwatch

pytest.importorskip("metaworld", reason="metaworld is not installed: make setup")
OPEN = -1.0


def changed(task: TaskConfig, **values: object) -> TaskConfig:
    assert task.benchmark is not None
    return dataclasses.replace(task, benchmark=dataclasses.replace(task.benchmark, **values))


@pytest.fixture(scope="module")
def task() -> TaskConfig:
    return load_task("push_wall_state")


@pytest.fixture(scope="module")
def environment(task: TaskConfig) -> MetaworldEnvironment:
    return MetaworldEnvironment(task)


def test_a_layout_depends_on_its_seed_alone(environment: MetaworldEnvironment) -> None:
    environment.reset(3)
    first = environment.observe().proprio
    for seed in (4, 5):
        environment.reset(seed)
        for _ in range(30):
            environment.step(np.array([0.1, 0.7, 0.1, 1.0], np.float32))
        assert not np.allclose(environment.observe().proprio, first)
        environment.reset(3)
        np.testing.assert_array_equal(environment.observe().proprio, first)


def test_the_hand_goes_to_the_waypoint_a_centimetre_a_step(environment: MetaworldEnvironment) -> None:
    environment.reset(0)
    start = environment.state()["target_position"].copy()
    goal = start + np.array([0.03, -0.05, 0.0])
    environment.step(np.append(goal, OPEN).astype(np.float32))
    np.testing.assert_allclose(
        environment.state()["target_position"], start + np.array([0.01, -0.01, 0.0]), atol=1e-6
    )
    for _ in range(60):
        step = environment.step(np.append(goal, OPEN).astype(np.float32))
    np.testing.assert_allclose(environment.state()["target_position"], goal, atol=1e-6)
    np.testing.assert_allclose(environment.state()["tool_position"][:2], goal[:2], atol=0.01)
    assert step.reward == 0.0 and not step.success


def test_q_is_what_the_task_names_in_its_order(environment: MetaworldEnvironment) -> None:
    environment.reset(1)
    state, q = environment.state(), environment.observe().proprio
    assert q.shape == (14,) and q.dtype == np.float32
    np.testing.assert_allclose(q[:3], state["tool_position"], atol=1e-6)
    np.testing.assert_allclose(q[-3:], state["goal_position"], atol=1e-6)
    assert np.any(q[-3:] != 0.0), "the goal is seen"


def test_the_paper_s_q_of_nine_is_the_hand_s_pose_and_its_two_fingers() -> None:
    task = load_task("push_wall")
    blind = dataclasses.replace(task, observation=dataclasses.replace(task.observation, cameras=()))
    environment = MetaworldEnvironment(blind)
    environment.reset(0)
    for _ in range(20):
        environment.step(np.array([0.1, 0.7, 0.1, 1.0], np.float32))  # and closes
    state, q = environment.state(), environment.observe().proprio
    assert q.shape == (9,)
    np.testing.assert_allclose(q[:3], state["tool_position"], atol=1e-6)
    assert np.linalg.norm(q[3:7]) == pytest.approx(1.0, abs=1e-5)
    environment.reset(0)
    fingers = environment.observe().proprio[7:]
    assert np.all(np.abs(q[7:] - fingers) > 0.005), "both have moved"


def test_a_picture_is_upright_and_from_where_it_is_said(task: TaskConfig) -> None:
    """The hand, painted red, is where a pinhole camera at CORNER_M that is not upside down sees it."""
    cameras = load_task("push_wall").observation.cameras
    environment = MetaworldEnvironment(
        dataclasses.replace(task, observation=dataclasses.replace(task.observation, cameras=cameras))
    )
    simulator = environment._simulator
    model, hand = simulator.model, {simulator.model.body("hand").id}
    for body in range(model.nbody):  # parents come first
        if model.body_parentid[body] in hand:
            hand.add(body)
    painted = [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] in hand]
    model.geom_matid[:], model.geom_rgba[:, :3] = -1, 0.5
    model.geom_rgba[painted, :3] = (1.0, 0.0, 0.0)
    environment.reset(0)
    picture = environment.observe().images["corner2"].astype(int)
    environment.close()
    rows, columns = np.nonzero(picture[..., 0] - picture[..., 1] > 60)
    assert len(rows) > 20, "the hand is seen"
    data, view = simulator.data, simulator.model.cam("corner2").id
    np.testing.assert_allclose(data.cam_xpos[view], CORNER_M)
    ahead = data.cam_xmat[view].reshape(3, 3).T @ (data.geom_xpos[painted].mean(axis=0) - data.cam_xpos[view])
    focal = 0.5 * 84 / np.tan(0.5 * np.radians(model.cam_fovy[view]))
    x, y = 42 + focal * ahead[0] / -ahead[2], 42 - focal * ahead[1] / -ahead[2]
    assert (columns.mean(), rows.mean()) == pytest.approx((83 - x, 83 - y), abs=6.0)
    assert data.cam_xmat[view].reshape(3, 3)[2, 1] < 0.0, "its own up points down"


def test_parts_of_another_length_are_refused(task: TaskConfig) -> None:
    environment = MetaworldEnvironment(changed(task, proprioception=("tool_position", "tool_quaternion")))
    environment.reset(0)
    with pytest.raises(ConfigError, match=r"proprio_dim is 14, its parts have 7: tool_position 3 \+ tool_q"):
        environment.observe()


def test_an_unknown_part_or_environment_is_refused_with_what_is_known(task: TaskConfig) -> None:
    environment = MetaworldEnvironment(changed(task, proprioception=("tool_positoin",)))
    environment.reset(0)
    with pytest.raises(ConfigError, match="did you mean 'tool_position'"):
        environment.observe()
    with pytest.raises(ConfigError, match=r"Metaworld has no 'push-wal-v3'.*push-wall-v3"):
        make_environment(changed(task, environment="push-wal-v3"))
    with pytest.raises(ConfigError, match="place_orange has no `benchmark` section"):
        make_environment(load_task("place_orange"))


def test_a_dense_reward_is_the_sum_over_repeats(task: TaskConfig) -> None:
    dense = dataclasses.replace(task, dense_reward=True, rl=dataclasses.replace(task.rl, clamp_targets=False))
    twice = dataclasses.replace(dense, action=dataclasses.replace(dense.action, repeat=2))
    way = np.array([0.1, 0.7, 0.1, OPEN], np.float32)
    single, double = MetaworldEnvironment(dense), MetaworldEnvironment(twice)
    for each in (single, double):
        each.reset(0)
    summed = single.step(way).reward + single.step(way).reward
    assert summed > 0.0 and double.step(way).reward == pytest.approx(summed)


@pytest.mark.parametrize("name", ["push_wall_state", "box_close_state"])
def test_the_expert_succeeds_unless_its_aim_is_off(name: str) -> None:
    task = load_task(name)
    assert task.benchmark is not None
    environment, outcomes = make_environment(task), {}
    for share in (0.0, 1.0):
        settings = dataclasses.replace(task.benchmark.demonstrator, flawed_share=share)
        made = changed(task, demonstrator=settings)
        episodes = [demonstrate(environment, made, 7, number) for number in range(6)]
        outcomes[share] = sum(episode.info.success for episode in episodes)
        longest = settings.gives_up_steps
        assert longest is not None and all(len(episode) <= longest for episode in episodes)
        assert {e.info.outcome for e in episodes if len(e) == longest} <= {"failure", "success"}
        assert all(e.info.success for e in episodes if len(e) < longest), "it gives up no sooner"
    assert outcomes[0.0] >= 5 and outcomes[1.0] <= 3, outcomes


def test_a_flaw_needs_all_its_numbers(task: TaskConfig) -> None:
    assert task.benchmark is not None
    settings = dataclasses.replace(task.benchmark.demonstrator, flawed_share=1.0, flaw=(0.1,))
    with pytest.raises(ConfigError, match=r"flaw has 1 numbers, needs 6: object x, m, .*goal z, m"):
        make_expert(changed(task, demonstrator=settings), np.random.default_rng(0))


def test_processes_change_nothing(task: TaskConfig) -> None:
    actions = np.tile(np.array([0.05, 0.7, 0.1, 0.5], np.float32), (4, 1))
    seen = []
    for processes in (0, 2):
        with VectorEnvironment(task, 3, processes) as copies:
            copies.reset({0: 10, 1: 11, 2: 12})
            done = copies.run({0: actions, 2: actions[:1]})
            assert sorted(done) == [0, 2] and done[2].steps == 1
            seen.append([done[0].observation.proprio, done[2].observation.proprio])
            assert list(copies.run({1: actions, 2: actions, 0: actions})) == [1, 2, 0]
    np.testing.assert_array_equal(seen[0], seen[1])


def test_chunks_are_paired_with_their_own_outcome_whatever_ends_first(task: TaskConfig) -> None:
    """Copies end at other times than each other, and the one that ended is the last to be told its chunk."""
    short = dataclasses.replace(task, horizon_steps=12)
    planned: dict[int, list[tuple[int, int, int]]] = {}
    for processes in (0, 2):
        with VectorEnvironment(short, 3, processes) as copies:
            rollouts = Rollouts(copies, short, (Start(number, number) for number in range(7)))
            rollouts.slots[1].steps, found = 8, []
            for executed in episodes(_Still(), rollouts, lambda _: "steer", Stopwatch()):
                for each in executed:
                    assert each.before.episode == each.moved.slot.episode == each.chosen[0]
                    found.append((each.before.episode, each.before.chunk, each.moved.execution.steps))
        planned[processes] = found
    assert planned[0] == planned[2] and len({episode for episode, *_ in planned[0]}) == 7


class _Still:
    """Stands still; chooses the number of the episode."""

    def look(self, slots: Iterable[Slot]) -> dict[int, Place]:
        none = np.zeros(1, np.float32)
        return {slot.copy: Place(slot.episode, slot.chunk, none, none) for slot in slots}

    def plan(self, places: Sequence[Place], modes: Sequence[Mode]) -> tuple[Array, Array]:
        still = np.tile(np.array([0.05, 0.7, 0.1, 0.5], np.float32), (len(places), 4, 1))
        return np.array([[place.episode] for place in places], np.float32), still


def test_what_a_process_refuses_is_told_here(task: TaskConfig) -> None:
    wrong = changed(task, proprioception=("goal",))
    with VectorEnvironment(wrong, 2, 1) as copies, pytest.raises(ConfigError, match="'goal' is no part of"):
        copies.reset({0: 0, 1: 1})


def test_what_goes_wrong_in_a_process_is_told_here_with_its_trace(task: TaskConfig) -> None:
    with VectorEnvironment(task, 1, 1) as copies:
        copies.reset({0: 0})
        with pytest.raises(SessionError, match=r"(?s)a process of simulators failed:\nTraceback.*in step"):
            copies.run({0: np.zeros((1, 0), np.float32)})


def test_a_benchmark_section_says_which_suites_there_are() -> None:
    data = load_task("push_wall_state").to_dict()
    data["benchmark"]["suite"] = "metawolrd"
    with pytest.raises(ConfigError, match="did you mean 'metaworld'"):
        TaskConfig.from_dict(data)
    assert isinstance(load_task("push_wall_state").benchmark, BenchmarkConfig)
