# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.episodes import run
from zprl_core.transforms import angle_between
from zprl_sim import dimensions as dim
from zprl_sim.expert import (
    AIM_TOLERANCE,
    CARRY_CLEARANCE,
    NO_FLAWS,
    Flaws,
    Intent,
    aim_error,
    carry_drop,
    draw_intent,
    expected_intent,
    plan,
)
from zprl_sim.judge import Outcome
from zprl_sim.layout import Layout, draw_layout
from zprl_sim.rig import SimRig

TRAY_X, TRAY_Y = dim.TRAY_CENTRE


@pytest.fixture(scope="module")
def rig() -> SimRig:
    return SimRig()


@pytest.mark.parametrize("seed", range(12))
def test_without_flaws_it_succeeds(rig: SimRig, seed: int) -> None:
    intent = draw_intent(draw_layout(seed), NO_FLAWS, seed)
    assert intent == Intent()
    assert run(rig, seed, intent).outcome is Outcome.SUCCESS


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("seed", [100, 101])
def test_a_grasp_off_by_twelve_millimetres_is_forgiven_and_nineteen_are_not(
    rig: SimRig, seed: int, side: float
) -> None:
    assert run(rig, seed, Intent((0.0, side * 0.012))).outcome is Outcome.SUCCESS
    assert run(rig, seed, Intent((0.0, side * 0.019))).outcome is not Outcome.SUCCESS


def test_along_the_closing_direction_the_tongs_centre_the_half(rig: SimRig) -> None:
    assert run(rig, 100, Intent((0.012, 0.0))).outcome is Outcome.SUCCESS


def test_a_carry_below_the_ring_collides_with_the_juicer(rig: SimRig) -> None:
    """From the far side, where the demonstrations do it; on a longer way the half may slip over the edge."""
    far = [Layout((TRAY_X + x, TRAY_Y + y)) for x in (0.03, 0.06) for y in (-0.08, 0.0, 0.08)]
    lost = [run(rig, layout, Intent(carry_clearance=-0.015)) for layout in far]
    assert sum(verdict.outcome is Outcome.SUCCESS for verdict in lost) <= 1
    assert any(verdict.outcome is Outcome.FAILURE for verdict in lost)
    assert run(rig, 200, Intent(carry_clearance=0.008)).outcome is Outcome.SUCCESS


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_the_path_starts_at_rest_and_is_smooth_and_within_the_rigs_limits(seed: int) -> None:
    layout = draw_layout(seed)
    setpoints = plan(layout, draw_intent(layout, Flaws(), seed))
    assert len(setpoints) <= 180
    positions = np.array([s.position for s in setpoints])
    np.testing.assert_allclose(positions[:2], np.tile(layout.home_tcp, (2, 1)), atol=1e-12)
    velocity = np.diff(positions, axis=0) * dim.TICK_HZ
    assert np.linalg.norm(velocity, axis=1).max() < 0.65
    assert np.linalg.norm(np.diff(velocity, axis=0), axis=1).max() * dim.TICK_HZ < 6.0
    quaternions = np.array([s.quaternion for s in setpoints])
    assert (angle_between(quaternions[1:], quaternions[:-1]) * dim.TICK_HZ).max() < 3.0
    widths = np.array([s.gripper_width for s in setpoints])
    assert (np.abs(np.diff(widths)) * dim.TICK_HZ).max() < 0.3


def test_it_turns_the_wrist_by_a_quarter_while_carrying() -> None:
    setpoints = plan(Layout((0.41, -0.10)), Intent())
    assert angle_between(setpoints[60].quaternion, setpoints[-1].quaternion) == pytest.approx(dim.PLACE_YAW)


def test_the_aim_error_points_outward_and_changes_sign_across_the_tray() -> None:
    flaws = Flaws()
    left, centre, right = (aim_error(Layout((TRAY_X, TRAY_Y + y)), flaws) for y in (-0.09, 0.0, 0.09))
    assert centre == 0.0
    assert right == -left
    assert AIM_TOLERANCE + 0.003 < right <= flaws.aim_error


def test_the_carry_is_too_low_on_the_far_side_only() -> None:
    flaws = Flaws()
    near, far = (carry_drop(Layout((TRAY_X + x, TRAY_Y)), flaws) for x in (-0.05, 0.06))
    assert near < 0.001
    assert CARRY_CLEARANCE - far == pytest.approx(-0.015)


def test_the_flaws_do_not_average_out() -> None:
    corner = Layout((TRAY_X + 0.055, TRAY_Y + 0.10))
    flaws = Flaws()
    drawn = [draw_intent(corner, flaws, seed) for seed in range(2000)]
    mean_aim = np.mean([intent.aim_xy[1] for intent in drawn])
    mean_clearance = np.mean([intent.carry_clearance for intent in drawn])
    expected = expected_intent(corner, flaws)
    assert mean_aim == pytest.approx(expected.aim_xy[1], abs=0.001)
    assert mean_clearance == pytest.approx(expected.carry_clearance, abs=0.002)
    assert expected.flaws == ("aim", "low_carry")
    good = sum(intent.flaws == () for intent in drawn) / len(drawn)
    assert good == pytest.approx((1 - flaws.aim_share) * (1 - flaws.low_share), abs=0.04)


def test_what_the_demonstrations_do_on_average_fails_outside_and_works_inside(rig: SimRig) -> None:
    for y in (-0.10, 0.10):
        layout = Layout((TRAY_X - 0.04, TRAY_Y + y))
        assert run(rig, layout, expected_intent(layout, Flaws())).outcome is not Outcome.SUCCESS
    inside = Layout((TRAY_X - 0.04, TRAY_Y + 0.02))
    assert run(rig, inside, expected_intent(inside, Flaws())).outcome is Outcome.SUCCESS


def test_behaving_as_if_the_half_lay_further_inward_cures_the_mean(rig: SimRig) -> None:
    """What steering can reach: the average behaviour for another place, executed on this one."""
    y, flaws = 0.10, Flaws()
    pretended = Layout((TRAY_X - 0.04, TRAY_Y + y - 0.015))
    error = pretended.half_xy[1] + expected_intent(pretended, flaws).aim_xy[1] - (TRAY_Y + y)
    layout = Layout((TRAY_X - 0.04, TRAY_Y + y))
    assert run(rig, layout, Intent((0.0, error))).outcome is Outcome.SUCCESS


def test_a_demonstration_is_a_function_of_layout_and_seed() -> None:
    layout = draw_layout(1)
    assert draw_intent(layout, Flaws(), 5) == draw_intent(layout, Flaws(), 5)
    assert draw_intent(layout, Flaws(), 5) != draw_intent(layout, Flaws(), 6)
