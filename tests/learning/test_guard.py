"""The guard of the steered latent: its numbers by hand, its back-off for any history."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.learning.tiny import change
from zprl_core.base import load_base, new_model, save_base
from zprl_core.bottleneck.vib import Bottleneck
from zprl_core.config import GuardConfig, TaskConfig
from zprl_core.errors import CheckpointError, DataError
from zprl_core.perturbation import fit_latents
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.guard import LEAST, Guard, GuardState, GuardValues, measure
from zprl_core.steering.latents import LatentDistribution

BACKING = Guard(GuardConfig(displacement=0.8, mahalanobis=1.0, chunks=2, back_off=True))
NEAR, FAR = GuardValues(0.1, 0.5, 0.4), GuardValues(0.1, 0.5, 1.6)
values = st.builds(
    GuardValues,
    *[st.floats(0.0, 3.0) | st.just(math.nan) for _ in range(3)],
)


def test_distance_by_hand() -> None:
    """Variances 4 and 1 around (1, 0): (5, 0) is 2 standard deviations away, (1, 3) is 3."""
    latents = LatentDistribution(np.array([1.0, 0.0]), np.diag([0.25, 1.0]), far=1.5)
    z = np.array([[1, 0], [5, 0], [1, 3]], np.float32)
    np.testing.assert_allclose(latents.distance(z), [0.0, 2.0 / 1.5, 2.0])


def test_values_by_hand() -> None:
    """z = (3, 4) moved by (0, 5): RMS ratio 1; g moved by (3, 4, 0): 5."""
    z, moved = np.array([3, 4], np.float32), np.array([3, 9], np.float32)
    feature, shift = np.ones(3, np.float32), np.array([3, 4, 0], np.float32)
    latents = LatentDistribution(np.zeros(2), np.eye(2), far=np.sqrt(90.0))
    assert measure(z, moved, feature, feature + shift, latents) == GuardValues(1.0, 1.0, 5.0)
    assert math.isnan(measure(z, moved, feature, feature + shift, None).mahalanobis)


def test_the_distribution_of_offline_latents() -> None:
    """An encoder that adds nothing but noise: z is standard normal whatever c is."""
    bottleneck = Bottleneck(5, 3, 4, 0)
    with torch.no_grad():
        for parameter in bottleneck.encoder.parameters():
            parameter.zero_()
    latents = fit_latents(bottleneck, torch.randn(20_000, 5), 0)
    np.testing.assert_allclose(latents.precision, np.eye(3), atol=0.06)
    np.testing.assert_allclose(latents.far, np.sqrt(11.345), rtol=0.03)  # chi-squared, 3 degrees, 99 %
    drawn = np.random.default_rng(1).standard_normal((50_000, 3))
    assert np.mean(latents.distance(drawn) > 1.0) == pytest.approx(0.01, abs=0.003)


def test_no_distribution() -> None:
    with pytest.raises(DataError, match=r"shapes \(2,\) and \(3, 3\)"):
        LatentDistribution(np.zeros(2), np.eye(3), 1.0)
    with pytest.raises(DataError, match="far is 0"):
        LatentDistribution(np.zeros(2), np.eye(2), 0.0)


def test_it_is_kept_in_the_checkpoint(task: TaskConfig, tmp_path: Path) -> None:
    model = new_model(task, 0)
    save_base(tmp_path / "old", model, task)
    assert load_base(tmp_path / "old")[0].latents is None
    model.latents = LatentDistribution(np.arange(4.0), np.eye(4), 2.0)
    save_base(tmp_path / "new", model, task)
    found = load_base(tmp_path / "new")[0].latents
    assert found is not None and found.far == 2.0
    np.testing.assert_array_equal(found.mean, np.arange(4.0))
    content = torch.load(tmp_path / "new", weights_only=True)
    del content["state"]["latents"]["far"]
    torch.save(content, tmp_path / "damaged")
    with pytest.raises(CheckpointError, match=r"damaged.*'far' is missing"):
        load_base(tmp_path / "damaged")


def test_it_backs_off_by_hand() -> None:
    """Averages of two: 1.0 and 1.6 are beyond 0.8; a scale that moved begins a new average."""
    state = BACKING.after(GuardState(), NEAR)
    assert state == GuardState(1.0, (NEAR,))
    state = BACKING.after(state, FAR)
    assert state == GuardState(0.7, (), "displacement 1, allowed 0.8")
    state = BACKING.after(BACKING.after(state, FAR), FAR)
    assert state.scale == pytest.approx(0.49)
    state = BACKING.after(BACKING.after(state, NEAR), NEAR)
    assert state.scale == pytest.approx(0.49 * 1.05) and state.beyond == ""
    assert BACKING.replay([FAR] * 40).scale == LEAST == 0.1


def test_it_recovers_only_where_there_is_room() -> None:
    """0.79 is inside, 0.79 * 1.05 would not be."""
    tight = GuardValues(0.1, 0.5, 0.79)
    state = BACKING.replay([FAR, FAR, tight, tight])
    assert state == GuardState(0.7, (tight, tight), "")


def test_without_back_off_the_scale_stays_and_the_excess_is_told() -> None:
    guard = Guard(GuardConfig(displacement=None, rms_ratio=0.05, chunks=3))
    state = guard.replay([FAR] * 10)
    assert state.scale == 1.0 and state.beyond == "rms_ratio 0.1, allowed 0.05"


def test_what_is_not_known_is_not_beyond() -> None:
    unknown = GuardValues(0.1, math.nan, 0.4)
    assert BACKING.replay([unknown] * 4) == GuardState(1.0, (unknown, unknown))


@given(st.lists(values, max_size=60), st.lists(values, max_size=20))
def test_the_scale_is_a_function_of_the_history_and_stays_in_its_range(
    history: list[GuardValues], later: list[GuardValues]
) -> None:
    state = GuardState()
    for value in history:
        before, state = state, BACKING.after(state, value)
        assert LEAST <= state.scale <= 1.0
        assert not state.beyond or state.scale < before.scale or state.scale == LEAST
        assert state.scale <= before.scale or not state.beyond
        assert state.scale == before.scale or state.recent == ()
    resumed = BACKING.replay(history)
    assert repr(resumed) == repr(state)
    for value in later:
        resumed = BACKING.after(resumed, value)
    assert repr(resumed) == repr(BACKING.replay([*history, *later]))


def test_a_plan_knows_how_far_it_was_steered_and_the_scale_shrinks_it(task: TaskConfig) -> None:
    model = new_model(change(task, "rl", lambda_=0.5), 0)
    model.latents = LatentDistribution(np.zeros(4), np.eye(4), 2.0)
    runtime = PolicyRuntime(model, task, 0.5)
    rng = np.random.default_rng(0)
    c, z, noise, w = (
        rng.standard_normal(shape, dtype=np.float32)
        for shape in ((model.policy.c_dim,), (4,), (4,), runtime.action_shape)
    )
    full, half = (runtime.plan("explore", c, z, noise, w, scale) for scale in (1.0, 0.5))
    np.testing.assert_allclose(half.z_tilde, z + 0.25 * full.dz, atol=1e-6)
    assert half.guard.rms_ratio == pytest.approx(full.guard.rms_ratio / 2, rel=1e-4)
    assert full.guard.mahalanobis == pytest.approx(np.linalg.norm(full.z_tilde) / 2, rel=1e-4)
    with torch.no_grad():
        features = model.bottleneck.decode(torch.from_numpy(np.stack([z, full.z_tilde])))
    assert full.guard.displacement == pytest.approx((features[1] - features[0]).norm().item(), rel=1e-4)
    assert math.isnan(runtime.plan("base_z", c, z, noise, w).guard.displacement)
