"""Which implementation of the frozen policy is used, and that it computes the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_core.arithmetic import use_threads
from zprl_core.base import BaseModel, load_base, new_model, save_base
from zprl_core.config import ComputeConfig, TaskConfig, load_task
from zprl_core.data.observation import Observation, noise
from zprl_core.inference.backend import Backend, BackendError, choose, encode, first_line
from zprl_core.inference.cuda import Captured, reduce_products
from zprl_core.inference.packed import make
from zprl_core.runtime import PolicyRuntime

TASKS = ("place_orange", "flip_egg", "insert_bills", "square_state")
NEAR = ComputeConfig().tolerance
BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()


def small(name: str, **action: int) -> TaskConfig:
    """A task's shapes with a narrow network."""
    task = load_task(name)
    policy = dataclasses.replace(task.policy, unet_widths=(16, 24, 32), resnet_width=8, image_embedding=16)
    return dataclasses.replace(task, policy=policy, action=dataclasses.replace(task.action, **action))


def chunk(backend: Backend, model: BaseModel, observation: Observation) -> torch.Tensor:
    """For fixed noise."""
    w = torch.randn(
        1, model.policy.chunk, model.policy.action_dim, generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        return backend.act(encode(backend, model.policy, *observation.batch()), w)


@pytest.mark.parametrize("name", TASKS)
def test_packed_weights_compute_the_same(name: str) -> None:
    use_threads(1)
    task = small(name)
    model = new_model(task, 0).eval()
    first, *others = noise(task)
    backend = make(model.policy, "fp32", first)
    for observation in (first, *others):
        expected, found = (chunk(each, model, observation) for each in (model.policy, backend))
        torch.testing.assert_close(found, expected, rtol=0.0, atol=NEAR)


@settings(max_examples=15)
@given(length=st.integers(1, 24), kernel=st.sampled_from((1, 3, 5, 7)))
def test_packed_weights_compute_the_same_for_every_length(length: int, kernel: int) -> None:
    use_threads(1)
    task = small("square_state", chunk=length)
    task = dataclasses.replace(task, policy=dataclasses.replace(task.policy, kernel_size=kernel))
    model = new_model(task, 0).eval()
    (observation,) = noise(task, 1)
    expected = chunk(model.policy, model, observation)
    found = chunk(make(model.policy, "fp32", observation), model, observation)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=NEAR)


@pytest.mark.skipif(not BF16, reason="this CPU has no instructions for bf16")
def test_bf16_is_near_and_is_not_float32() -> None:
    use_threads(1)
    task = load_task("place_orange")
    model = new_model(task, 0).eval()
    (observation,) = noise(task, 1)
    off = chunk(make(model.policy, "bf16", observation), model, observation)
    off = (off - chunk(model.policy, model, observation)).abs().max()
    assert 1e-5 < off < 2e-2, off


def eager(function: Callable[..., torch.Tensor], _: Sequence[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """In place of a CUDA graph: the function itself, on the CPU."""
    return function


@pytest.mark.parametrize(("dtype", "near"), [(None, NEAR), (torch.bfloat16, 2e-2)])
def test_what_a_gpu_captures_computes_the_same(dtype: torch.dtype | None, near: float) -> None:
    use_threads(1)
    task = load_task("place_orange")
    model = new_model(task, 0).eval().requires_grad_(False)
    (observation,) = noise(task, 1)
    backend = Captured(model.policy, observation, dtype, "cpu", eager)
    expected, found = (chunk(each, model, observation) for each in (model.policy, backend))
    assert found.dtype == torch.float32 and (found - expected).abs().max() < near
    assert all(each.dtype == torch.float32 for each in model.policy.parameters()), "it has a copy"


def test_of_reduced_products_the_weights_are_kept_and_the_flow_s_results_are_float32() -> None:
    """Autocast would cast each weight in every call, which costs more than the product."""
    task = small("place_orange")
    policy = new_model(task, 0).policy
    reduce_products(policy, torch.bfloat16)
    kept = sum(each.numel() for each in policy.parameters() if each.dtype == torch.bfloat16)
    assert kept > 0.95 * sum(each.numel() for each in policy.parameters())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        assert policy.flow.condition(torch.zeros(1, policy.c_dim))[0].dtype == torch.float32


def told(compute: ComputeConfig, observations: Sequence[Observation] = ()) -> tuple[str, list[str]]:
    """The backend that is used, and what was said."""
    use_threads(1)
    task, lines = small("square_state"), list[str]()
    model = new_model(task, 0).eval()
    chosen = choose(model.policy, compute, observations or noise(task), lines.append)
    return chosen.name, lines


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_without_a_gpu_the_next_is_used_and_says_so() -> None:
    name, lines = told(ComputeConfig())
    assert name == "torch fp32"
    assert lines[0] == "policy backend cuda fp32: torch finds no CUDA GPU here; the next is tried"
    assert lines[-1].startswith("policy backend torch fp32: ") and "on 4 observations" in lines[-1]
    assert len(lines) == 2


def test_what_a_cpu_does_not_have_falls_back_to_float32() -> None:
    name, lines = told(ComputeConfig(backends=("torch",), precision="fp16"))
    assert name == "torch fp32"
    assert "torch fp16: a CPU computes in fp32 or bf16, not in fp16; the next is tried" in lines[0]


@pytest.mark.skipif(not BF16, reason="this CPU has no instructions for bf16")
def test_what_is_too_far_off_is_refused() -> None:
    name, lines = told(ComputeConfig(backends=("torch",), precision="bf16", reduced_tolerance=1e-9))
    assert name == "torch fp32"
    assert "torch bf16: its chunks differ from the reference's by" in lines[0], lines
    assert "allowed 1e-09; the next is tried" in lines[0]


def test_chunks_that_are_not_finite_are_refused() -> None:
    """Where the reference itself has none, nothing can be compared, and the reference is what is used."""
    task = small("square_state")
    nothing = Observation(
        {}, np.full((task.observation.steps, task.observation.proprio_dim), np.nan, np.float32)
    )
    name, lines = told(ComputeConfig(backends=("torch",)), [nothing])
    assert name == "reference fp32" and "differ from the reference's by nan" in lines[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", TASKS)
def test_a_gpu_computes_the_same(name: str, precision: str) -> None:
    task, lines = load_task(name), list[str]()
    model = new_model(task, 0).eval()
    wanted = ComputeConfig(backends=("cuda",), precision=precision)
    assert choose(model.policy, wanted, noise(task), lines.append).name == f"cuda {precision}", lines


def test_of_a_librarys_explanation_the_first_line_is_told() -> None:
    assert first_line(RuntimeError("CUDA out of memory.\nTried to allocate")) == "CUDA out of memory."
    assert first_line(AttributeError()) == "AttributeError"


def test_no_backend_at_all_is_the_reference() -> None:
    name, lines = told(ComputeConfig(backends=()))
    assert name == "reference fp32" and len(lines) == 1 and "error 0 " in lines[0]


def test_openvino_computes_the_same_or_says_how_to_get_it() -> None:
    name, lines = told(ComputeConfig(backends=("openvino",)))
    if name == "reference fp32":
        assert 'openvino fp32: it is not installed: pip install -e ".[openvino]"' in lines[0], lines
    else:
        assert name == "openvino fp32" and len(lines) == 1


def test_what_openvino_cannot_compile_is_passed_over_and_says_why() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: make setup")
    use_threads(1)
    task, lines = small("square_state"), list[str]()
    policy = new_model(task, 0).eval().policy
    policy.actions.inverse = torch.special.bessel_j0  # type: ignore[method-assign]  # no rule for it there
    chosen = choose(policy, ComputeConfig(backends=("openvino",)), noise(task), lines.append)
    assert chosen.name == "reference fp32"
    assert "it cannot compile this policy" in lines[0] and "bessel_j0" in lines[0], lines


def test_openvino_with_images_is_near() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: make setup")
    use_threads(1)
    task, lines = small("insert_bills"), list[str]()
    model = new_model(task, 0).eval()
    chosen = choose(model.policy, ComputeConfig(backends=("openvino",)), noise(task), lines.append)
    assert chosen.name == "openvino fp32" and chosen.error < 1e-4, lines


def test_the_runtime_plans_the_same_with_every_backend() -> None:
    use_threads(1)
    task, lines = small("place_orange"), list[str]()
    model = new_model(task, 0).eval()
    plans = []
    for compute in (ComputeConfig(backends=()), ComputeConfig(backends=("torch",))):
        runtime = PolicyRuntime(model, task, 0.2, compute, lines.append)
        noise_z, noise_dz, w = (
            np.random.default_rng(1).standard_normal(shape, np.float32) for shape in runtime.noise_shapes
        )
        seen = noise(task, 1)[0]
        c = runtime.encode(seen.images, seen.proprio)
        plans.append(runtime.plan("explore", c, runtime.base(c, noise_z, w), noise_dz, w))
    np.testing.assert_allclose(plans[0].actions, plans[1].actions, atol=NEAR)
    np.testing.assert_allclose(plans[0].c, plans[1].c, atol=NEAR)
    assert "keeps no observations" in lines[0] and lines[0] == lines[2]
    assert "reference fp32" in lines[1] and "torch fp32" in lines[3]


@pytest.mark.parametrize("backends", [(), ("torch",)])
def test_a_frame_is_embedded_alike_alone_and_in_any_observation(
    backends: tuple[Literal["torch"], ...],
) -> None:
    """To the bit, so that it can be embedded before the rest of its observation is there."""
    use_threads(1)
    task = small("insert_bills")
    runtime = PolicyRuntime(new_model(task, 0), task, 0.2, ComputeConfig(backends=backends))
    seen, other = noise(task, 2)
    early = {
        name: np.stack([runtime.embed(name, each) for each in frames]) for name, frames in seen.images.items()
    }
    runtime.encode(other.images, other.proprio)
    np.testing.assert_array_equal(
        runtime.condition(early, seen.proprio), runtime.encode(seen.images, seen.proprio)
    )
    assert len(early) == 3 and all(each.shape == (2, 16) for each in early.values())


def test_a_checkpoint_keeps_observations(tmp_path: Path) -> None:
    task = small("place_orange")
    model = new_model(task, 0)
    model.observations = noise(task)
    save_base(tmp_path / "base.ckpt", model, task)
    again = load_base(tmp_path / "base.ckpt", task)[0].observations
    assert len(again) == 4
    for kept, was in zip(again, model.observations, strict=True):
        np.testing.assert_array_equal(kept.proprio, was.proprio)
        assert kept.images.keys() == was.images.keys()
        for camera, frames in was.images.items():
            np.testing.assert_array_equal(kept.images[camera], frames)


def test_a_backend_says_why_it_cannot() -> None:
    task = small("square_state")
    with pytest.raises(BackendError, match="a CPU computes in fp32 or bf16, not in fp8"):
        make(new_model(task, 0).policy, "fp8", noise(task, 1)[0])
