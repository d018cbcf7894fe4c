"""From an executed chunk back to the latent that explains it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zprl_core.actions import ActionCodec
from zprl_core.base import BaseModel, new_model
from zprl_core.config import HumanMatchConfig, TaskConfig
from zprl_core.errors import DataError
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.inversion import MatchError, invert, match_error, number_bounds

BOUND = HumanMatchConfig()
NONE = np.empty((0, 4), np.float32)


@pytest.fixture
def model(task: TaskConfig) -> BaseModel:
    """Networks of chance, whose chunks reach over 0.2 m."""
    model = new_model(task, 0).requires_grad_(False)
    model.policy.fit_normalizers(
        torch.tensor([[-0.1] * 6 + [0.0], [0.1] * 6 + [0.09]]), torch.tensor([[-1.0] * 3, [1.0] * 3])
    )
    for parameter in model.bottleneck.decoder.parameters():
        parameter *= 2.0
    return model.eval()


def _draw(model: BaseModel) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = {"c": (model.policy.c_dim,), "z": (4,), "w": (4, 7)}
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def _chunk(model: BaseModel, z: np.ndarray, w: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        feature = model.bottleneck.decode(torch.from_numpy(z)[None])
        return model.policy.act(feature, torch.from_numpy(w)[None])[0].double().numpy()


def _codec(task: TaskConfig) -> ActionCodec:
    return ActionCodec.from_config(task.action)


def test_match_by_hand(task: TaskConfig) -> None:
    """3 and 4 cm apart make 5 cm at one waypoint; 0.2 rad about z; 1 mm of gripper."""
    one, other = np.zeros((4, 7)), np.zeros((4, 7))
    other[2, :2] = 0.03, 0.04
    other[1, 5], other[3, 6] = 0.2, -0.001
    error = match_error(_codec(task), one, other)
    assert error.position_m == pytest.approx(0.05)
    assert error.rotation_rad == pytest.approx(0.2)
    assert error.gripper_m == pytest.approx(0.001)
    assert error.shares(BOUND) == pytest.approx(5.0) and not error.within(BOUND)
    assert MatchError(0.01, 0.1, 0.01).within(BOUND)
    assert str(error) == "0.0500 m, 0.200 rad, gripper 0.0010 m"


def test_bounds_of_the_numbers() -> None:
    two = ActionCodec("rot6d", 2, gripper=False)
    np.testing.assert_allclose(number_bounds(two, BOUND), ([0.01] * 3 + [0.1] * 6) * 2)


def test_what_the_policy_itself_could_have_done_is_found(task: TaskConfig, model: BaseModel) -> None:
    plan = _draw(model)
    wanted = plan["z"] + np.array([1.5, -1.5, 1.5, 1.5], np.float32)
    executed = _chunk(model, wanted, plan["w"])
    assert not match_error(_codec(task), _chunk(model, plan["z"], plan["w"]), executed).within(BOUND)
    found = invert(model, _codec(task), BOUND, **plan, executed=executed, noise=NONE)
    assert found.matched and found.steps > 0
    error = match_error(_codec(task), _chunk(model, found.z_tilde, plan["w"]), executed)
    assert error == found.error and error.within(BOUND)


def test_what_no_latent_explains_is_refused_with_its_distance(task: TaskConfig, model: BaseModel) -> None:
    plan = _draw(model)
    executed = _chunk(model, plan["z"], plan["w"])
    executed[:, 0] += 0.5
    found = invert(model, _codec(task), BOUND, **plan, executed=executed, noise=np.ones((2, 4), np.float32))
    assert not found.matched and found.error.position_m > 0.3


def test_the_same_arguments_give_the_same_bits(task: TaskConfig, model: BaseModel) -> None:
    plan, threads = _draw(model), torch.get_num_threads()
    executed = _chunk(model, -plan["z"], plan["w"]) + 0.02
    noise = np.random.default_rng(0).standard_normal((3, 4), dtype=np.float32)
    first, second = (
        invert(model, _codec(task), BOUND, **plan, executed=executed, noise=noise) for _ in range(2)
    )
    assert first.z_tilde.tobytes() == second.z_tilde.tobytes() and first.error == second.error
    assert torch.get_num_threads() == threads


def test_a_plan_that_matches_is_left_as_it_is(task: TaskConfig, model: BaseModel) -> None:
    plan = _draw(model)
    executed = _chunk(model, plan["z"], plan["w"])
    found = invert(model, _codec(task), BOUND, **plan, executed=executed, noise=NONE)
    assert found.steps == 0 and found.z_tilde.tobytes() == plan["z"].tobytes()


def test_a_broken_chunk(task: TaskConfig, model: BaseModel) -> None:
    with pytest.raises(DataError, match="action chunk"):
        invert(model, _codec(task), BOUND, **_draw(model), executed=np.full((4, 7), np.nan), noise=NONE)


def test_the_runtime_explains_what_was_executed_in_place_of_a_plan(
    task: TaskConfig, model: BaseModel
) -> None:
    runtime, draw = PolicyRuntime(model, task, 0.5), _draw(model)
    plan = runtime.plan("steer", draw["c"], draw["z"], np.zeros(4, np.float32), draw["w"])
    executed = _chunk(model, draw["z"] + np.array([1.5, -1.5, 1.5, 1.5], np.float32), draw["w"])
    found = runtime.explain(plan, executed, NONE)
    assert found.matched and found.error == match_error(
        _codec(task), _chunk(model, found.z_tilde, draw["w"]), executed
    )
