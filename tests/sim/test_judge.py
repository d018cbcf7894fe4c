# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest

from tests.sim.episodes import run
from zprl_core.errors import RigError
from zprl_sim import dimensions as dim
from zprl_sim.executor import execute_tick
from zprl_sim.expert import Intent, plan
from zprl_sim.judge import Judge, Outcome, Verdict
from zprl_sim.layout import Layout
from zprl_sim.rig import SimRig

X, Y = dim.JUICER_CENTRE
ON_FILTER = dim.FILTER_TOP - 0.0001  # its weight presses it in a little


@pytest.fixture(scope="module")
def start() -> np.ndarray:
    return SimRig().reset(0).qpos


def put(start: np.ndarray, x: float, y: float, z: float, tilt: float = 0.0, speed: float = 0.0) -> Verdict:
    """The verdict with the half at a place, tilted about x; the arm is at home, 20 cm above the table."""
    qpos, qvel = start.copy(), np.zeros(14)
    qpos[8:15] = (x, y, z, math.cos(tilt / 2), math.sin(tilt / 2), 0.0, 0.0)
    qvel[8] = speed
    return Judge()(qpos, qvel)


def test_resting_on_the_filter_face_down_and_released_is_success(start: np.ndarray) -> None:
    verdict = put(start, X, Y, ON_FILTER)
    assert verdict.outcome is Outcome.SUCCESS
    assert verdict.on_filter
    assert not verdict.touched
    np.testing.assert_allclose(verdict.half_position, (X, Y, ON_FILTER))


@pytest.mark.parametrize("offset", [(0.016, 0.0), (0.0, -0.016)])
def test_anywhere_inside_the_ring_counts(start: np.ndarray, offset: tuple[float, float]) -> None:
    assert put(start, X + offset[0], Y + offset[1], ON_FILTER).outcome is Outcome.SUCCESS


def test_above_the_filter_without_contact_is_not_success(start: np.ndarray) -> None:
    assert put(start, X, Y, dim.FILTER_TOP + 0.002).outcome is not Outcome.SUCCESS


def test_still_moving_is_undecided(start: np.ndarray) -> None:
    assert put(start, X, Y, ON_FILTER, speed=0.1).outcome is Outcome.UNDECIDED


def test_on_the_tray_is_undecided(start: np.ndarray) -> None:
    assert put(start, *dim.TRAY_CENTRE, dim.TRAY_FLOOR).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("place", "tilt", "words"),
    [
        ((0.60, 0.10, 0.0), 0.0, "dropped off the tray"),
        ((0.20, -0.10, 0.0), 0.0, "dropped off the tray"),
        ((0.95, 0.0, -0.3), 0.0, "fell off the table"),
        ((0.40, -0.10, 0.041), math.pi, "tipped"),
        ((X, Y, dim.FILTER_TOP + 0.037), math.pi, "tipped"),
        ((X, Y + 0.02, dim.FILTER_TOP + 0.008), 0.4, "rim"),
    ],
)
def test_what_cannot_be_cured_is_failure(
    start: np.ndarray, place: tuple[float, float, float], tilt: float, words: str
) -> None:
    verdict = put(start, *place, tilt)
    assert verdict.outcome is Outcome.FAILURE
    assert words in verdict.reason


def test_the_tilt_is_measured_from_upright(start: np.ndarray) -> None:
    assert put(start, 0.4, -0.1, 0.1, 0.3).half_tilt == pytest.approx(0.3)


def test_between_the_tongs_nothing_is_decided() -> None:
    rig, layout = SimRig(), Layout((0.41, -0.10))
    rig.reset(layout)
    held, outcomes = 0, set()
    for goal in plan(layout, Intent())[:105]:
        execute_tick(rig, goal)
        state = rig.state()
        verdict = Judge()(state.qpos, state.qvel)
        held += verdict.touched
        outcomes.add(verdict.outcome)
    assert held > 50
    assert outcomes == {Outcome.UNDECIDED}


def test_by_physics_the_half_ends_on_the_filter() -> None:
    verdict = run(SimRig(), Layout((0.41, -0.10)), Intent())
    assert verdict.outcome is Outcome.SUCCESS
    assert verdict.reason == "rests on the filter, released, face down"
    assert verdict.half_position[2] == pytest.approx(dim.FILTER_TOP, abs=5e-4)


def test_the_verdict_depends_on_the_state_alone(start: np.ndarray) -> None:
    judge, still = Judge(), np.zeros(14)
    first = judge(start, still)
    other = start.copy()
    other[8:11] = (X, Y, ON_FILTER)
    judge(other, still)
    assert judge(start, still) == first


def test_a_state_of_another_model_is_refused() -> None:
    with pytest.raises(RigError, match="another model"):
        Judge()(np.zeros(12), np.zeros(12))
