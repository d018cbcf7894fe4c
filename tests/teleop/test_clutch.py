"""A hand that moves an arm: where to, and when not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.teleop import Clutch, ClutchSettings, Grasp, HandSample, Target
from zprl_core.transforms import Pose, quaternion_from_rotvec, quaternion_multiply

MS = 1_000_000
PERIOD_NS = 14 * MS  # of a headset at 72 Hz
TOOL = Pose(np.array([0.4, 0.1, 0.2]), np.array([0.0, 1.0, 0.0, 0.0]))
SETTINGS = ClutchSettings()


def hand(n: int, position: Iterable[float] = (0.0, 1.2, -0.3), **more: object) -> HandSample:
    """What the headset says in its n-th frame; the grip is pressed."""
    turn = more.pop("turn", (0.0, 0.0, 0.0))
    pose = Pose(np.array(list(position)), quaternion_from_rotvec(np.array(turn)))
    return HandSample(n * PERIOD_NS, 1e-6 * n * PERIOD_NS, pose, **{"grip": 1.0, **more})  # type: ignore[arg-type]


def closed(settings: ClutchSettings = SETTINGS) -> Clutch:
    """Closed in frame 1."""
    clutch = Clutch(settings)
    assert clutch.hand(hand(0, grip=0.0), TOOL) == Target(None)
    clutch.hand(hand(1), TOOL)
    assert clutch.closed
    return clutch


def pose(target: Target) -> Pose:
    assert target.pose is not None and target.why == ""
    return target.pose


def assert_same(found: Pose, expected: Pose) -> None:
    gap_m, gap_rad = found.distance(expected)
    assert gap_m < 1e-12 and gap_rad < 1e-7


@pytest.mark.parametrize(
    ("yaw_rad", "moved", "expected"),
    [
        (0.0, (0.0, 0.0, -0.01), (0.01, 0.0, 0.0)),  # away from a wearer who stands behind the arm
        (0.0, (0.01, 0.0, 0.0), (0.0, -0.01, 0.0)),  # to the right
        (0.0, (0.0, 0.01, 0.0), (0.0, 0.0, 0.01)),  # up
        (math.pi, (0.0, 0.0, -0.01), (-0.01, 0.0, 0.0)),  # towards the arm, facing it
        (math.pi / 2, (0.0, 0.0, -0.01), (0.0, 0.01, 0.0)),  # the wearer looks along y
    ],
)
def test_the_tool_goes_where_the_hand_goes(
    yaw_rad: float, moved: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    clutch = closed(replace(SETTINGS, yaw_rad=yaw_rad, scale=2.0))
    found = pose(clutch.hand(hand(2, np.add((0.0, 1.2, -0.3), moved)), TOOL))
    np.testing.assert_allclose(found.position - TOOL.position, 2.0 * np.array(expected), atol=1e-12)
    np.testing.assert_allclose(found.quaternion, TOOL.quaternion, atol=1e-12)


def test_the_tool_turns_about_itself_as_the_hand_does() -> None:
    """The hand turns about its own upward axis; the base frame's z."""
    found = pose(closed().hand(hand(2, turn=(0.0, 0.1, 0.0)), TOOL))
    expected = quaternion_multiply(quaternion_from_rotvec([0.0, 0.0, 0.1]), TOOL.quaternion)
    np.testing.assert_allclose(found.position, TOOL.position, atol=1e-12)
    np.testing.assert_allclose(found.quaternion, expected, atol=1e-12)


def test_locked_axes_do_not_move() -> None:
    clutch = closed(replace(SETTINGS, locked=frozenset({"x", "z", "rotation"})))
    found = pose(clutch.hand(hand(2, (0.02, 1.22, -0.32), turn=(0.1, 0.0, 0.0)), TOOL))
    np.testing.assert_allclose(found.position - TOOL.position, [0.0, -0.02, 0.0], atol=1e-12)
    np.testing.assert_array_equal(found.quaternion, TOOL.quaternion)


def test_a_grip_that_is_held_from_the_start_closes_nothing() -> None:
    clutch = Clutch(SETTINGS)
    for n in range(3):
        assert clutch.hand(hand(n), TOOL) == Target(None)
    clutch.hand(hand(3, grip=0.0), TOOL)
    assert pose(clutch.hand(hand(4), TOOL)) is not None


def test_the_grip_has_play() -> None:
    clutch = closed()
    assert clutch.hand(hand(2, grip=0.5), TOOL).pose is not None
    assert clutch.hand(hand(3, grip=0.4), TOOL) == Target(None)
    assert clutch.hand(hand(4, grip=0.5), TOOL) == Target(None)
    assert clutch.hand(hand(5, grip=0.6), TOOL).pose is not None


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        (hand(2, tracked=False), "does not see the controller"),
        (hand(2, (0.0, 1.3, -0.3)), "jumped by 0.10 m and 0.0 rad in 14 ms"),
        (hand(2, turn=(0.5, 0.0, 0.0)), "jumped by 0.00 m and 0.5 rad in 14 ms"),
    ],
)
def test_a_hand_that_cannot_be_followed_opens_until_it_is_let_go(sample: HandSample, why: str) -> None:
    clutch = closed()
    assert why in clutch.hand(sample, TOOL).why and not clutch.closed
    after = clutch.hand(hand(3, sample.pose.position), TOOL)
    assert after.pose is None and why in after.why
    clutch.hand(hand(40, grip=0.0), TOOL)
    assert_same(pose(clutch.hand(hand(41), TOOL)), TOOL)


def test_silence_opens_it() -> None:
    clutch = closed()
    assert clutch.time(PERIOD_NS + 300 * MS).pose is not None
    assert clutch.time(PERIOD_NS + 301 * MS).why.startswith(
        "no word from the headset for 0.30 s, allowed 0.3"
    )
    assert clutch.hand(hand(30), TOOL).pose is None, "until it is let go"


def test_what_opened_it_first_is_said() -> None:
    clutch = closed()
    clutch.open("the page lost the focus")
    clutch.open("another")
    assert clutch.hand(hand(2), TOOL).why == "the page lost the focus"


number = st.floats(-1.0, 1.0)
vector = st.tuples(number, number, number)


@given(vector, vector, vector, vector, st.floats(0.1, 3.0), st.floats(-math.pi, math.pi))
def test_closing_again_never_jumps(
    at: tuple[float, ...],
    turn: tuple[float, ...],
    tool_at: tuple[float, ...],
    tool_turn: tuple[float, ...],
    scale: float,
    yaw_rad: float,
) -> None:
    """Wherever the hand and the arm have gone meanwhile."""
    clutch = closed(replace(SETTINGS, scale=scale, yaw_rad=yaw_rad))
    tool = Pose(np.array(tool_at), quaternion_from_rotvec(np.array(tool_turn)))
    clutch.hand(hand(2, grip=0.0), TOOL)
    clutch.hand(hand(500, at, turn=turn, grip=0.0), tool)
    assert_same(pose(clutch.hand(hand(501, at, turn=turn), tool)), tool)


def test_the_trigger_shuts_the_gripper() -> None:
    grasp = Grasp(0.0, 0.08)
    assert [grasp.width_m(trigger) for trigger in (0.0, 0.5, 1.0, 2.0)] == [0.08, 0.04, 0.0, 0.0]


def test_a_grasp_is_kept_until_the_trigger_has_passed_it() -> None:
    grasp = Grasp(0.0, 0.08)
    grasp.take(0.03)
    assert [grasp.width_m(trigger) for trigger in (0.0, 0.3, 0.6)] == [0.03, 0.03, 0.03]
    assert grasp.width_m(0.725) == pytest.approx(0.02)
    assert grasp.width_m(0.275) == pytest.approx(0.06)
    grasp.take(0.06)
    assert [grasp.width_m(trigger) for trigger in (1.0, 0.5)] == [0.06, 0.06]
    assert grasp.width_m(0.275) == pytest.approx(0.06)
    assert grasp.width_m(0.5) == pytest.approx(0.04)


@pytest.mark.parametrize(("kept_m", "reached", "back"), [(0.0, 0.96, 0.5), (0.08, 0.04, 0.5)])
def test_a_worn_trigger_gets_hold_of_a_gripper_at_its_end(kept_m: float, reached: float, back: float) -> None:
    grasp = Grasp(0.0, 0.08)
    grasp.take(kept_m)
    assert grasp.width_m(back) == kept_m
    assert grasp.width_m(reached) == kept_m, "it is not let go on the way"
    assert grasp.width_m(back) == pytest.approx(0.04)
