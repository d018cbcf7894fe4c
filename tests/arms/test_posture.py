"""Tools of two arms that are too near each other: they may part, and come no nearer."""

from __future__ import annotations

import numpy as np
import pytest

from zprl_arms.halves import Halves
from zprl_arms.neighbours import StopPoint, ToldWay
from zprl_arms.posture import Posture
from zprl_core.actions import ArmWaypoints
from zprl_core.config import load_rig
from zprl_core.errors import SafetyError
from zprl_core.kinematics import ArmKinematics
from zprl_core.trajectory import Chunk, Setpoint
from zprl_core.transforms import Pose

RIG = load_rig("dual_open_box")
LEFT, RIGHT = RIG.arms
NOW_NS = 5_000_000_000
BASES_M = 0.7
"""From the right arm's base to the left's, along y."""


@pytest.fixture
def posture() -> Posture:
    """Of the left arm; the right one is at its home."""
    made, home = Posture(RIG, LEFT, np.array(LEFT.homing.joints_rad)), np.array(RIGHT.homing.joints_rad)
    made.on_neighbour("right", home, ArmKinematics(RIGHT.model, RIGHT.tool).forward(home), NOW_NS)
    return made


def beside(gap_m: float) -> Pose:
    """A place of the left tool so far from the right one, in the left arm's frame."""
    other = ArmKinematics(RIGHT.model, RIGHT.tool).forward(RIGHT.homing.joints_rad)
    return Pose(other.position + np.array([0.0, gap_m - BASES_M, 0.0]), other.quaternion)


def test_tools_that_come_too_near_are_named(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11), NOW_NS) == ""
    said = posture.nearing_problem(beside(0.09), NOW_NS)
    assert said == "the tool is 0.090 m from that of right, allowed 0.1 m or more (tool_distance_m)"


def test_tools_that_are_too_near_may_part_and_come_no_nearer(posture: Posture) -> None:
    assert posture.nearing_problem(beside(0.11), NOW_NS) == ""
    posture.restart()
    assert posture.nearing_problem(beside(0.08), NOW_NS) == ""
    assert posture.nearing_problem(beside(0.075), NOW_NS) == ""
    assert posture.nearing_problem(beside(0.065), NOW_NS)
    for gap_m in (0.08, 0.09, 0.101):
        assert posture.nearing_problem(beside(gap_m), NOW_NS) == ""
    assert posture.nearing_problem(beside(0.095), NOW_NS)  # it was far enough


def test_an_arm_whose_neighbour_is_silent_does_not_move(posture: Posture) -> None:
    late_ns = NOW_NS + round((LEFT.watchdog_s + 0.01) * 1e9)
    assert "the state of arm 'right' is 0.21 s old, allowed 0.2 s" in posture.nearing_problem(
        beside(0.2), late_ns
    )
    fresh = Posture(RIG, LEFT, np.array(LEFT.homing.joints_rad))
    assert "the state of arm 'right' never came" in fresh.nearing_problem(beside(0.2), NOW_NS)


def test_where_tools_would_come_to_rest_counts(posture: Posture) -> None:
    """0.2 m apart, the right arm was told to go 0.08 m nearer; then the left one 0.03 m, which is too far."""
    home = np.array(RIGHT.homing.joints_rad)
    tool = ArmKinematics(RIGHT.model, RIGHT.tool).forward(home)
    told = Pose(tool.position + np.array([0.0, 0.08, 0.0]), tool.quaternion)
    posture.on_neighbour("right", home, tool, NOW_NS, told)
    left = beside(0.2)
    assert posture.nearing_problem(left, NOW_NS) == ""
    posture.follow(Setpoint.at(beside(0.17)), 0.01, np.array(LEFT.homing.joints_rad))
    said = posture.nearing_problem(left, NOW_NS)
    assert said.startswith("where both arms would come to rest, the tool is 0.090 m from that of right")
    posture.restart()
    assert posture.nearing_problem(left, NOW_NS) == ""


def test_a_stop_point_by_hand() -> None:
    """0.4 m/s along x is braked by 4 m/s^2 within 0.02 m; so is the mean of a burst of late setpoints."""
    told = StopPoint(4.0)
    assert told.place() is None
    for i in range(10):
        told.told(i * 10_000_000, np.array([0.004 * i, 0.0, 1.0]))
    np.testing.assert_allclose(told.place(), [0.036 + 0.02, 0.0, 1.0])
    burst = StopPoint(4.0)
    for t_ms, x in ((0, 0.0), (90, 0.0), (99, 0.03), (100, 0.04)):
        burst.told(t_ms * 1_000_000, np.array([x, 0.0, 0.0]))
    np.testing.assert_allclose(burst.place(), [0.06, 0.0, 0.0])
    fresh = StopPoint(4.0)
    for t_ms, x in ((0, 0.0), (1, 0.01)):
        fresh.told(t_ms * 1_000_000, np.array([x, 0.0, 0.0]))
    np.testing.assert_allclose(fresh.place(), [0.01, 0.0, 0.0])


def chunk_at(stamp_ms: int, count: int = 3) -> Chunk:
    """So many waypoints, 100 ms apart."""
    pose = ArmKinematics(LEFT.model, LEFT.tool).forward(LEFT.homing.joints_rad)
    way = ArmWaypoints(np.tile(pose.position, (count, 1)), np.tile(pose.quaternion, (count, 1)))
    return Chunk(0, 0, stamp_ms * 1_000_000, 0.1, way)


def test_a_told_way_by_hand() -> None:
    """From where it is to the waypoints to come; a chunk replaces what came after its stamp; then at rest."""
    way, now = ToldWay(), np.array([0.5])

    def at(*times_ms: float, now_ms: int = 0) -> list[float]:
        times_ns = np.array([round(t * 1e6) for t in times_ms])
        return [round(float(q), 9) for q in way.at(times_ns, now_ms * 1_000_000, now)[:, 0]]

    assert at(0, 1000) == [0.5, 0.5]
    way.add(chunk_at(100), np.array([[1.0], [2.0], [3.0]]))  # at 200, 300, 400 ms
    assert at(0, 100, 200, 250, 400, 900) == [0.5, 0.75, 1.0, 1.5, 3.0, 3.0]
    assert at(300, 350, now_ms=300) == [0.5, 1.75]
    way.add(chunk_at(300), np.array([[7.0], [8.0]]))  # at 400 and 500 ms; the third is out of its reach
    assert at(300, 350, 400, 900) == [2.0, 4.5, 7.0, 8.0]
    assert (way.times_ns(200_000_000, 400_000_000) == np.array([300, 400]) * 1_000_000).all()
    assert at(900, now_ms=900) == [0.5]


def test_parts_wait_for_each_other_but_not_long() -> None:
    taken: list[str] = []
    halves = Halves(["right"], taken.append)
    halves.mine(0, 1, "a", 0, 0)
    halves.theirs("right", 0, 0, 1_000_000)
    assert taken == []
    halves.theirs("right", 0, 1, 2_000_000)
    assert taken == ["a"]
    halves.mine(0, 1, "b", 0, 3_000_000)  # theirs is known already
    assert taken == ["a", "b"]
    halves.mine(0, 2, "c", 44_000_000, 4_000_000)
    halves.overdue(23_999_999)
    assert taken == ["a", "b"]
    halves.overdue(24_000_000)
    assert taken == ["a", "b", "c"]
    alone = Halves([], taken.append)
    alone.mine(0, 0, "d", 900_000_000, 0)
    assert taken == ["a", "b", "c", "d"]
    halves.mine(0, 3, "e", 300_000_000, 30_000_000)  # there is time: until 30 ms before its start
    halves.overdue(269_999_999)
    assert taken[4:] == []
    halves.overdue(270_000_000)
    assert taken[4:] == ["e"]


@pytest.mark.parametrize(("towards", "slower"), [(1.0, True), (-1.0, False)])
def test_a_joint_nears_its_limit_only_as_fast_as_it_can_stop(towards: float, slower: bool) -> None:
    """0.02 rad before it, and 10 rad/s^2: 0.63 rad/s and a crawl, where 0.9 rad/s are asked for."""
    kinematics, period_s = ArmKinematics(LEFT.model, LEFT.tool), 0.01
    joints = np.array(LEFT.homing.joints_rad)
    joints[5] = kinematics.upper_rad[5] - 0.02
    made = Posture(RIG, LEFT, joints)
    wanted = Setpoint.at(kinematics.forward(joints + towards * np.array([0, 0, 0, 0, 0, 0.009, 0])))
    before = Setpoint.at(kinematics.forward(joints))
    slowed = made.slowed(wanted, before, period_s)
    assert (slowed is not wanted) is slower
    made.follow(slowed, period_s)
    speed = abs(made.commanded_rad[5] - joints[5]) / period_s
    assert speed == pytest.approx(0.64 if slower else 0.9, abs=0.03)


def test_a_setpoint_to_which_a_joint_would_leap_is_not_commanded() -> None:
    """0.1 rad in 10 ms; joints may turn at 1.5 times 0.95 of 2 rad/s."""
    kinematics, joints = ArmKinematics(LEFT.model, LEFT.tool), np.array(LEFT.homing.joints_rad)
    made = Posture(RIG, LEFT, joints)
    far = Setpoint.at(kinematics.forward(joints + np.array([0.1, 0, 0, 0, 0, 0, 0])))
    with pytest.raises(SafetyError, match=r"joint \d would turn at \d+\.\d+ rad/s .* allowed 2.85 rad/s"):
        made.follow(far, 0.01)
    np.testing.assert_array_equal(made.commanded_rad, joints)
    made.follow(far, 0.05)
    assert 0.02 < np.abs(made.commanded_rad - joints).max() < 0.11
