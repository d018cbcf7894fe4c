# SPDX-License-Identifier: Apache-2.0
"""A reset of two real arms, of arms with their motors off and of a simulated world, step by step, by hand."""

from __future__ import annotations

import pytest

from zprl_core.config import load_rig
from zprl_core.session import ResetWorld
from zprl_core.session.scene_reset import ArmFailed, ArmSeen, ResetDone, SceneReset, StopAsked

RIG = load_rig("dual_open_box")
HOMES_RAD = {arm.name: list(arm.homing.joints_rad) for arm in RIG.arms}
NAMES = "left", "right"
S = 1_000_000_000
SEQUENCE = 7  # of the session's state "resetting"
EFFECT = ResetWorld(episode=3, layout_seed=11)
AGAIN = ResetWorld(episode=3, layout_seed=11, laid_out=True)
C31 = "C31: collision"


def seen(
    arm: str,
    *,
    homed: int = SEQUENCE,
    owner: str = "none",
    fault: str = "",
    off_rad: float = 0.0,
    shadow: bool = False,
) -> ArmSeen:
    """An arm whose fourth joint is so far from its home."""
    joints = list(HOMES_RAD[arm])
    joints[3] += off_rad
    return ArmSeen(joints, owner, shadow, homed, fault)


def started(effect: ResetWorld = EFFECT, layout: str = "") -> SceneReset:
    """A reset that begins at 100 s, as the arms are where an earlier one left them."""
    scene = SceneReset(RIG.arms)
    for arm in NAMES:
        assert scene.on_arm(arm, seen(arm, homed=SEQUENCE - 1), "labelled") is None
    scene.start(effect, SEQUENCE, layout, 100 * S)
    return scene


def both_home(scene: SceneReset) -> SceneReset:
    for arm in NAMES:
        assert scene.on_arm(arm, seen(arm), "resetting") is None
    return scene


def test_nothing_is_laid_out_before_every_arm_has_gone_home() -> None:
    scene = started()
    for arm, reading in [
        ("left", seen("left", homed=6)),  # there, but not for this reset
        ("left", seen("left", homed=0, owner="homing")),
        ("right", seen("right", homed=0, owner="homing")),
        ("left", seen("left")),
        ("right", seen("right", off_rad=0.03)),  # 0.02 are allowed
    ]:
        assert scene.on_arm(arm, reading, "resetting") is None
        assert scene.take_step() is None and scene.displaced
    scene.on_arm("right", seen("right", off_rad=0.01), "resetting")
    assert scene.take_step() == EFFECT and not scene.displaced


def test_a_world_is_laid_out_once_and_the_reset_is_done_once() -> None:
    scene = both_home(started())
    assert [scene.take_step(), scene.take_step()] == [EFFECT, None]
    both_home(scene)
    assert scene.take_step() is None, "it is being laid out"
    scene.laid_out(EFFECT, "an orange at the left", 104 * S)
    assert [scene.take_step(), scene.take_step()] == [ResetDone(3, "an orange at the left"), None]
    both_home(scene)
    assert scene.take_step() is None


def test_an_arm_that_moved_while_the_world_was_laid_out_goes_home_first() -> None:
    scene = both_home(started())
    assert scene.take_step() == EFFECT
    scene.on_arm("left", seen("left", off_rad=-0.05), "resetting")
    scene.laid_out(EFFECT, "an orange", 150 * S)
    assert scene.take_step() is None and scene.displaced
    scene.on_arm("left", seen("left"), "resetting")
    assert [scene.take_step(), scene.take_step()] == [ResetDone(3, "an orange"), None]


def test_what_lies_already_is_not_laid_out_again() -> None:
    """A person moved the arm in "ready": only the way home is due."""
    scene = started(AGAIN, "an orange")
    assert scene.take_step() is None
    both_home(scene)
    assert [scene.take_step(), scene.take_step()] == [ResetDone(3, "an orange"), None]
    scene.on_arm("left", seen("left", off_rad=0.05), "ready")
    assert scene.displaced and scene.take_step() is None, "the session is told, and decides"


NOT_HOME = "after 60 s: arm 'left' has not gone home; arm 'right' has not gone home"


@pytest.mark.parametrize(
    ("now_s", "broken", "late"),
    [
        (100.0, (), ""),
        (159.9, (), ""),
        (160.1, (), NOT_HOME),
        (104.9, ("left",), ""),
        (105.1, ("left",), f"arm 'left': {C31}"),
        (105.1, ("left", "right"), f"arm 'left': {C31}; arm 'right': {C31}"),
        (160.1, ("right",), f"arm 'right': {C31}"),
    ],
)
def test_arms_are_waited_for_60_s_and_a_fault_of_before_5_s(
    now_s: float, broken: tuple[str, ...], late: str
) -> None:
    scene = SceneReset(RIG.arms)
    for arm in broken:
        scene.on_arm(arm, seen(arm, homed=0, fault=C31), "idle")
    scene.start(EFFECT, SEQUENCE, "", 100 * S)
    assert scene.late(round(now_s * S)) == late


def test_a_fault_that_clears_in_time_is_forgotten() -> None:
    scene = SceneReset(RIG.arms)
    scene.on_arm("left", seen("left", fault=C31), "faulted")
    scene.start(EFFECT, SEQUENCE, "", 100 * S)
    assert scene.on_arm("left", seen("left", fault=C31), "resetting") is None, "it is not new"
    scene.on_arm("left", seen("left"), "resetting")
    assert scene.late(106 * S) == ""


def test_the_clock_stands_while_the_world_is_laid_out_and_begins_anew_then() -> None:
    scene = both_home(started())
    assert scene.take_step() == EFFECT
    scene.on_arm("right", seen("right", off_rad=0.05), "resetting")
    assert scene.late(900 * S) == "", "nothing is waited for that an arm could do"
    scene.laid_out(EFFECT, "", 1000 * S)
    assert scene.late(1059 * S) == ""
    assert scene.late(1061 * S) == (
        "after 60 s: arm 'right' was at home, and joint 4 is 0.050 rad from there now, allowed 0.02 rad "
        "(homing.tolerance_rad); was it moved?"
    )


def test_every_reset_has_its_own_60_s_and_way_home() -> None:
    scene = both_home(started())
    assert scene.take_step() == EFFECT
    scene.laid_out(EFFECT, "old", 101 * S)
    later = ResetWorld(episode=3, layout_seed=12)
    scene.start(later, SEQUENCE + 1, "", 200 * S)
    assert scene.take_step() is None and scene.late(259 * S) == ""
    for arm in NAMES:
        scene.on_arm(arm, seen(arm, homed=SEQUENCE + 1), "resetting")
    assert [scene.take_step(), scene.take_step()] == [later, None]


FAILED = ArmFailed(f"arm 'left': {C31}")
OTHERS = "stopped by arm 'right': C31"


@pytest.mark.parametrize(
    ("owner", "state", "fault", "halt"),
    [
        ("homing", "resetting", C31, FAILED),
        ("homing", "stopped", C31, FAILED),  # whoever brought it on its way
        ("none", "resetting", C31, None),  # before it left: it may clear, for 5 s
        ("none", "idle", C31, None),
        ("none", "paused", C31, None),
        ("none", "labelled", C31, None),
        ("human", "ready", C31, FAILED),
        ("policy", "running", C31, FAILED),
        ("homing", "resetting", "stopped by panel: a hand", StopAsked("panel: a hand")),
        ("none", "idle", "stopped by panel: a hand", StopAsked("panel: a hand")),
        ("homing", "resetting", OTHERS, ArmFailed(f"arm 'left': {OTHERS}")),
        ("none", "resetting", OTHERS, None),
    ],
)
def test_a_fault_halts_the_session_once(owner: str, state: str, fault: str, halt: object) -> None:
    scene = started()
    assert scene.on_arm("left", seen("left", homed=0, owner=owner), state) is None
    failed = seen("left", homed=0, owner="stop", fault=fault)
    assert [scene.on_arm("left", failed, state) for _ in range(2)] == [halt, None]


def test_a_fault_that_comes_back_halts_the_session_again() -> None:
    scene = started()
    for _ in range(2):
        assert scene.on_arm("left", seen("left", owner="policy"), "running") is None
        assert scene.on_arm("left", seen("left", owner="stop", fault=C31), "running") == FAILED


def test_an_arm_that_fails_at_home_does_not_count_as_there() -> None:
    """What it measured with the fault is not looked at: the session halts, and nothing is laid out."""
    scene = started()
    scene.on_arm("left", seen("left"), "resetting")
    scene.on_arm("right", seen("right", homed=0, owner="homing"), "resetting")
    assert scene.on_arm("right", seen("right", fault=C31), "resetting") == ArmFailed(f"arm 'right': {C31}")
    assert scene.take_step() is None


@pytest.mark.parametrize("laid_out", [False, True])
def test_nothing_comes_of_a_reset_that_was_stopped(laid_out: bool) -> None:
    """Neither while it waits for the arms to go home, nor where an arm has moved since."""
    scene = started()
    if laid_out:
        assert both_home(scene).take_step() == EFFECT
        scene.on_arm("left", seen("left", off_rad=0.05), "resetting")
        scene.laid_out(EFFECT, "", 101 * S)
    scene.drop()
    assert both_home(scene).take_step() is None
    assert scene.late(900 * S) == ""


def test_a_world_that_answers_for_a_reset_that_was_dropped_is_passed_over() -> None:
    """Of the same episode and layout: a person stopped while it was laid out, cleared and started again."""
    scene = both_home(started())
    assert scene.take_step() == EFFECT
    scene.drop()
    scene.laid_out(EFFECT, "an orange", 101 * S)
    assert scene.take_step() is None
    again = ResetWorld(episode=3, layout_seed=11)
    scene.start(again, SEQUENCE, "", 102 * S)
    assert scene.take_step() is again
    scene.laid_out(EFFECT, "an orange", 103 * S)
    assert scene.take_step() is None, "the world is about to be laid out once more"
    scene.laid_out(again, "an orange", 104 * S)
    assert scene.take_step() == ResetDone(3, "an orange")


def test_with_the_motors_off_an_arm_is_where_it_is() -> None:
    """It answers for the reset, and is not moved home; pushing it displaces nothing."""
    scene = started()
    for arm in NAMES:
        scene.on_arm(arm, seen(arm, homed=6, off_rad=0.5, shadow=True), "resetting")
    assert scene.take_step() is None
    for arm in NAMES:
        scene.on_arm(arm, seen(arm, off_rad=0.5, shadow=True), "resetting")
    assert scene.take_step() == EFFECT
    scene.laid_out(EFFECT, "", 101 * S)
    assert scene.take_step() == ResetDone(3, "")
    scene.on_arm("left", seen("left", off_rad=0.7, shadow=True), "ready")
    assert not scene.displaced


def test_a_simulated_world_waits_for_no_arm() -> None:
    """In lockstep no arm is heard of; in real time its arm is, and has no home to go to."""
    scene, (arm,) = SceneReset(load_rig("sim_xarm6").arms), load_rig("sim_xarm6").arms
    scene.start(EFFECT, SEQUENCE, "", 0)
    assert [scene.take_step(), scene.take_step()] == [EFFECT, None]
    assert scene.late(900 * S) == "" and not scene.displaced
    scene.laid_out(EFFECT, "an orange", 900 * S)
    assert [scene.take_step(), scene.take_step()] == [ResetDone(3, "an orange"), None]
    far = ArmSeen([9.0] * 6, "none", shadow=False, homed_sequence=0, fault="")
    assert scene.on_arm(arm.name, far, "ready") is None and not scene.displaced
    failed = ArmSeen([9.0] * 6, "none", shadow=False, homed_sequence=0, fault=C31)
    assert scene.on_arm(arm.name, failed, "running") == ArmFailed(f"arm '{arm.name}': {C31}")
