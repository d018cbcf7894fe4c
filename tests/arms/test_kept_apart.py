"""Links keep their distances in what is commanded, wherever a chunk takes over and however it bends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprl_arms.controller import ArmController
from zprl_arms.posture import Posture
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.kinematics.gate import KinematicGate
from zprl_core.kinematics.guard import ClearanceGuard
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import quaternion_from_rotvec, quaternion_multiply

RIG, TASK = load_rig("xarm6_place_orange"), load_task("place_orange_demo")
(GIVEN,) = RIG.arms
ARM = replace(
    GIVEN,
    workspace=replace(GIVEN.workspace, min_m=(-1.0, -1.0, 0.0), max_m=(1.0, 1.0, 1.0), keep_out=()),
    limits=replace(
        GIVEN.limits,
        link_distance_m=0.02,
        jump_m=0.1,
        jump_rad=0.8,
        linear_acceleration_m_s2=20.0,
        min_singular_value=0.01,
    ),
)
GATE = KinematicGate.of(ARM, RIG.table_m)
KINEMATICS = GATE.kinematics
CODEC = ActionCodec.from_config(TASK.action)
H, DT_S, S, PERIOD_S = TASK.action.chunk, TASK.tick_s, 1_000_000_000, 1.0 / GIVEN.servo_rate_hz
LOW, HIGH = np.array([-2.0, -1.5, -3.5, -2.5, -1.5, -2.5]), np.array([2.0, 1.5, -0.2, 2.5, 2.8, 2.5])
TOLERANCE_M = 0.006
"""5 mm less than asked may pass, and a little for the way of a stop, which bends."""


class Arm:
    """An arm that does at once what it is told."""

    def __init__(self, joints: np.ndarray) -> None:
        self.posture = Posture(RIG, ARM, joints)
        start = Setpoint.at(KINEMATICS.forward(joints), 0.05)
        self.controller = ArmController(ARM, TASK, "run", start, posture=self.posture, streams_joints=True)
        self.controller.on_session("running", 0, S, start)
        self.now_ns, self.joints = S, [joints]

    def command(self, index: int, offset: np.ndarray, twist: np.ndarray) -> bool:
        """A straight chunk that begins now, offset from where the arm is told to be by (m, rad)."""
        now, steps = self.controller.last, np.arange(1, H + 1)[:, None]
        turns = quaternion_from_rotvec(offset[3:] + steps * DT_S * twist[3:])
        quaternions = quaternion_multiply(now.quaternion, turns)
        way = ArmWaypoints(
            now.position + offset[:3] + steps * DT_S * twist[:3], quaternions, np.full(H, 0.05)
        )
        actions = CODEC.encode([way])
        command = ChunkCommand("run", 0, index, self.now_ns, DT_S, actions.shape[1], actions)
        return self.controller.command(command, self.now_ns)

    def serve(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            self.now_ns += round(PERIOD_S * S)
            self.controller.setpoint(self.now_ns, PERIOD_S)
            assert self.controller.joints is not None
            self.joints.append(self.controller.joints)


def near_something(rng: np.random.Generator) -> np.ndarray:
    """A posture in the middle of the arm's range, with bodies less than 0.1 m apart."""
    while True:
        joints = LOW + rng.random(6) * (HIGH - LOW)
        tool = KINEMATICS.forward(joints).position
        inside = (np.abs(tool[:2]) < 0.9).all() and 0.03 < tool[2] < 0.9
        if inside and 0.0 < GATE.clearance(joints).margin_m < 0.08:
            return joints


@pytest.mark.parametrize("seed", [3, 4])
def test_links_keep_their_distance_wherever_a_chunk_takes_over(seed: int) -> None:
    """A chunk that starts elsewhere, then another one across it at speed. Without the guard some come 15 mm
    too near.
    """
    rng, executed = np.random.default_rng(seed), 0
    jump, fast = np.array([0.055] * 3 + [0.4] * 3), np.array([0.5] * 3 + [1.5] * 3)
    while executed < 80:
        arm = Arm(near_something(rng))
        if not arm.command(0, jump * rng.uniform(-1.0, 1.0, 6), fast * rng.uniform(-1.0, 1.0, 6)):
            continue
        arm.serve(rng.uniform(0.1, 0.5))
        arm.command(1, jump * rng.uniform(-1.0, 1.0, 6), fast * rng.uniform(-1.0, 1.0, 6))
        arm.serve(1.2)
        executed += 1
        margin_m = float(GATE.rules.margins_m(np.array(arm.joints)).min())
        assert margin_m >= -TOLERANCE_M, arm.controller.fault
    assert arm.controller.at_rest


def test_the_guard_sees_what_every_posture_shows() -> None:
    """Ways on which bodies come too near: it refuses the first such posture, and none before."""
    guard, rng, refused = ClearanceGuard(GATE.bodies, GATE.rules), np.random.default_rng(1), 0
    while refused < 15:
        begin, end = near_something(rng), near_something(rng)
        way = begin + np.linspace(0.0, 1.0, 400)[:, None] * (end - begin)
        bad = GATE.rules.margins_m(way) < -0.005
        if not bad.any():
            continue
        first, refused = int(bad.argmax()), refused + 1
        guard.restart(begin)
        problems = [guard.problem(joints, joints) for joints in way[: first + 1]]
        assert problems[:first] == [""] * first and "comes within" in problems[first]


def test_an_arm_that_is_too_near_already_may_leave_and_come_no_nearer() -> None:
    rng = np.random.default_rng(5)
    while True:
        begin, end = near_something(rng), near_something(rng)
        way = begin + np.linspace(0.0, 1.0, 400)[:, None] * (end - begin)
        margins = GATE.rules.margins_m(way)
        worst = int(margins.argmin())
        if -0.03 < margins[worst] < -0.02 and 50 < worst < 350:
            break
    guard = ClearanceGuard(GATE.bodies, GATE.rules)
    here = int(np.flatnonzero(margins < -0.012)[0])
    guard.restart(way[here])
    assert all(guard.problem(joints, joints) == "" for joints in way[here::-1]), "it leaves"
    guard.restart(way[here])
    assert "comes within" in guard.problem(way[worst], way[worst])
    guard.restart(way[here - 30])
    assert guard.problem(way[here - 30], way[worst]).startswith("before it could stop, ")
