"""Offline training on demonstrations of a second."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from tests.learning.tiny import VIEW, change
from zprl_core.config import TaskConfig
from zprl_core.data.dataset import Dataset
from zprl_core.policy.flow import training_k
from zprl_core.training.batches import BatchSource, crop_offsets, epochs, flow_noise, hold_out
from zprl_core.training.bottleneck import attach_bottleneck, embed
from zprl_core.training.pretrain import Pretraining, cosine_with_warmup, pretrain
from zprl_core.training.progress import Progress


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return copy.deepcopy(module.state_dict())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


@pytest.mark.parametrize("clip", [None, 0.1])
def test_the_bottleneck_leaves_the_base_policy_bit_for_bit_alone(
    task: TaskConfig, data: Dataset, clip: float | None
) -> None:
    """Section IV-A: trained beside the base policy or not at all, the base policy is the same."""
    task = change(task, "pretrain", gradient_clip=clip)
    alone = pretrain(change(task, "bottleneck", joint=False), data, seed=3)
    beside = pretrain(change(task, "bottleneck", joint=True), data, seed=3)
    assert same(state(alone.policy), state(beside.policy))
    assert not same(state(alone.bottleneck), state(beside.bottleneck))


def test_what_the_bottleneck_is_chosen_on_it_does_not_learn_from(task: TaskConfig, data: Dataset) -> None:
    """The flow does, where `pretrain.validation_fraction` is 0; one window a batch."""
    task = change(task, "bottleneck", joint=True, validation_fraction=0.5)
    run = Pretraining(change(task, "pretrain", batch_size=1, validation_fraction=0.0), data, 3)
    held_out = hold_out(data, 0.5, 3)[1]
    values = [run.step() for _ in range(len(data))]
    assert len(values) == len(run.train_windows) and 0 < len(held_out) < len(data)
    assert sum(each["flow_z"] == 0.0 for each in values) == len(held_out)
    assert all(each["flow"] > 0.0 for each in values)


def test_attaching_leaves_the_base_policy_bit_for_bit_alone(task: TaskConfig, data: Dataset) -> None:
    model = pretrain(change(task, "bottleneck", joint=False), data, seed=3)
    before, bottleneck = state(model.policy), state(model.bottleneck)
    seen: list[Progress] = []
    report = attach_bottleneck(model, task, data, seed=3, progress=seen.append)
    assert same(state(model.policy), before)
    assert not same(state(model.bottleneck), bottleneck)
    assert {p.stage for p in seen} == {"embed", "bottleneck"}
    assert 0 <= report.steps <= report.steps_taken <= 20
    assert report.loss_z > 0
    assert report.z_rms > 0
    assert not any(p.requires_grad for p in model.parameters())


def test_a_seed_is_a_result(task: TaskConfig, data: Dataset) -> None:
    first, second, other = (pretrain(task, data, seed=seed) for seed in (1, 1, 2))
    assert same(state(first), state(second))
    assert not same(state(first), state(other))


def test_it_imitates(task: TaskConfig, data: Dataset) -> None:
    """The demonstrations depend on time alone, which proprioception shows here: then the loss must fall."""
    shown = copy.copy(data.proprio)
    shown[:, 0] = data.actions[:, 0]
    shown[:, 1] = data.actions[:, 1]
    clock = dataclasses.replace(data, proprio=shown)
    task = change(task, "pretrain", epochs=80, learning_rate=5e-3)
    losses: list[float] = []
    model = pretrain(
        change(task, "bottleneck", joint=False), clock, 0, lambda p: losses.append(p.values["flow"])
    )
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:3])
    attached = change(
        task,
        "bottleneck",
        joint=False,
        steps=150,
        evaluate_every=50,
        learning_rate=3e-3,
        validation_fraction=0.0,
    )
    report = attach_bottleneck(model, attached, clock, 0)
    assert report.loss_z < 1.4 * report.loss_c
    c = embed(model, task, clock)
    w = torch.zeros(len(c), model.policy.chunk, model.policy.action_dim)
    error = model.policy.act(c, w) - torch.from_numpy(clock.action_chunks(np.arange(len(clock))))
    assert error.square().mean().sqrt() < 0.35


def test_bf16_learns_alike(task: TaskConfig, data: Dataset) -> None:
    task = change(task, "bottleneck", joint=True)
    runs = [Pretraining(change(task, "pretrain", precision=p), data, 0) for p in ("fp32", "bf16")]
    for _ in range(3):
        fp32, bf16 = (run.step() for run in runs)
        assert bf16["flow"] == pytest.approx(fp32["flow"], rel=0.03)
        assert bf16["flow_z"] == pytest.approx(fp32["flow_z"], rel=0.03)
    assert all(p.dtype == torch.float32 for p in runs[1].model.parameters())


def test_the_kept_bottleneck_is_the_best_look(task: TaskConfig, data: Dataset) -> None:
    """A learning rate that ruins the bottleneck: the untouched weights win, and patience ends it early."""
    model = pretrain(change(task, "bottleneck", joint=False), data, seed=0)
    wild = change(task, "bottleneck", joint=True, learning_rate=1.0, evaluate_every=2, patience=2, steps=1000)
    before = state(model.bottleneck)
    report = attach_bottleneck(model, wild, data, seed=0)
    assert report.steps_taken < 1000
    if report.steps == 0:
        assert same(state(model.bottleneck), before)


def test_a_warm_start_brings_the_flows_condition_near_and_touches_nothing_else(
    task: TaskConfig, data: Dataset
) -> None:
    task = change(task, "pretrain", epochs=20, learning_rate=5e-3)
    model = pretrain(change(task, "bottleneck", joint=False), data, seed=0)
    before = state(model.policy)
    none = change(task, "bottleneck", joint=False, steps=0, learning_rate=3e-3, warm_start_steps=200)
    seen: list[Progress] = []
    attach_bottleneck(model, none, data, seed=0, progress=seen.append)
    assert same(state(model.policy), before)
    assert all(p.grad is None for p in model.policy.parameters())
    losses = [p.values["loss"] for p in seen if p.stage == "warm start"]
    assert len(losses) == 200
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[:5])


def test_schedule_by_hand() -> None:
    factors = [cosine_with_warmup(step, warmup=2, total=6) for step in range(6)]
    assert factors == pytest.approx([0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_number_of_steps(task: TaskConfig, data: Dataset) -> None:
    windows = len(hold_out(data, task.pretrain.validation_fraction, 0)[0])
    assert Pretraining(task, data, 0).total == 2 * (windows // 8)
    assert Pretraining(change(task, "pretrain", max_steps=3), data, 0).total == 3


def test_crops(data: Dataset, task: TaskConfig) -> None:
    rng = np.random.default_rng(0)
    offsets = crop_offsets(VIEW, 500, rng)
    assert (offsets.min(axis=0).tolist(), offsets.max(axis=0).tolist()) == ([0, 0], [4, 4])
    assert crop_offsets(VIEW, 2, None).tolist() == [[2, 2], [2, 2]]
    run = Pretraining(task, data, 0)
    source = BatchSource(data, (VIEW,), run.model.policy)
    images, proprio = source.observations(np.array([0, 5]), None)
    expected = data.images["third_view"][data.history[5], 2:18, 2:22]
    np.testing.assert_array_equal(images["third_view"][1].numpy(), expected)
    np.testing.assert_array_equal(proprio[1].numpy(), data.proprio[data.history[5]])
    deployed = run.model.policy.encoder.crop_centre(
        {"third_view": torch.from_numpy(data.images["third_view"][data.history[[0, 5]]])}
    )
    assert torch.equal(deployed["third_view"], images["third_view"])


def test_embedding_is_what_deployment_computes(task: TaskConfig, data: Dataset) -> None:
    model = pretrain(task, data, seed=0)
    c = embed(model, task, data)
    images = {"third_view": torch.from_numpy(data.images["third_view"][data.history[7]])[None]}
    with torch.no_grad():
        deployed = model.policy.encode(images, torch.from_numpy(data.proprio[data.history[7]])[None])
    torch.testing.assert_close(deployed[0], c[7], atol=1e-5, rtol=1e-5)


def test_held_out_episodes(data: Dataset) -> None:
    train, held_out = hold_out(data, 0.34, seed=0)
    assert sorted([*train, *held_out]) == list(range(len(data)))
    assert len(set(data.window_episode()[held_out])) == 1
    assert not set(data.window_episode()[held_out]) & set(data.window_episode()[train])
    assert len(hold_out(data, 0.0, seed=0)[1]) == 0
    assert len(set(data.window_episode()[hold_out(data, 1e-6, seed=0)[1]])) == 1


def test_batches_cover_an_epoch() -> None:
    batches = epochs(np.arange(10), 3, np.random.default_rng(0))
    first = np.concatenate([next(batches) for _ in range(3)])
    assert len(set(first)) == 9
    assert len(next(epochs(np.arange(2), 8, np.random.default_rng(0)))) == 2


def test_flow_noise(task: TaskConfig, data: Dataset) -> None:
    policy = Pretraining(task, data, 0).model.policy
    w, position = flow_noise(policy, 500, 4, np.random.default_rng(0))
    assert tuple(w.shape) == (500, 4, 4, 7)
    assert (int(position.min()), int(position.max())) == (0, 99)


def test_the_decisive_first_step_is_drawn_more_often_where_the_config_says_so(
    task: TaskConfig, data: Dataset
) -> None:
    policy = Pretraining(task, data, 0).model.policy
    _, position = flow_noise(policy, 2000, 1, np.random.default_rng(0), first_step_share=0.6)
    share = float((position == 0).float().mean())
    assert abs(share - (0.6 + 0.4 * 0.01)) < 0.05
    assert int(position.max()) == 99
    k = training_k(position, policy.flow_steps)
    assert k.min() > 0
    assert k.max() == 1
