"""Whether the arm does what it is told: by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_core.safety.supervision import (
    CommandedPoses,
    contact_problem,
    stale_problem,
    tools_problem,
    tracking_problem,
)
from zprl_core.transforms import Pose, quaternion_from_rotvec

HERE = Pose(np.array([0.3, 0.0, 0.2]))


@pytest.mark.parametrize(
    ("move", "turn", "reason"),
    [
        (0.09, 0.0, ""),
        (0.11, 0.0, "0.110 m from where it was told to be, allowed 0.1 m (limits.tracking_m)"),
        (0.0, 0.59, ""),
        (0.0, 0.61, "turned 0.61 rad from how it was told to be, allowed 0.6 rad"),
    ],
)
def test_tracking(move: float, turn: float, reason: str) -> None:
    measured = Pose(HERE.position + np.array([0.0, move, 0.0]), quaternion_from_rotvec([turn, 0.0, 0.0]))
    found = tracking_problem(HERE, measured, 0.1, 0.6)
    assert reason in found and bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("wrench", "most_n", "most_nm", "reason"),
    [
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 6.0, None, ""),  # 5 N
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 4.0, None, "force of 5.0 N at the tool, allowed 4 N"),
        ([3.0, 4.0, 0.0, 0.0, 0.0, 9.0], 6.0, 8.0, "torque of 9.0 Nm at the tool, allowed 8 Nm"),
        (None, None, None, ""),
        (None, 6.0, None, "limits.external_force_n), and the arm reports none"),
        ([np.nan] * 6, None, 8.0, "external torque (limits.external_torque_nm), and the arm reports"),
    ],
)
def test_contact(
    wrench: list[float] | None, most_n: float | None, most_nm: float | None, reason: str
) -> None:
    found = contact_problem(None if wrench is None else np.array(wrench), most_n, most_nm)
    assert reason in found and bool(found) == bool(reason)


def test_stale() -> None:
    second = 1_000_000_000
    assert stale_problem(second, second + 50_000_000, 0.05) == ""
    assert "0.060 s old, allowed 0.05 s" in stale_problem(second, second + 60_000_000, 0.05)
    assert "stamped 0.060 s ahead of the clock" in stale_problem(second, second - 60_000_000, 0.05)


def test_two_tools() -> None:
    other = Pose(HERE.position + np.array([0.0, 0.03, 0.04]))
    assert tools_problem(HERE, other, 0.05) == ""
    assert "0.050 m from that of right, allowed 0.06 m" in tools_problem(HERE, other, 0.06, "right")


def at(x: float) -> Pose:
    return Pose(np.array([x, 0.0, 0.2]))


def told(delay_s: float, times: list[int], reach_s: float = 1.0) -> CommandedPoses:
    """Told at each time, ns, to be at x = time in seconds; the first one is where it starts."""
    poses = CommandedPoses(times[0], at(times[0] * 1e-9), delay_s, reach_s)
    for time_ns in times[1:]:
        poses.add(time_ns, at(time_ns * 1e-9))
    return poses


@pytest.mark.parametrize(
    ("delay_s", "stamp_ms", "due_ms"),
    [
        (0.0, 300, 300),
        (0.0, 299, 200),
        (0.0, 900, 400),  # nothing newer was commanded
        (0.1, 300, 200),
        (0.1, 299, 100),
        (0.1, 150, 100),  # before the first one: where it started
        (0.25, 460, 200),
    ],
)
def test_the_pose_that_is_due(delay_s: float, stamp_ms: int, due_ms: int) -> None:
    poses = told(delay_s, [ms * 1_000_000 for ms in (100, 200, 300, 400)])
    assert poses.due(stamp_ms * 1_000_000).position[0] == pytest.approx(1e-3 * due_ms)


def test_a_setpoint_for_the_same_time_replaces_the_last_one() -> None:
    poses = told(0.0, [0, 100])
    poses.add(100, at(7.0))
    assert poses.due(100).position[0] == 7.0
    assert poses.due(99).position[0] == 0.0


def test_the_oldest_measurement_that_is_compared_still_finds_its_pose() -> None:
    """At 500 ms a measurement may be 200 ms old, and 100 ms late: it is due where it was told at 200 ms."""
    poses = told(0.1, [ms * 1_000_000 for ms in range(0, 600, 100)], reach_s=0.2)
    assert len(poses) == 4
    assert poses.due(300_000_000).position[0] == pytest.approx(0.2)


def test_after_a_restart_nothing_earlier_counts() -> None:
    poses = told(0.1, [ms * 1_000_000 for ms in (100, 200, 300)])
    poses.restart(310_000_000, at(9.0))
    assert poses.due(320_000_000).position[0] == 9.0


def test_at_one_metre_a_second_a_late_arm_does_not_trip_and_a_stuck_one_does() -> None:
    """100 ms late, tracking_m 0.1, 100 setpoints a second."""
    period_ns, late_ns = 10_000_000, 100_000_000
    poses = CommandedPoses(0, at(0.0), 0.1, 0.2)
    for n in range(1, 101):
        t_ns = n * period_ns
        poses.add(t_ns, at(t_ns * 1e-9))
        follows = at(max(t_ns - late_ns, 0) * 1e-9)
        assert tracking_problem(poses.due(t_ns), follows, 0.1, 0.6) == ""
        stuck = tracking_problem(poses.due(t_ns), at(0.0), 0.1, 0.6)
        assert bool(stuck) == (t_ns > 200_000_000), "0.1 m after 0.1 s, and 0.1 s for the delay"
    assert tracking_problem(at(1.0), at(0.9 - 1e-3), 0.1, 0.6), "the newest setpoint would have tripped it"


@given(
    steps_ms=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    delay_ms=st.integers(0, 300),
    age_ms=st.integers(0, 200),
)
def test_it_forgets_only_what_no_measurement_can_ask_for(
    steps_ms: list[int], delay_ms: int, age_ms: int
) -> None:
    times = [int(t) * 1_000_000 for t in np.cumsum([0, *steps_ms])]
    poses = told(1e-3 * delay_ms, times, reach_s=0.2)
    asked_ns = times[-1] - age_ms * 1_000_000
    passed = [t for t in times if t <= asked_ns - delay_ms * 1_000_000]
    assert poses.due(asked_ns).position[0] == pytest.approx((passed[-1] if passed else times[0]) * 1e-9)
    assert len(poses) <= 2 + sum(t > times[-1] - (delay_ms + 200) * 1_000_000 for t in times)
