"""What is asked of a chunk at its admission, beyond the checks in test_safety: by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.errors import ConfigError, SafetyError
from zprl_core.safety import ChunkCommand, KeepOut, SafetyGate, SafetyLimits, Situation
from zprl_core.safety.checks import (
    check_gripper,
    check_keep_out,
    check_lease,
    check_speed,
    check_workspace,
)
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import quaternion_from_rotvec

POST = KeepOut("post", (0.1, -0.1, 0.0), (0.2, 0.1, 0.3))
LIMITS = SafetyLimits((-0.5, -0.5, 0.0), (0.5, 0.5, 0.5), linear_m_s=0.5, keep_out=(POST,))
STRICT = replace(
    LIMITS, outside="refuse", too_fast="refuse", linear_m_s2=2.0, angular_rad_s2=8.0, gripper_m_s=0.1
)
HOME = Setpoint(np.array([0.0, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]), 0.05)
HERE = Situation(1_000_000_000, "run", 0, "running", HOME)


def chunk(
    places: list[tuple[float, float, float]],
    turns: list[float] | None = None,
    widths: list[float] | None = None,
    stamp_ns: int = 1_000_000_000,
) -> Chunk:
    """Waypoints 0.1 s apart."""
    turns = turns or [0.0] * len(places)
    quaternions = quaternion_from_rotvec([[0.0, 0.0, turn] for turn in turns])
    waypoints = ArmWaypoints(np.array(places), quaternions, None if widths is None else np.array(widths))
    return Chunk(0, 0, stamp_ns, 0.1, waypoints)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ([(0.05, 0.0, 0.2), (0.099, 0.0, 0.2)], ""),
        ([(0.1, 0.0, 0.2)], ""),  # its face is outside
        ([(0.05, 0.0, 0.2), (0.15, 0.0, 0.2)], "waypoint 1 at (0.150, 0.000, 0.200) m enters 'post'"),
        ([(0.05, 0.0, 0.2), (0.3, 0.0, 0.2)], "waypoint 1 at"),  # through it
        ([(0.15, 0.0, 0.31)], "waypoint 0 at"),  # past its edge, from the present setpoint
        ([(0.05, 0.0, 0.35), (0.3, 0.0, 0.35), (0.3, 0.0, 0.1)], ""),  # over it
    ],
)
def test_keep_out(places: list[tuple[float, float, float]], reason: str) -> None:
    found = check_keep_out(chunk(places), HERE, LIMITS)
    assert reason in found and bool(found) == bool(reason)


def test_keep_out_forgets_what_is_over() -> None:
    late = chunk([(0.15, 0.0, 0.2), (0.05, 0.0, 0.2)], stamp_ns=850_000_000)
    assert check_keep_out(late, HERE, LIMITS) == ""


def test_outside_is_clamped_or_refused() -> None:
    outside = chunk([(0.0, 0.0, -0.01)])
    assert check_workspace(outside, HERE, LIMITS) == ""
    assert "0.010 m outside the workspace" in check_workspace(outside, HERE, STRICT)
    assert "allowed 0.000 m" in check_workspace(outside, HERE, STRICT)
    assert check_workspace(chunk([(0.5, 0.0, 0.0)]), HERE, STRICT) == ""
    assert "0.060 m outside" in check_workspace(chunk([(0.0, 0.0, -0.06)]), HERE, LIMITS)


@pytest.mark.parametrize(
    ("places", "turns", "reason"),
    [
        ([(0.02, 0, 0.2), (0.05, 0, 0.2)], None, ""),  # 0.2 and 0.3 m/s; 1 m/s^2
        ([(0.02, 0, 0.2), (0.08, 0, 0.2)], None, "waypoint 1 takes 0.600 m/s, allowed 0.5 m/s"),
        ([(-0.06, 0, 0.2)], None, "waypoint 0 takes 0.600 m/s"),  # from the present setpoint
        (
            [(0.04, 0, 0.2), (0.03, 0, 0.2)],
            None,
            "waypoint 0 the velocity changes by 5.00 m/s^2, allowed 2 m/s^2",
        ),
        ([(0, 0, 0.2)] * 2, [0.1, 0.25], ""),  # 1 and 1.5 rad/s; 5 rad/s^2
        ([(0, 0, 0.2)] * 2, [0.1, 0.35], "waypoint 1 takes 2.500 rad/s, allowed 2 rad/s"),
        ([(0, 0, 0.2)] * 2, [0.1, 0.0], "waypoint 0 the velocity changes by 20.00 rad/s^2"),
    ],
)
def test_speed(places: list[tuple[float, float, float]], turns: list[float] | None, reason: str) -> None:
    asked = chunk(places, turns)
    found = check_speed(asked, HERE, STRICT)
    assert reason in found and bool(found) == bool(reason)
    assert check_speed(asked, HERE, LIMITS) == ""  # followed at the limit


def test_speed_counts_from_the_first_waypoint_to_come() -> None:
    late = chunk([(0.4, 0, 0.2), (0.04, 0, 0.2), (0.12, 0, 0.2)], stamp_ns=850_000_000)
    assert "waypoint 2 takes 0.800 m/s" in check_speed(late, HERE, STRICT)


@pytest.mark.parametrize(
    ("widths", "reason"),
    [
        (None, ""),
        ([0.055, 0.06], ""),
        ([0.05, 0.101], "waypoint 1: gripper width 0.1010 m, allowed 0.0000 to 0.1000 m"),
        ([-0.001, 0.0], "waypoint 0: gripper width -0.0010 m"),
        ([0.07, 0.07], "waypoint 0 takes the gripper's 0.200 m/s, allowed 0.1 m/s"),
    ],
)
def test_gripper(widths: list[float] | None, reason: str) -> None:
    asked = chunk([(0.0, 0.0, 0.2)] * 2, widths=widths)
    found = check_gripper(asked, HERE, STRICT)
    assert reason in found and bool(found) == bool(reason)
    assert check_gripper(asked, HERE, LIMITS) == ""


def test_a_gripper_without_a_present_width_is_judged_between_waypoints() -> None:
    unknown = replace(HERE, setpoint=Setpoint(HOME.position, HOME.quaternion))
    assert check_gripper(chunk([(0, 0, 0.2)], widths=[0.09]), unknown, STRICT) == ""
    found = check_gripper(chunk([(0, 0, 0.2)] * 2, widths=[0.09, 0.05]), unknown, STRICT)
    assert "waypoint 1 takes the gripper's 0.400 m/s" in found


def test_the_gate_asks_all_of_it() -> None:
    gate = SafetyGate(ActionCodec("rotvec", 1, True), STRICT)
    rows = np.zeros((2, 7))
    rows[:, 2], rows[:, 6] = 0.2, 0.05

    def admit(frame: str | None = None, here: str = "", **at_last: float) -> Chunk:
        asked = rows.copy()
        for key, value in at_last.items():
            asked[1, "xyzabcg".index(key)] = value
        command = ChunkCommand("run", 0, 0, 1_000_000_000, 0.1, 7, asked, frame=frame)
        return gate.admit(command, replace(HERE, frame=here))

    assert admit() and admit("left", "left") and admit("left", "") and admit(None, "left")
    with pytest.raises(SafetyError, match="for another arm: its frame is 'right', this one's 'left'"):
        admit("right", "left")
    with pytest.raises(SafetyError, match="enters 'post'"):
        admit(x=0.15)
    with pytest.raises(SafetyError, match=r"takes 0\.600 m/s"):
        admit(y=0.06)
    with pytest.raises(SafetyError, match="gripper width"):
        admit(g=0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"linear_m_s3": 5.0}, "needs linear_m_s2"),
        ({"linear_m_s2": 0.0}, "linear_m_s2: 0.0"),
        ({"outside": "ignore"}, "allowed: clamp, refuse"),
        ({"keep_out": (KeepOut("post", (0.2, 0, 0), (0.1, 1, 1)),)}, "keep-out post"),
    ],
)
def test_impossible_limits(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(LIMITS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("width_m", "refused"), [(0.10, False), (0.149, False), (0.151, True), (1e300, True)]
)
def test_a_width_far_out_of_range_is_not_meant(width_m: float, refused: bool) -> None:
    """0.1 m is open; what a policy asks for beyond it is clamped, up to 50 mm of it."""
    found = check_gripper(chunk([(0.0, 0.0, 0.2)], widths=[width_m]), HERE, LIMITS)
    assert bool(found) == refused and len(found) < 120
    if refused:
        assert "allowed 0.0000 to 0.1000 m, and 0.05 m beyond" in found


def test_absurd_numbers_are_told_in_short() -> None:
    said = check_workspace(chunk([(1e300, 0.0, 0.2)]), HERE, LIMITS)
    assert "(1e+300, 0.000, 0.200) m" in said and len(said) < 200


@pytest.mark.parametrize(
    ("frame", "refused"), [("arm_base", False), ("other_base", True), ("", True), (None, False)]
)
def test_a_chunk_says_for_which_arm_it_is(frame: str | None, refused: bool) -> None:
    """None: it did not come as a message."""
    command = ChunkCommand("run", 0, 0, 1_000_000_000, 0.1, 7, np.zeros((1, 7)), frame=frame)
    found = check_lease(command, replace(HERE, frame="arm_base"))
    assert bool(found) == refused and (not refused or f"its frame is {frame!r}" in found)
