"""The policy at run time agrees with its parts and draws nothing itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zprl_core.arithmetic import fast_matmul
from zprl_core.base import new_model
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import Dataset
from zprl_core.errors import DataError
from zprl_core.rl import weights
from zprl_core.runtime import PolicyRuntime, new_actor


@pytest.fixture
def runtime(task: TaskConfig) -> PolicyRuntime:
    model = new_model(task, 0)
    model.bottleneck.fit_moments(torch.randn(50, model.policy.c_dim) * 3 + 1)
    return PolicyRuntime(model, task, 0.5)


@pytest.fixture
def inputs(runtime: PolicyRuntime, data: Dataset) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = {"third_view": data.images["third_view"][3:5]}
    c = runtime.encode(images, data.proprio[3:5])
    drawn, noise, w = (rng.standard_normal(shape, dtype=np.float32) for shape in runtime.noise_shapes)
    return {"c": c, "z": runtime.base(c, drawn, w), "noise": noise, "w": w}


def some_actor(runtime: PolicyRuntime, task: TaskConfig, seed: int) -> bytes:
    torch.manual_seed(seed)
    return weights.to_bytes(new_actor(runtime.model, task))


def test_shapes_and_types(runtime: PolicyRuntime, inputs: dict[str, np.ndarray]) -> None:
    plan = runtime.plan("explore", **inputs)
    assert plan.actions.shape == runtime.action_shape == (4, 7)
    assert plan.z.shape == plan.dz.shape == plan.z_tilde.shape == runtime.latent_shape == (4,)
    assert plan.c.shape == (runtime.model.policy.c_dim,)
    for name in ("c", "z", "dz", "z_tilde", "w", "actions"):
        assert getattr(plan, name).dtype == np.float32


def test_modes_by_their_definition(
    runtime: PolicyRuntime, task: TaskConfig, inputs: dict[str, np.ndarray]
) -> None:
    policy, bottleneck = runtime.model.policy, runtime.model.bottleneck
    c, z, noise, w = (torch.from_numpy(inputs[name])[None] for name in ("c", "z", "noise", "w"))
    standard = (c - bottleneck.c_mean) / bottleneck.c_std
    expected = {
        "base_c": (torch.zeros_like(z), c),
        "base_z": (torch.zeros_like(z), bottleneck.decode(z)),
    }
    for mode, dz in (
        ("explore", runtime.actor.sample(standard, z, noise)[0]),
        ("steer", runtime.actor.mean(standard, z)),
    ):
        expected[mode] = dz, bottleneck.decode(z + 0.5 * dz)  # eq. (7)
    for mode, (dz, condition) in expected.items():
        plan = runtime.plan(mode, **inputs)
        np.testing.assert_allclose(plan.dz, dz[0], atol=1e-6)
        np.testing.assert_allclose(plan.z_tilde, (z + 0.5 * dz)[0], atol=1e-6)
        np.testing.assert_allclose(plan.actions, policy.act(condition, w)[0], atol=1e-5)
    with pytest.raises(ValueError, match="'dance'"):
        runtime.plan("dance", **inputs)


def test_same_noise_same_bits(runtime: PolicyRuntime, inputs: dict[str, np.ndarray]) -> None:
    first, second = (runtime.plan("explore", **inputs) for _ in range(2))
    for name in ("dz", "z_tilde", "actions"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_actor_versions(runtime: PolicyRuntime, task: TaskConfig, inputs: dict[str, np.ndarray]) -> None:
    data = some_actor(runtime, task, 1)
    before = runtime.plan("steer", **inputs).dz
    runtime.set_actor(7, data)
    assert runtime.actor_version == 7
    assert weights.to_bytes(runtime.actor) == data
    after = runtime.plan("steer", **inputs).dz
    assert not np.array_equal(before, after)
    runtime.set_actor(7, b"")  # the same version again is not even looked at
    with pytest.raises(DataError, match="0 bytes"):
        runtime.set_actor(8, b"")
    assert runtime.actor_version == 7
    runtime.set_actor(0, some_actor(runtime, task, 2))
    assert runtime.actor_version == 0


def test_results_do_not_alias(runtime: PolicyRuntime, inputs: dict[str, np.ndarray]) -> None:
    first = runtime.plan("steer", **inputs).actions
    kept = first.copy()
    runtime.plan("base_c", **inputs)
    np.testing.assert_array_equal(first, kept)


def test_fast_products_are_float32_or_refused() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        assert fast_matmul(tolerance=0.0) >= 0
        assert torch.get_float32_matmul_precision() == before
        error = fast_matmul()
        a = torch.randn(64, 64)
        exact = (a.double() @ a.double()).float()
        assert ((a @ a - exact).norm() / exact.norm()) < 1e-5
        assert error >= 0
    finally:
        torch.set_float32_matmul_precision(before)
