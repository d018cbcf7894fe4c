# SPDX-License-Identifier: Apache-2.0
"""What steering does, in numbers: by hand, beside scikit-learn, and as the policy does it state by state."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from tests.steering import study_made as made
from zprl_core import noise
from zprl_core.arithmetic import use_threads
from zprl_core.noise import Stream
from zprl_core.runtime import PolicyRuntime
from zprl_core.steering.effect import Steered, effect, steer
from zprl_core.steering.latents import LatentDistribution

use_threads(1)


def steered(z: np.ndarray, z_tilde: np.ndarray, **more: np.ndarray) -> Steered:
    """Latents whose features are twice as large."""
    z, z_tilde = np.asarray(z, np.float32), np.asarray(z_tilde, np.float32)
    return Steered(z, z_tilde, 2 * z, 2 * z_tilde, **more)


def test_by_hand() -> None:
    """z of 3 and 4, moved by 1 and 0 in one direction; z's unit Gaussian has its last 1 % beyond 4."""
    found = effect(
        steered(np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([[4.0, 0.0], [0.0, 5.0]])),
        LatentDistribution(np.zeros(2), np.eye(2), 4.0),
    )
    assert found.states == 2
    assert found.rms_ratio == pytest.approx(math.sqrt(2.0 / 4) / math.sqrt(25.0 / 4))
    assert (found.mahalanobis, found.mahalanobis_base) == pytest.approx((4.5, 3.5))
    assert found.far == 0.5  # exactly 4 is not beyond
    assert (found.displacement, found.displacement_p95) == pytest.approx((2.0, 2.0))
    assert math.isnan(found.action_shift)
    assert list(found.within().values()) == [False, False]


def test_distances_are_sklearns() -> None:
    rng = np.random.default_rng(0)
    offline = rng.standard_normal((500, 3)) @ rng.standard_normal((3, 3)) + 1.0
    gaussian = LedoitWolf().fit(offline)
    z, z_tilde = (rng.standard_normal((40, 3)).astype(np.float32) for _ in range(2))
    for far in (1.0, 2.5):
        known = LatentDistribution(gaussian.location_, gaussian.precision_, far)
        found = effect(steered(z, z_tilde), known)
        distances = np.sqrt(gaussian.mahalanobis(z_tilde))
        assert found.mahalanobis == pytest.approx(distances.mean())
        assert found.mahalanobis_base == pytest.approx(np.sqrt(gaussian.mahalanobis(z)).mean())
        assert found.far == pytest.approx((distances > far).mean())


def test_an_action_s_shift_is_in_its_own_spread() -> None:
    """Numbers 0 and 2 have a spread of 1; one that never changes says nothing, however far it is moved."""
    z = np.ones((2, 2))
    before = np.array([[[0.0, 5.0]], [[2.0, 5.0]]], np.float32)
    after = np.array([[[0.5, 5.1]], [[2.5, 5.1]]], np.float32)
    found = effect(steered(z, z, actions=before, steered_actions=after), None)
    assert found.action_shift == pytest.approx(0.5)
    alone = steered(z[:1], z[:1], actions=before[:1], steered_actions=after[:1])
    assert math.isnan(effect(alone, None).action_shift)


def test_without_latents_distances_are_not_known() -> None:
    found = effect(steered(np.ones((3, 2)), np.ones((3, 2))), None)
    assert all(math.isnan(value) for value in (found.mahalanobis, found.mahalanobis_base, found.far))
    assert found.rms_ratio == 0.0 and list(found.within().values()) == [True, True]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 2.0), st.integers(1, 5))
def test_twice_as_far_is_twice_the_ratio(scale: float, count: int) -> None:
    rng = np.random.default_rng(count)
    z, dz = rng.standard_normal((2, count, 4))
    one, two = effect(steered(z, z + scale * dz), None), effect(steered(z, z + 2 * scale * dz), None)
    assert two.rms_ratio == pytest.approx(2 * one.rms_ratio, rel=1e-3)
    assert two.displacement == pytest.approx(2 * one.displacement, rel=1e-3)


def test_states_are_steered_as_the_policy_does() -> None:
    """All at once what `PolicyRuntime.plan` makes of each, with the same draws."""
    runtime = PolicyRuntime(made.model(), made.TASK, 0.5)
    c = made.embeddings(7)
    found = steer(runtime, c, 3, actions=True)
    assert found.actions is not None and found.steered_actions is not None
    draws = noise.normal(3, 0, 0, Stream.LATENT, (7, *runtime.latent_shape))
    w = noise.normal(3, 0, 0, Stream.FLOW, (7, *runtime.action_shape))
    none = np.zeros(runtime.latent_shape, np.float32)
    for number in range(7):
        z = runtime.base(c[number], draws[number], w[number])
        plan = runtime.plan("steer", c[number], z, none, w[number])
        unsteered = runtime.plan("base_z", c[number], z, none, w[number])
        assert found.z[number] == pytest.approx(z, abs=1e-5)
        assert found.z_tilde[number] == pytest.approx(plan.z_tilde, abs=1e-5)
        assert found.steered_actions[number] == pytest.approx(plan.actions, abs=1e-4)
        assert found.actions[number] == pytest.approx(unsteered.actions, abs=1e-4)
        guard = effect(replace(found, **{k: v[number : number + 1] for k, v in vars(found).items()}), None)
        assert guard.rms_ratio == pytest.approx(plan.guard.rms_ratio, rel=1e-3)
        assert guard.displacement == pytest.approx(plan.guard.displacement, rel=1e-3)
    again, other = (steer(runtime, c, seed, actions=False) for seed in (3, 4))
    assert np.array_equal(again.z_tilde, found.z_tilde) and again.actions is None
    assert not np.allclose(other.z, found.z)
