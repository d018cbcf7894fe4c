"""Kinematics of every arm, distances between capsules, and the gate that asks both."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zprl_core.actions import ArmWaypoints
from zprl_core.config.arm import ToolConfig
from zprl_core.errors import ConfigError, DataError
from zprl_core.kinematics import (
    MODELS,
    ArmBodies,
    ArmKinematics,
    Bodies,
    KinematicGate,
    KinematicLimits,
    OtherArm,
    OtherWay,
    other_gaps,
    table_gaps,
    tool_gaps,
)
from zprl_core.kinematics.capsules import CAPSULES
from zprl_core.kinematics.distances import segment_distances
from zprl_core.transforms import Pose, quaternion_from_rotvec, quaternion_multiply
from zprl_sim import kinematics as twin

TOOL = ToolConfig(position_m=(0.0, 0.0, 0.15), rotvec_rad=(0.0, 0.0, 0.7), radius_m=0.05)
XARM6, FR3 = ArmKinematics("xarm6", TOOL), ArmKinematics("fr3")
READY = np.array([0.0, -0.35, -1.05, 0.0, 1.40, 0.0])
LIMITS = KinematicLimits(0.05, 3.14, 0.02, 0.01, table_m=0.0)
GATE = KinematicGate(XARM6, LIMITS)


def angles(arm: ArmKinematics, seed: int) -> np.ndarray:
    """Somewhere well inside the joint limits, and not near a singularity."""
    rng = np.random.default_rng(seed)
    low, high = np.maximum(arm.lower_rad, -3.0) + 0.15, np.minimum(arm.upper_rad, 3.0) - 0.15
    while True:
        joints = rng.uniform(low, high)
        if arm.min_singular_value(joints) > 0.03:
            return joints


@pytest.mark.parametrize(
    ("model", "joints", "position", "z_axis"),
    [
        # UFACTORY: at zero the flange of an xArm is at (207, 0, 112) mm and looks down.
        ("xarm5", [0.0] * 5, (0.207, 0.0, 0.112), (0, 0, -1)),
        ("xarm6", [0.0] * 6, (0.207, 0.0, 0.112), (0, 0, -1)),
        # 52.5 + 77.5 + 76 mm forward; 267 + 293 - 342.5 - 97 mm up.
        ("xarm7", [0.0] * 7, (0.206, 0.0, 0.1205), (0, 0, -1)),
        # The Lite 6: 87 mm forward; 243.5 + 200.2 - 227.61 - 62.5 mm up.
        ("lite6", [0.0] * 6, (0.087, 0.0, 0.15359), (0, 0, -1)),
        # Joint 3 of the 850 turns its forearm down along the upper arm: 364 + 390 - 426 - 90 mm.
        ("xarm850", [0.0] * 6, (0.150, 0.0, 0.238), (0, 0, -1)),
        # Franka, stretched straight up: 333 + 316 + 384 mm, and 88 mm forward; the flange looks down.
        ("fer", [0.0] * 7, (0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107), (0, 0, -1)),
        ("fr3", [0.0] * 7, (0.088, 0.0, 0.333 + 0.316 + 0.384 - 0.107), (0, 0, -1)),
    ],
)
def test_zero_by_hand(
    model: str, joints: list[float], position: tuple[float, ...], z_axis: tuple[float, ...]
) -> None:
    flange = ArmKinematics(model).forward(joints)
    np.testing.assert_allclose(flange.position, position, atol=1e-9)
    np.testing.assert_allclose(flange.matrix()[:3, 2], z_axis, atol=1e-9)


def test_the_xarm6_is_that_of_the_simulation() -> None:
    straight = ArmKinematics("xarm6", replace(TOOL, rotvec_rad=(0.0, 0.0, 0.0)))
    for seed in range(20):
        joints = angles(straight, seed)
        chain, pose = twin.forward(joints, 0.15), straight.forward(joints)
        np.testing.assert_allclose(pose.position, chain.position, atol=1e-12)
        np.testing.assert_allclose(pose.matrix()[:3, :3], chain.rotation(), atol=1e-12)
        np.testing.assert_allclose(straight.jacobian(joints), twin.jacobian(chain), atol=1e-12)
    np.testing.assert_allclose(straight.lower_rad, twin.LOWER_RAD)
    np.testing.assert_allclose(straight.upper_rad, twin.UPPER_RAD)


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_jacobian_is_the_derivative(model: str) -> None:
    arm, step = ArmKinematics(model, TOOL), 1e-6
    joints = angles(arm, 3)
    jacobian, pose = arm.jacobian(joints), arm.forward(joints)
    for i, unit in enumerate(np.eye(arm.joints)):
        moved = arm.forward(joints + step * unit)
        np.testing.assert_allclose((moved.position - pose.position) / step, jacobian[:3, i], atol=1e-5)
        turned = pose.compose(moved.inverse()).inverse()
        spun = 2.0 * quaternion_multiply(moved.quaternion, pose.inverse().quaternion)[1:] / step
        assert np.linalg.norm(turned.position) < 1.0
        np.testing.assert_allclose(spun, jacobian[3:, i], atol=1e-5)
    least = np.sqrt(np.linalg.eigvalsh(jacobian.T @ jacobian if arm.joints < 6 else jacobian @ jacobian.T)[0])
    assert arm.min_singular_value(joints) == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("model", sorted(MODELS))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), nudge=st.lists(st.floats(-0.05, 0.05), min_size=7, max_size=7))
def test_there_and_back(model: str, seed: int, nudge: list[float]) -> None:
    """From a seed a little off: the same pose, for arms without redundancy with the same joint angles."""
    arm = ArmKinematics(model, TOOL)
    joints = angles(arm, seed)
    target = arm.forward(joints)
    found = arm.inverse(target, joints + np.array(nudge[: arm.joints]))
    assert found is not None
    gap_m, gap_rad = arm.forward(found).distance(target)
    assert gap_m < 1e-6 and gap_rad < 1e-6
    assert (found >= arm.lower_rad).all() and (found <= arm.upper_rad).all()
    if arm.joints < 7:
        np.testing.assert_allclose(found, joints, atol=1e-4)


def test_out_of_reach_and_past_a_limit_are_no_solution() -> None:
    far = Pose(np.array([1.5, 0.0, 0.3]), XARM6.forward(READY).quaternion)
    assert XARM6.inverse(far, READY) is None
    bent = READY.copy()
    bent[1] = XARM6.lower_rad[1] + 0.01
    past = bent.copy()
    past[1] -= 0.05
    assert XARM6.inverse(XARM6.forward(past), bent, iterations=10) is None


def test_bad_questions() -> None:
    with pytest.raises(ConfigError, match="model 'ur5', known: fer, fr3"):
        ArmKinematics("ur5")
    with pytest.raises(DataError, match="expected 6 finite numbers"):
        XARM6.forward([0.0] * 7)
    with pytest.raises(DataError, match="expected 6 finite numbers"):
        XARM6.inverse(XARM6.forward(READY), [math.nan] * 6)


@pytest.mark.parametrize(
    ("segments", "distance"),
    [
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)], 1.0),  # parallel
        ([(0, 0, 0), (1, 0, 0), (3, 0, 0), (4, 0, 0)], 2.0),  # on one line
        ([(0, 0, 0), (1, 0, 0), (0.5, -1, 2), (0.5, 1, 2)], 2.0),  # crossing
        ([(0, 0, 0), (1, 0, 0), (2, 1, 0), (2, 3, 0)], math.sqrt(2.0)),  # end to end
        ([(0, 0, 0), (0, 0, 0), (0, 3, 4), (0, 3, 4)], 5.0),  # points
        ([(0, 0, 0), (0, 0, 0), (-1, 2, 0), (1, 2, 0)], 2.0),  # point and segment
        ([(0, 0, 0), (2, 0, 0), (1, 0, -1), (1, 0, 1)], 0.0),  # through each other
    ],
)
def test_segment_distances(segments: list[tuple[float, float, float]], distance: float) -> None:
    a, b, c, d = (np.array(point, dtype=np.float64) for point in segments)
    for way in ((a, b, c, d), (b, a, c, d), (c, d, b, a)):
        assert segment_distances(*way) == pytest.approx(distance, abs=1e-12)


@settings(max_examples=50, deadline=None)
@example([0.0, 0.0, 4.5e-9, *[0.0] * 9])
@given(st.lists(st.floats(-1.0, 1.0), min_size=12, max_size=12))
def test_segment_distances_are_the_smallest(numbers: list[float]) -> None:
    a, b, c, d = np.array(numbers).reshape(4, 3)
    shares = np.linspace(0.0, 1.0, 41)
    first, second = a + shares[:, None] * (b - a), c + shares[:, None] * (d - c)
    sampled = np.linalg.norm(first[:, None] - second[None, :], axis=-1).min()
    exact = float(segment_distances(a, b, c, d))
    assert exact <= sampled + 1e-9 and exact >= sampled - 0.1


@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_link_has_a_capsule_that_holds_its_joints(model: str) -> None:
    """The origin of the next link's frame lies inside the capsules of a link or of the next one."""
    arm = ArmKinematics(model)
    assert {capsule[0] for capsule in CAPSULES[model]} == set(range(arm.joints + 1))
    bodies, (_, origins) = ArmBodies(arm).at(angles(arm, 1)), arm.link_poses(angles(arm, 1))
    for link in range(1, arm.joints):
        inside = [
            segment_distances(origins[link], origins[link], start, end) < radius
            for name, start, end, radius in zip(*bodies[:4], strict=True)
            if name in (f"link{link}", f"link{link - 1}", f"link{link + 1}", "base")
        ]
        assert any(inside), f"joint {link + 1}"


def test_distances_of_the_arm_upright() -> None:
    """A Franka at its ready posture: free of itself; its tool, 150 mm long, 0.44 m above the table."""
    arm = ArmKinematics("fr3", replace(TOOL, radius_m=0.04))
    bodies = ArmBodies(arm).at([0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4])
    assert ArmBodies(arm).link_gaps(bodies).nearest().distance_m > 0.1
    tool = tool_gaps(bodies, 0.0).nearest()
    assert tool.first == "tool"
    assert tool.distance_m == pytest.approx(
        arm.forward([0, -0.785398, 0, -2.356194, 0, 1.570796, 0.785398]).position[2], abs=1e-4
    )
    np.testing.assert_allclose(
        table_gaps(bodies, 0.2).distance_m, table_gaps(bodies, 0.0).distance_m - 0.2, atol=1e-12
    )
    assert not tool_gaps(ArmBodies(FR3).at(np.array(MODELS["fr3"].upper_rad) * 0.3), 0.0).pairs


@pytest.mark.parametrize(
    ("joints", "pair"),
    [
        ([0.0, 0.3, -0.4, 0.0, 1.2, 0.0], ("base", "tool")),  # the tool reaches back to its own foot
        ([0.0, 0.0, -0.2, 0.0, 2.5, 0.0], ("link1", "tool")),  # and to its shoulder
        ([0.0, -0.9, -0.2, 0.0, 2.8, 0.0], ("link2", "tool")),  # and to its upper arm
    ],
)
def test_a_folded_arm_touches_itself(joints: list[float], pair: tuple[str, str]) -> None:
    nearest = ArmBodies(XARM6).link_gaps(ArmBodies(XARM6).at(joints)).nearest()
    assert nearest.distance_m < 0.0 and (nearest.first, nearest.second) == pair


def test_two_arms_by_hand() -> None:
    """Two uprights of 50 and 60 mm radius, 0.5 m apart."""
    low, high = np.array([[0.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    mine, aside = Bodies(("link3",), low, high, np.array([0.05]), high[0]), np.array([0.5, 0.0, 0.0])
    other = Bodies(("tool",), low + aside, high + aside, np.array([0.06]), high[0] + aside)
    nearest = other_gaps(mine, other, "right").nearest()
    assert nearest.distance_m == pytest.approx(0.39)
    assert (nearest.first, nearest.second) == ("link3", "tool of right")


def test_a_base_in_the_rig_moves_the_bodies() -> None:
    base = Pose(np.array([0.0, 1.0, 0.5]), quaternion_from_rotvec([0.0, 0.0, math.pi]))
    plain, moved = ArmBodies(XARM6).at(READY), ArmBodies(XARM6, base).at(READY)
    np.testing.assert_allclose(moved.start, base.transform(plain.start), atol=1e-12)
    np.testing.assert_allclose(moved.end, base.transform(plain.end), atol=1e-12)
    np.testing.assert_allclose(plain.tool, XARM6.forward(READY).position, atol=1e-12)
    np.testing.assert_allclose(moved.tool, base.transform(plain.tool), atol=1e-12)


def line(dy: float, count: int = 4, dz: float = 0.0) -> ArmWaypoints:
    """Waypoints from the ready posture along y and z."""
    start = XARM6.forward(READY)
    steps = np.arange(1, count + 1)[:, None] * np.array([[0.0, dy, dz]])
    return ArmWaypoints(start.position + steps, np.tile(start.quaternion, (count, 1)))


def test_a_chunk_gets_its_joint_angles() -> None:
    waypoints = line(0.02, 16)
    path = GATE.check(waypoints, 0.1, READY)
    assert path.problem == "" and path.joints_rad.shape == (16, 6)
    for i, joints in enumerate(path.joints_rad):
        np.testing.assert_allclose(XARM6.forward(joints).position, waypoints.position[i], atol=1e-6)
    assert np.abs(np.diff(path.joints_rad, axis=0)).max() < 0.2


def turned(angle: float) -> ArmWaypoints:
    """One waypoint at the ready place, turned about the tool's axis."""
    start = XARM6.forward(READY)
    spun = quaternion_multiply(start.quaternion, quaternion_from_rotvec([0.0, 0.0, angle]))
    return ArmWaypoints(start.position[None], spun[None])


@pytest.mark.parametrize(
    ("waypoints", "dt_s", "limits", "reason"),
    [
        (line(0.02), 0.1, LIMITS, ""),
        (line(0.4), 1.0, LIMITS, r"waypoint 1: out of reach at \(0\.\d+, 0\.800, 0\.\d+\) m"),
        (line(0.1), 0.05, LIMITS, r"waypoint 0: joint 1 turns at 5\.\d+ rad/s, allowed 3\.14 rad/s"),
        (turned(0.2), 0.1, replace(LIMITS, joint_velocity_rad_s=1.0), r"joint 6 turns at 2\.00 rad/s"),
        (turned(1.0), 0.1, LIMITS, r"joint 6 jumps by 1\.00 rad: the posture changes to another branch"),
        (line(0.02), 0.1, replace(LIMITS, min_singular_value=0.3), "smallest singular value is 0.1"),
        (line(0.02), 0.1, replace(LIMITS, joint_margin_rad=1.8), r"joint \d at -?\d\.\d+ rad, allowed"),
        (
            line(0.0, 4, -0.1),
            0.3,
            LIMITS,
            r"waypoint 3: tool comes within -0\.\d+ m of the table, allowed 0 m",
        ),
        (
            line(0.02),
            0.1,
            replace(LIMITS, table_m=0.2),
            r"waypoint 0: link2 comes within -?0\.\d+ m of the table",
        ),
        (line(0.02), 0.1, replace(LIMITS, link_distance_m=0.3), r"comes within 0\.\d+ m of"),
    ],
)
def test_what_the_gate_refuses(
    waypoints: ArmWaypoints, dt_s: float, limits: KinematicLimits, reason: str
) -> None:
    problem = KinematicGate(XARM6, limits).check(waypoints, dt_s, READY).problem
    assert bool(problem) == bool(reason)
    if reason:
        with pytest.raises(RuntimeError, match=reason):
            raise RuntimeError(problem)


def test_another_arm_is_kept_off() -> None:
    """Two arms face each other, their tools 8 mm apart, 100 mm less their radii; and one 3 m away."""
    reach = float(XARM6.forward(READY).position[0])
    far, near = (
        Pose(np.array([x, 0.0, 0.0]), quaternion_from_rotvec([0.0, 0.0, math.pi]))
        for x in (3.0, 2.0 * reach + 0.108)
    )
    still = np.tile(READY, (5, 1))
    left, right = OtherWay("left", ArmBodies(XARM6, far), still, 0.1), ArmBodies(XARM6, near)
    assert GATE.check(line(0.0), 0.1, READY, [left]).problem == ""
    problem = GATE.check(line(0.0), 0.1, READY, [OtherWay("right", right, still, 0.0)]).problem
    assert problem.startswith("waypoint 0: ") and "of right, allowed 0.01 m or more" in problem
    assert GATE.distance_problem(READY, [OtherArm("right", right.at(READY))]) in problem
    problem = GATE.check(line(0.0), 0.1, READY, [OtherWay("right", right, still, 0.15)]).problem
    assert "the tool comes within 0.108 m of that of right, allowed 0.15 m or more (tool_dist" in problem


def test_a_folded_arm_may_leave_but_come_no_nearer() -> None:
    """The xArm's zero posture: capsules closer than allowed, the links are not."""
    gate = KinematicGate(ArmKinematics("xarm6"), replace(LIMITS, table_m=None))
    zero = np.zeros(6)
    assert -0.03 < gate.clearance(zero).margin_m < 0.0 and "link" in gate.distance_problem(zero)
    leave = gate.leaving(zero)
    assert leave(zero) == "" and leave(READY) == ""
    assert "link" in leave(zero)  # it was free once
    nearer = np.array([0.0, 0.0, 0.12, 0.0, 0.0, 0.0])
    assert gate.clearance(nearer).margin_m < gate.clearance(zero).margin_m
    assert "link" in gate.leaving(zero)(nearer)
