"""The action residual on rigs: what is steered, progressive exploration, and the three-step average."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.learning.tiny import tiny_task
from zprl_core import start, transforms
from zprl_core.actions import ActionCodec
from zprl_core.agent import EpisodeAgent
from zprl_core.arithmetic import use_threads
from zprl_core.base import new_model
from zprl_core.config import TaskConfig
from zprl_core.effects import ChunkExecution, SendChunk
from zprl_core.errors import ConfigError
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.filtering import average_recent

TINY = tiny_task()


def residual(**rl: object) -> TaskConfig:
    values = {"steering": "action_residual", "lambda_": 0.5, **rl}
    return dataclasses.replace(TINY, rl=dataclasses.replace(TINY.rl, **values))


@pytest.fixture
def runtime() -> PolicyRuntime:
    use_threads(1)
    return PolicyRuntime(new_model(TINY, 0), residual(), 0.5)


def numbers(runtime: PolicyRuntime) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    c = rng.standard_normal(runtime.model.policy.c_dim, dtype=np.float32)
    return [c, *(rng.standard_normal(shape, dtype=np.float32) for shape in runtime.noise_shapes)]


def test_the_base_chunk_is_steered_in_shares_of_the_demonstrated_range(runtime: PolicyRuntime) -> None:
    c, noise_z, noise_dz, w = numbers(runtime)
    base = runtime.base(c, noise_z, w)
    assert base.shape == runtime.steered_shape == (runtime.action_shape[0] * runtime.action_shape[1],)
    for mode in ("base_c", "base_z"):
        unsteered = runtime.plan(mode, c, base, noise_dz, w)
        normalised = runtime.model.policy.actions(torch.from_numpy(unsteered.actions))
        np.testing.assert_allclose(normalised.numpy().ravel(), base, atol=1e-5)
    plan = runtime.plan("explore", c, base, noise_dz, w)
    np.testing.assert_allclose(plan.z_tilde, base + 0.5 * plan.dz, atol=1e-6)
    moved = (plan.actions - unsteered.actions) / runtime.model.policy.actions.scale.numpy()
    np.testing.assert_allclose(moved.ravel(), 0.5 * plan.dz, atol=1e-4)
    assert np.isnan(plan.guard.rms_ratio), "there is no latent to guard"


def agent(runtime: PolicyRuntime, learner: bool = False) -> EpisodeAgent:
    return EpisodeAgent(runtime, 0, lockstep=True, max_chunks=None, learner=learner)


def planned(made: EpisodeAgent, mode: str, chunks: int, episode: int = 0, first: int = 0) -> list[SendChunk]:
    """What is sent for chunks from `first` on; an episode begins with chunk 0."""
    view = TINY.observation.cameras[0]
    steps = TINY.observation.steps
    images = {view.name: np.zeros((steps, view.height, view.width, 3), np.uint8)}
    if first == 0:
        made.begin(episode, mode)
    sent = []
    for chunk in range(first, first + chunks):
        made.on_observation(chunk, images, np.zeros((steps, TINY.observation.proprio_dim), np.float32))
        sent += [effect for effect in made.due() if isinstance(effect, SendChunk)]
        made.on_cleared(episode, chunk)
    return sent


def test_chunks_are_averaged_across_their_seams_and_the_base_is_not(runtime: PolicyRuntime) -> None:
    first, second = planned(agent(runtime), "steer", 2)
    raw = [runtime.decode("steer", each.plan.c, each.plan.z_tilde, each.plan.w) for each in (first, second)]
    codec = ActionCodec.from_config(TINY.action)
    wanted = average_recent(raw[1], raw[0], 3, codec)
    np.testing.assert_array_equal(second.plan.actions, wanted)
    np.testing.assert_allclose(wanted[0, :3], np.mean([*raw[0][-2:, :3], raw[1][0, :3]], axis=0), atol=1e-6)
    np.testing.assert_array_equal(wanted[:, -1], raw[1][:, -1])
    np.testing.assert_allclose(first.plan.actions[0], raw[0][0], atol=1e-6)
    base = planned(agent(runtime), "base_c", 1)[0].plan
    np.testing.assert_array_equal(base.actions, runtime.decode("base_c", base.c, base.z_tilde, base.w))


def test_nothing_is_averaged_with_a_chunk_that_was_not_executed(runtime: PolicyRuntime) -> None:
    """After a refusal or a takeover the arm is not where the plan before led: the average starts anew."""
    codec = ActionCodec.from_config(TINY.action)
    for report, fresh in ((ChunkExecution(), False), (ChunkExecution(spoiled="refused"), True)):
        made, sent = agent(runtime), list[SendChunk]()
        for chunk in range(4):
            sent += planned(made, "steer", 1, first=chunk)
            made.on_report(0, chunk, report if chunk == 1 else ChunkExecution())
        raw = [runtime.decode("steer", s.plan.c, s.plan.z_tilde, s.plan.w) for s in sent]
        for chunk in (2, 3):
            before = raw[chunk - 1][:0] if fresh else raw[chunk - 1]
            wanted = average_recent(raw[chunk], before, 3, codec)
            np.testing.assert_array_equal(sent[chunk].plan.actions, wanted)


def test_rotations_are_averaged_as_rotations() -> None:
    codec = ActionCodec("quat", 1, True)
    tilted = [transforms.quaternion_from_rotvec(np.array([0.0, 0.0, angle])) for angle in (0.0, 0.2, 0.4)]
    actions = np.array([[0.0, 0.0, 0.0, *q, 0.05] for q in tilted], np.float32)
    found = average_recent(actions, actions[:0], 3, codec)
    turned = transforms.rotvec_from_quaternion(found[:, 3:7].astype(np.float64))[:, 2]
    np.testing.assert_allclose(turned, [0.0, 0.1, 0.2], atol=1e-6)
    assert average_recent(actions, actions[:0], 1, codec) is actions


def test_exploration_sets_in_with_the_chunks_that_were_learned_from(runtime: PolicyRuntime) -> None:
    made = agent(runtime)
    for version, low, high in ((0, 0, 0), (250, 4, 26), (500, 30, 30)):
        runtime.actor_version = version
        scales = [each.plan.scale for each in planned(made, "explore", 30, version)]
        assert set(scales) <= {0.0, 1.0} and low <= sum(scales) <= high, (version, scales)


def test_a_run_settles_its_scale_and_keeps_its_steering(tmp_path: Path) -> None:
    latent = dataclasses.replace(TINY, rl=dataclasses.replace(TINY.rl, residual_scale=0.3))
    for task in (latent, residual(residual_scale=0.3)):
        steered = start._steered_by(task, "action_residual")
        settled = start._with_lambda(steered, tmp_path / "none.ckpt", None)
        assert settled.rl.lambda_ == 0.3, "the latent's lambda is none of a residual's"
        assert start._with_lambda(steered, tmp_path / "none.ckpt", 0.2).rl.lambda_ == 0.2
    inverting = dataclasses.replace(TINY, rl=dataclasses.replace(TINY.rl, human_chunks="invert"))
    with pytest.raises(ConfigError, match=r"--steering action_residual: rl\.human_chunks: invert"):
        start._steered_by(inverting, "action_residual")
    data = residual().to_dict()
    data["rl"]["human_chunks"] = "invert"
    with pytest.raises(ConfigError, match=r"rl\.human_chunks: invert looks for a latent, and steering is"):
        TaskConfig.from_dict(data)
