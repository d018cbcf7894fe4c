# SPDX-License-Identifier: Apache-2.0
"""Robomimic's tasks behind the protocol: layouts from seeds, absolute actions, observations, experts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zprl_core import transforms
from zprl_core.actions import ActionCodec
from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import ConfigError, DataError
from zprl_core.experiments.environments.packages import INSTALL
from zprl_core.experiments.environments.parts import join

pytest.importorskip("robosuite", reason=f"robosuite is missing: {INSTALL}", exc_type=ImportError)

from zprl_core.experiments.environments.robomimic import RobomimicEnvironment, osc_action
from zprl_core.experiments.environments.robomimic_expert import make_expert, tool_down, tool_yaw

SQUARE, CAN = load_task("square_state"), load_task("can_state")


def _with(task: TaskConfig, **benchmark: Any) -> TaskConfig:
    assert task.benchmark is not None
    return dataclasses.replace(task, benchmark=dataclasses.replace(task.benchmark, **benchmark))


def _flawed(task: TaskConfig, share: float, **demonstrator: Any) -> TaskConfig:
    assert task.benchmark is not None
    changed = dataclasses.replace(task.benchmark.demonstrator, flawed_share=share, **demonstrator)
    return _with(task, demonstrator=changed)


def _home(state: Any, shift: tuple[float, float, float] = (0.0, 0.0, 0.0), yaw: float = 0.0) -> Any:
    return np.concatenate([state["robot0_eef_pos"] + np.array(shift), tool_down(yaw), [-1.0]]).astype(
        np.float32
    )


def _rollout(environment: RobomimicEnvironment, seed: int, steps: int) -> NDArray[np.float64]:
    """All numbers of the simulator's state, after the reset and after each of some steps."""
    environment.reset(seed)
    action = _home(environment.state(), (0.05, 0.05, -0.05), 0.3)
    seen = [_physics(environment)]
    for _ in range(steps):
        environment.step(action)
        seen.append(_physics(environment))
    return np.array(seen)


def _physics(environment: RobomimicEnvironment) -> NDArray[np.float64]:
    data = environment._simulator.sim.data
    return np.concatenate([data.qpos, data.qvel, data.qacc_warmstart])


@pytest.fixture(scope="module")
def square() -> Iterator[RobomimicEnvironment]:
    environment = RobomimicEnvironment(SQUARE)
    yield environment
    environment.close()


@pytest.fixture(scope="module")
def can() -> Iterator[RobomimicEnvironment]:
    environment = RobomimicEnvironment(CAN)
    yield environment
    environment.close()


def test_an_episode_depends_on_its_seed_alone(square: RobomimicEnvironment) -> None:
    first = _rollout(square, 3, steps=5)
    other = _rollout(square, 4, steps=12)
    assert np.array_equal(first, _rollout(square, 3, steps=5))
    assert not np.array_equal(first[0], other[0])
    fresh = RobomimicEnvironment(SQUARE)
    assert np.array_equal(first, _rollout(fresh, 3, steps=5))
    fresh.close()


def test_a_reset_leaves_numpys_global_generator_alone(can: RobomimicEnvironment) -> None:
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    can.reset(1)
    assert np.array_equal(np.random.random(3), expected)  # noqa: NPY002


def test_an_absolute_action_is_where_the_grip_site_goes(square: RobomimicEnvironment) -> None:
    square.reset(0)
    action = _home(square.state(), (0.06, -0.05, -0.04), yaw=0.5)
    for _ in range(40):
        square.step(action)
    state = square.state()
    assert state["robot0_eef_pos"] == pytest.approx(action[:3], abs=0.01)
    assert tool_yaw(state) == pytest.approx(0.5, abs=math.radians(2))
    reached, wanted = np.roll(state["robot0_eef_quat_site"], 1), transforms.quaternion_from_rot6d(action[3:9])
    assert transforms.angle_between(reached, wanted) < math.radians(3)
    assert state["robot0_gripper_qpos"] == pytest.approx((0.04, -0.04), abs=0.002)  # -1 opened it


def test_six_numbers_become_a_rotation_vector() -> None:
    codec = ActionCodec("rot6d", arms=2, gripper=True)
    quarter_about_z, half_about_x = (0, 1, 0, -1, 0, 0), (1, 0, 0, 0, -1, 0)
    raw = osc_action(codec, np.array([0.1, 0.2, 0.3, *quarter_about_z, 1, 0.4, 0.5, 0.6, *half_about_x, -1]))
    assert raw[:7] == pytest.approx([0.1, 0.2, 0.3, 0, 0, math.pi / 2, 1])
    assert np.abs(raw[7:]) == pytest.approx([0.4, 0.5, 0.6, math.pi, 0, 0, 1])  # half a turn has two signs
    assert raw[13] == -1


def test_an_action_that_is_no_pose_is_refused(square: RobomimicEnvironment) -> None:
    square.reset(0)
    with pytest.raises(DataError, match="must be finite"):
        square.step(np.full(10, np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="6-D rotation"):
        square.step(np.zeros(10, dtype=np.float32))


@pytest.mark.parametrize("name", ["square", "can"])
def test_the_parts_are_robosuites_own(name: str, request: pytest.FixtureRequest) -> None:
    environment: RobomimicEnvironment = request.getfixturevalue(name)
    environment.reset(7)
    ours, simulator = environment.state(), environment._simulator
    names = simulator.observation_names - {"world_pose_in_gripper"}  # a matrix, which they cannot join
    for key in simulator.observation_names:
        simulator.modify_observable(key, "enabled", True)
        simulator.modify_observable(key, "active", key in names)
    for _ in range(3):  # parts made of other parts are one reading late
        theirs = simulator._get_observations(force_update=True)
    for key in simulator.observation_names:
        simulator.modify_observable(key, "enabled", False)
    shared = set(ours) & set(theirs)
    assert len(shared) == 8
    for key in shared:
        assert ours[key] == pytest.approx(theirs[key], abs=1e-6), key
    thing = {"square": "SquareNut", "can": "Can"}[name]
    order = [f"{thing}_{part}" for part in ("pos", "quat", "to_robot0_eef_pos", "to_robot0_eef_quat")]
    assert np.array_equal(ours["object"], np.concatenate([ours[part] for part in order]))


def test_transport_has_two_arms_and_the_paper_s_18_numbers() -> None:
    task = load_task("transport")
    environment = RobomimicEnvironment(
        dataclasses.replace(task, observation=dataclasses.replace(task.observation, cameras=()))
    )
    environment.reset(2)
    state, seen = environment.state(), environment.observe()
    assert seen.proprio.shape == (18,)
    assert not seen.images
    assert state["object"].shape == (41,)
    from_state = join(load_task("transport_state"), state)
    assert from_state.shape == (59,) and np.array_equal(from_state[18:], state["object"].astype(np.float32))
    arms = [(f"robot{i}_eef_pos", f"robot{i}_eef_quat_site") for i in (0, 1)]
    stay = [[*state[p], *transforms.rot6d_from_quaternion(np.roll(state[q], 1)), 1.0] for p, q in arms]
    for _ in range(5):
        step = environment.step(np.concatenate(stay).astype(np.float32))
    assert (step.reward, step.success) == (0.0, False)
    for position, _ in arms:
        assert environment.state()[position] == pytest.approx(state[position], abs=0.005)
    environment.close()


def test_pictures_are_rendered_for_the_views_alone() -> None:
    task = load_task("square")
    view = task.observation.cameras[0]
    observation = dataclasses.replace(task.observation, cameras=(view,))
    environment = RobomimicEnvironment(dataclasses.replace(task, observation=observation))
    environment.reset(0)
    seen = environment.observe()
    assert list(seen.images) == ["agentview"]
    picture = seen.images["agentview"]
    assert picture.shape == (84, 84, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10
    assert seen.proprio == pytest.approx(
        np.concatenate(
            [environment.state()[f"robot0_{part}"] for part in ("eef_pos", "eef_quat", "gripper_qpos")]
        )
    )
    environment.close()


@pytest.mark.parametrize(("name", "seeds"), [("square", (0, 1)), ("can", (0,))])
def test_the_expert_succeeds(name: str, seeds: tuple[int, ...], request: pytest.FixtureRequest) -> None:
    environment: RobomimicEnvironment = request.getfixturevalue(name)
    task = _flawed({"square": SQUARE, "can": CAN}[name], share=0.0)
    for seed in seeds:
        environment.reset(seed)
        expert = make_expert(task, np.random.default_rng(seed))
        steps = range(task.horizon_steps)
        assert any(environment.step(expert.act(environment.state())).success for _ in steps), seed


def test_an_expert_has_no_memory_but_its_flaw(square: RobomimicEnvironment) -> None:
    square.reset(0)
    task = _flawed(SQUARE, share=1.0, noise=0.0)
    one, other = (make_expert(task, np.random.default_rng(1)) for _ in range(2))
    for _ in range(3):
        before = one.act(square.state())
        assert np.array_equal(one.act(square.state()), before)
        square.step(before)
    assert np.array_equal(one.act(square.state()), other.act(square.state()))


def test_wrong_sizes_and_unknown_names_are_told(square: RobomimicEnvironment) -> None:
    square.reset(0)
    observation = dataclasses.replace(SQUARE.observation, proprio_dim=20)
    environment = RobomimicEnvironment(dataclasses.replace(SQUARE, observation=observation))
    environment.reset(0)
    with pytest.raises(ConfigError, match="proprio_dim is 20, its parts have 19"):
        environment.observe()
    environment.close()
    with pytest.raises(ConfigError, match=r"no 'NutAssemblySquar'; did you mean 'NutAssemblySquare'\?"):
        RobomimicEnvironment(_with(SQUARE, environment="NutAssemblySquar"))
    with pytest.raises(ConfigError, match=r"action.arms: 1, but TwoArmTransport has 2"):
        RobomimicEnvironment(_with(SQUARE, environment="TwoArmTransport"))
    view = dataclasses.replace(load_task("can").observation.cameras[0], name="agentviev")
    observation = dataclasses.replace(SQUARE.observation, cameras=(view,))
    with pytest.raises(ConfigError, match=r"no camera 'agentviev'; did you mean 'agentview'\?"):
        RobomimicEnvironment(dataclasses.replace(SQUARE, observation=observation))


def test_an_expert_that_there_is_not_is_told() -> None:
    with pytest.raises(ConfigError, match="no scripted expert for TwoArmTransport; import the official data"):
        make_expert(load_task("transport"), np.random.default_rng(0))
    with pytest.raises(ConfigError, match=r"flaw has 1 numbers, needs 3: goal x, m"):
        make_expert(_flawed(CAN, share=1.0, flaw=(0.1,)), np.random.default_rng(0))
