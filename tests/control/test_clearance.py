"""Distances on the way from one posture to the next: how fast they change; nothing is passed over."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.control.test_kinematics import GATE, LIMITS, READY, TOOL, XARM6, angles
from zprl_core.kinematics import (
    MODELS,
    ArmBodies,
    ArmKinematics,
    Bodies,
    KinematicGate,
    OtherArm,
    OtherWay,
    other_gaps,
    table_gaps,
    tool_gaps,
)
from zprl_core.transforms import Pose, quaternion_from_rotvec

STILL_M = 1.1
"""From the xArm-6's base to that of another one, which faces it."""


def facing(away_m: float = STILL_M) -> ArmBodies:
    """An xArm-6 that faces the one at the origin."""
    return ArmBodies(XARM6, Pose(np.array([away_m, 0.0, 0.0]), quaternion_from_rotvec([0.0, 0.0, math.pi])))


def gaps(mine: ArmBodies, joints: np.ndarray, other: Bodies) -> np.ndarray:
    """All distances of an arm in one posture."""
    bodies = mine.at(joints)
    tools = np.array([np.linalg.norm(bodies.tool - other.tool)])
    parts = (
        mine.link_gaps(bodies),
        table_gaps(bodies, 0.0),
        tool_gaps(bodies, 0.0),
        other_gaps(bodies, other),
    )
    return np.concatenate([tools, *(part.distance_m for part in parts)])


@pytest.mark.parametrize("model", sorted(MODELS))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), turns=st.lists(st.floats(-0.5, 0.5), min_size=7, max_size=7))
def test_no_distance_changes_faster_than_the_joints_allow(model: str, seed: int, turns: list[float]) -> None:
    arm = ArmKinematics(model, TOOL)
    mine, other, start = ArmBodies(arm), facing().at(READY), angles(arm, seed)
    turn = np.array(turns[: arm.joints])
    before = gaps(mine, start, other)
    for share in (0.25, 0.5, 1.0):
        change = np.abs(gaps(mine, start + share * turn, other) - before).max()
        assert change <= share * float(mine.motion_m(turn)) + 1e-9


def test_how_far_a_joint_may_move_a_body_by_hand() -> None:
    """The xArm's joint 6 turns a tool that ends 50 mm beside its axis and 53 mm ahead of the flange; the
    flange is 76 mm beside and 97 mm ahead of joint 5, and could lie in line with the tool.
    """
    arm = ArmKinematics("xarm6", replace(TOOL, position_m=(0.0, 0.05, 0.053)))
    reach = ArmBodies(arm).reach_m
    assert reach[5] == pytest.approx(0.05)
    assert reach[4] == pytest.approx(math.hypot(0.076, 0.097) + math.hypot(0.05, 0.053))
    assert (ArmBodies(ArmKinematics("xarm6")).reach_m <= reach + 1e-12).all()


@settings(max_examples=40, deadline=None)
@example(seed=1, mine=[0.0] * 6, theirs=[0.9, 0.3, -0.2, 0.1, 0.4, 0.0], meet=0.37)
@given(
    seed=st.integers(0, 2**31),
    mine=st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6),
    theirs=st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6),
    meet=st.floats(0.05, 0.95),
)
def test_a_way_is_asked_finely_enough(seed: int, mine: list[float], theirs: list[float], meet: float) -> None:
    """Two tools pass through each other somewhere in one step: that is seen wherever they are to stay apart
    by more than half of what may lie between two postures that are looked at. Only the tools count here.
    """
    gate = KinematicGate(XARM6, replace(LIMITS, link_distance_m=-10.0, table_m=None))
    mine_rad = np.vstack((angles(XARM6, seed), angles(XARM6, seed) + mine))
    their_rad = np.vstack((READY, READY + theirs))
    places = [XARM6.forward(way[0] + meet * (way[1] - way[0])).position for way in (mine_rad, their_rad)]
    other = ArmBodies(XARM6, Pose(places[0] - places[1]))
    way = OtherWay("right", other, their_rad, 0.0)
    assert gate.way_problem(mine_rad, [way]) == ""
    began_m = float(np.linalg.norm(gate.bodies.at(mine_rad[0]).tool - other.at(READY).tool))
    if began_m > 0.0051:  # the start itself is not asked
        assert "tool_distance_m" in gate.way_problem(mine_rad, [way._replace(tool_distance_m=0.0051)])


def test_what_lies_between_waypoints_is_met() -> None:
    """From one side of another arm to its other side in one step."""
    aside = np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    way = READY + np.vstack((-0.8 * aside, -0.7 * aside, 0.7 * aside))
    other = OtherWay("right", facing(0.8), np.tile(READY, (3, 1)), 0.0)
    for joints in way:
        assert GATE.distance_problem(joints, [OtherArm("right", other.arm.at(READY))]) == ""
    problem = GATE.way_problem(way, [other])
    assert problem.startswith("on the way to waypoint 1: ") and "of right" in problem
    assert GATE.way_problem(way[:2], [replace_way(other, 2)]) == ""


def test_another_arm_counts_where_it_is_at_the_same_time() -> None:
    """The other one stands in the way at first, and is gone when this one comes; and the other way round."""
    turn = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    mine = READY + np.outer(np.linspace(-0.9, 0.0, 10), turn)
    leaving, coming = np.linspace(0.0, 0.9, 10), np.linspace(0.9, 0.0, 10)

    def problem(turned: np.ndarray) -> str:
        return GATE.way_problem(mine, [OtherWay("right", facing(0.8), READY - np.outer(turned, turn), 0.0)])

    assert problem(leaving) == ""
    assert "of right" in problem(coming)
    assert "of right" in problem(0.0 * leaving)


def replace_way(way: OtherWay, rows: int) -> OtherWay:
    """Its first rows."""
    return OtherWay(way.name, way.arm, way.joints_rad[:rows], way.tool_distance_m)
