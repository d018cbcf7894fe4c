# SPDX-License-Identifier: Apache-2.0
"""Adroit behind the protocol: layouts, joint targets, rewards, proprioception, the door's demonstrator."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip(
    "gymnasium_robotics", reason="Adroit needs gymnasium_robotics: see environments/packages.py"
)

from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import ConfigError
from zprl_core.experiments.demonstrations import demonstrate
from zprl_core.experiments.environments import adroit_arm
from zprl_core.experiments.environments.adroit import AdroitEnvironment
from zprl_core.experiments.environments.adroit_expert import make_expert

TASKS = ("door_state", "hammer_state", "pen_state")


@pytest.fixture(scope="module", params=TASKS)
def environment(request: pytest.FixtureRequest) -> Iterator[AdroitEnvironment]:
    made = AdroitEnvironment(load_task(request.param))
    yield made
    made.close()


@pytest.fixture(scope="module")
def door() -> Iterator[AdroitEnvironment]:
    made = AdroitEnvironment(load_task("door_state"))
    yield made
    made.close()


def changed(task: TaskConfig, **demonstrator: object) -> TaskConfig:
    assert task.benchmark is not None
    settings = replace(task.benchmark.demonstrator, **demonstrator)
    return replace(task, benchmark=replace(task.benchmark, demonstrator=settings))


def clean(task: TaskConfig) -> TaskConfig:
    return changed(task, flawed_share=0.0, noise=0.0)


def rollout(environment: AdroitEnvironment, seed: int, waypoints: int = 10) -> list[np.ndarray]:
    environment.reset(seed)
    rng, seen = np.random.default_rng(0), [environment.observe().proprio]
    for _ in range(waypoints):
        environment.step(environment.targets.from_raw(rng.uniform(-1, 1, environment.targets.half.size)))
        seen.append(environment.observe().proprio)
    return seen


def test_a_layout_depends_on_its_seed_alone(environment: AdroitEnvironment) -> None:
    first = rollout(environment, 5)
    other = rollout(environment, 6)
    again = rollout(environment, 5)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


def test_a_fresh_simulator_lays_out_the_same(door: AdroitEnvironment) -> None:
    rollout(door, 8)
    fresh = AdroitEnvironment(load_task("door_state"))
    np.testing.assert_array_equal(rollout(fresh, 5), rollout(door, 5))


def test_a_target_is_an_affine_map_of_gymnasiums_action(door: AdroitEnvironment) -> None:
    target = door.targets.from_raw(np.zeros(28))
    # ARTz: control -0.3..0.5, rests at 500 / 200 of it: -0.75..1.25 m. FFJ2: 0..1.6 rad at gain 1.
    assert target[[0, 7]] == pytest.approx([0.25, 0.8])
    target[[0, 7]] = 0.75, 1.2
    raw = door.targets.to_raw(target)
    assert raw[[0, 7]] == pytest.approx([0.5, 0.5])
    assert raw[[1, 8]] == pytest.approx([0.0, 0.0])
    target[0] = 2.0
    assert door.targets.to_raw(target)[0] == 1.0


def test_targets_there_and_back(environment: AdroitEnvironment) -> None:
    raw = np.random.default_rng(0).uniform(-1, 1, environment.targets.half.size)
    np.testing.assert_allclose(environment.targets.to_raw(environment.targets.from_raw(raw)), raw, atol=1e-12)


def test_joints_reach_their_targets_in_free_space(door: AdroitEnvironment) -> None:
    door.reset(0)
    target = np.zeros(28)
    target[[0, 2, 3, 4, 5]] = -0.1, 0.1, 0.3, -0.2, 0.2  # back from the door; ARRx carries the arm's weight
    target[[7, 8, 9, 23, 24]] = 0.5, 0.3, 0.3, 0.4, 0.5  # one finger, the thumb
    for _ in range(200):
        door.step(target.astype(np.float32))
    miss = door.state()["joint_angles"] - target
    assert np.abs(np.delete(miss, 1)).max() < 0.05
    assert abs(miss[1]) < 0.15


def test_a_waypoint_earns_both_of_its_control_steps() -> None:
    task = load_task("door_state")
    assert task.action.repeat == 2
    once = AdroitEnvironment(replace(task, action=replace(task.action, repeat=1)))
    twice = AdroitEnvironment(task)
    once.reset(3)
    twice.reset(3)
    waypoint = twice.targets.from_raw(np.full(28, 0.2))
    by_hand = 0.0
    for _ in range(2):
        step = once.step(waypoint)
        state, data = once.state(), once._data
        earned = 0.1 * np.linalg.norm(state["palm_to_handle"]) - 0.1 * (state["hinge_angle"][0] - 1.57) ** 2
        earned -= 1e-5 * np.sum(data.qvel**2)
        assert step.reward == pytest.approx(earned)
        by_hand += earned
    assert twice.step(waypoint).reward == pytest.approx(by_hand)
    np.testing.assert_array_equal(once.observe().proprio, twice.observe().proprio)


def test_without_dense_reward_only_success_pays() -> None:
    environment = AdroitEnvironment(replace(load_task("door_state"), dense_reward=False))
    environment.reset(0)
    assert environment.step(environment.targets.from_raw(np.zeros(28))).reward == 0.0
    environment._data.joint("door_hinge").qpos[:] = 1.5
    step = environment.step(environment.targets.from_raw(np.zeros(28)))
    assert (step.success, step.reward) == (True, 1.0)


SEEN = """
import numpy as np
from zprl_core.config import load_task
from zprl_core.experiments.environments.adroit import AdroitEnvironment
environment = AdroitEnvironment(load_task("door"))
environment.reset(0)
environment.step(environment.targets.from_raw(np.full(28, 0.3)))
seen, joints = environment.observe(), environment.state()["joint_angles"]
np.testing.assert_array_equal(seen.proprio, joints[4:].astype(np.float32))
image = seen.images["vil_camera"]
assert (image.shape, image.dtype) == ((84, 84, 3), np.uint8)
assert image.std() > 10
environment.close()
"""


def test_q_is_the_hands_angles_and_a_view_is_an_image() -> None:
    # a process of its own: MuJoCo chooses how to render when it is imported, which another test may have done
    environment = os.environ | {"MUJOCO_GL": "egl"}
    subprocess.run([sys.executable, "-c", SEEN], env=environment, check=True, timeout=60)


def test_a_task_from_state_renders_nothing(environment: AdroitEnvironment) -> None:
    environment.reset(0)
    seen = environment.observe()
    assert not seen.images
    assert np.isfinite(seen.proprio).all()


def test_proprioception_of_another_length_is_refused() -> None:
    task = load_task("door_state")
    environment = AdroitEnvironment(replace(task, observation=replace(task.observation, proprio_dim=44)))
    environment.reset(0)
    with pytest.raises(ConfigError, match=r"proprio_dim is 44, its parts have 45: arm_angles 4 \+ hand"):
        environment.observe()


def test_an_unknown_environment_is_refused() -> None:
    task = load_task("door_state")
    assert task.benchmark is not None
    with pytest.raises(ConfigError, match=r"no Adroit task 'AdroitHandDor-v1'.*AdroitHandDoor-v1"):
        AdroitEnvironment(replace(task, benchmark=replace(task.benchmark, environment="AdroitHandDor-v1")))


def test_an_action_of_another_length_is_refused() -> None:
    task = load_task("door_state")
    with pytest.raises(ConfigError, match=r"action.dim is 26, AdroitHandDoor-v1 has 28 actuators"):
        AdroitEnvironment(replace(task, action=replace(task.action, dim=26)))


def test_the_experts_kinematics_are_the_simulators(door: AdroitEnvironment) -> None:
    rollout(door, 1, 1)
    import mujoco

    rng = np.random.default_rng(0)
    for _ in range(20):
        door._data.qpos[:28] = rng.uniform(-0.3, 0.3, 28)
        mujoco.mj_forward(door._model, door._data)
        state = door.state()
        joints = state["joint_angles"][:6]
        np.testing.assert_allclose(adroit_arm.palm(joints), state["palm_position"], atol=1e-9)
        found = adroit_arm.reach(state["palm_position"], joints[3], joints[4:6])
        np.testing.assert_allclose(found, joints[:3], atol=1e-9)


def test_the_experts_limits_are_the_actuators(door: AdroitEnvironment) -> None:
    np.testing.assert_allclose(door.targets.from_raw(np.full(28, -1.0)), adroit_arm.LOW, atol=1e-3)
    np.testing.assert_allclose(door.targets.from_raw(np.full(28, 1.0)), adroit_arm.HIGH, atol=1e-3)


def play(environment: AdroitEnvironment, task: TaskConfig, seed: int) -> bool:
    environment.reset(seed)
    expert = make_expert(task, np.random.default_rng(seed))
    steps = (environment.step(expert.act(environment.state())) for _ in range(task.horizon_steps))
    return any(step.success for step in steps)


def test_the_clean_expert_opens_the_door(door: AdroitEnvironment) -> None:
    task = clean(load_task("door_state"))
    assert sum(play(door, task, seed) for seed in range(10)) >= 8


def test_an_expert_that_aims_too_short_and_too_low_mostly_fails(door: AdroitEnvironment) -> None:
    task = changed(load_task("door_state"), flawed_share=1.0, flaw=(0.0, -0.06, -0.07), flaw_spread=0.0)
    assert sum(play(door, task, seed) for seed in range(10)) <= 3


def test_a_demonstration_goes_on_after_success_as_episodes_of_a_dense_reward_do(
    door: AdroitEnvironment,
) -> None:
    task = clean(load_task("door_state"))
    shown = [demonstrate(door, task, 0, number) for number in range(3)]
    assert any(each.info.success for each in shown)
    assert all(len(each) == task.horizon_steps for each in shown)


def test_a_share_of_the_episodes_is_flawed(door: AdroitEnvironment) -> None:
    door.reset(0)
    state, task = door.state(), changed(load_task("door_state"), flawed_share=0.5, flaw_spread=0.0, noise=0.0)
    aims = {make_expert(task, np.random.default_rng(seed)).act(state).tobytes() for seed in range(20)}
    assert len(aims) == 2  # the flaw is the same in all that have one


def test_the_expert_answers_the_state_alone(door: AdroitEnvironment) -> None:
    door.reset(0)
    task, state = clean(load_task("door_state")), door.state()
    expert = make_expert(task, np.random.default_rng(0))
    first = expert.act(state)
    play(door, task, 1)
    np.testing.assert_array_equal(expert.act(state), first)
    assert first.shape == (28,)
    assert first.dtype == np.float32


@pytest.mark.parametrize("name", ["hammer", "pen_state"])
def test_the_other_tasks_say_that_they_have_no_expert(name: str) -> None:
    with pytest.raises(ConfigError, match=r"has no expert here.*demonstrations"):
        make_expert(load_task(name), np.random.default_rng(0))


def test_a_flaw_of_another_length_is_refused() -> None:
    task = changed(load_task("door_state"), flawed_share=0.5, flaw=(0.1,))
    with pytest.raises(ConfigError, match=r"flaw has 1 numbers, needs 3: palm x, m"):
        make_expert(task, np.random.default_rng(0))
