"""Two arms that are told to approach each other, as their bridges hear it: nothing brings them too near."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading
from zprl_arms.halves import WAIT_S, Halves
from zprl_arms.posture import Posture
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.kinematics import ArmKinematics
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint

RIG, TASK = load_rig("dual_open_box"), load_task("open_box")
ARMS = {
    arm.name: replace(arm, limits=replace(arm.limits, external_force_n=None), watchdog_s=1.0)
    for arm in RIG.arms
}
CODEC = ActionCodec.from_config(TASK.action).single_arm()
H, DT_S = TASK.action.chunk, TASK.tick_s
S, PERIOD_S = 1_000_000_000, 0.01
AHEAD_S, LAG_PERIODS = 0.1, 8
TOLERANCE_M = 0.008
"""By how much tools may come nearer than asked: 5 mm between the postures that are looked at, and the rest of
what a way that bends from waypoint to waypoint has beside the straight one in joint angles."""
TOWARDS = {"left": -1.0, "right": 1.0}
WIDTH_M = 0.085


class Side:
    """One arm that does what it is told 80 ms later, and what its bridge does with messages."""

    def __init__(self, name: str) -> None:
        self.name, arm, other = name, ARMS[name], {"left": "right", "right": "left"}[name]
        self.kinematics = ArmKinematics(arm.model, arm.tool)
        self.home = np.array(arm.homing.joints_rad)
        start = Setpoint.at(self.kinematics.forward(self.home), WIDTH_M)
        self.posture = Posture(RIG, arm, self.home)
        self.controller = ArmController(arm, TASK, "run", start, posture=self.posture, streams_joints=True)
        self.halves: Halves[ChunkCommand] = Halves([other], self.take)
        self.base = np.array(arm.base_in_rig.position_m)
        self.joints = deque([self.home] * LAG_PERIODS, maxlen=LAG_PERIODS)
        self.now_ns, self.refused = S, ""

    def take(self, command: ChunkCommand) -> None:
        if not self.controller.command(command, self.now_ns):
            self.refused = self.controller.reports(self.now_ns)[0].reason

    def reading(self) -> ArmReading:
        joints = self.joints[0]
        return ArmReading(joints, np.zeros(7), self.kinematics.forward(joints), WIDTH_M)

    def serve(self) -> None:
        self.controller.on_reading(self.reading(), self.now_ns)
        self.halves.overdue(self.now_ns)
        self.now_ns += round(PERIOD_S * S)
        self.controller.setpoint(self.now_ns, PERIOD_S)
        assert self.controller.joints is not None
        self.joints.append(self.controller.joints)

    def tool(self, joints: np.ndarray) -> np.ndarray:
        return self.base + self.kinematics.forward(joints).position


class Cell:
    """Both arms; what one does or is told, the other hears."""

    def __init__(self) -> None:
        self.sides = {name: Side(name) for name in ARMS}
        self.gaps_m: list[float] = []
        self.show()
        for side in self.sides.values():
            side.controller.on_session("running", 0, S, side.reading().setpoint)

    def other(self, name: str) -> Side:
        return next(side for side in self.sides.values() if side.name != name)

    def show(self) -> None:
        for name, side in self.sides.items():
            reading, told = side.reading(), side.controller.last.pose
            args = (reading.joint_position_rad, reading.pose_base_tcp, side.now_ns, told)
            self.other(name).posture.on_neighbour(name, *args)

    def tell(self, command: ChunkCommand, name: str) -> None:
        mine, other = self.sides[name], self.other(name)
        other.controller.on_neighbour_chunk(name, command, other.now_ns)
        other.halves.theirs(name, command.episode, command.chunk, other.now_ns)
        mine.halves.mine(command.episode, command.chunk, command, command.stamp_ns, mine.now_ns)

    def serve(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD_S)):
            for side in self.sides.values():
                side.serve()
            self.show()
            for k in (0, -1):
                left, right = (side.tool(side.joints[k]) for side in self.sides.values())
                self.gaps_m.append(float(np.linalg.norm(left - right)))
            self.stop_what_is_refused()

    def stop_what_is_refused(self) -> None:
        """What the session and the topic /rig/stop do."""
        if any(side.refused or side.controller.fault for side in self.sides.values()):
            for side in self.sides.values():
                side.controller.stop("the other arm stopped", side.now_ns)


def part(side: Side, reach_m: float, aside_m: float, start_ns: int, bend: float = 1.0) -> ChunkCommand:
    """A chunk towards the other arm, and up or down; ``bend`` says when it is fast."""
    share = (np.arange(1, H + 1) / H) ** bend
    way = np.stack(
        (0.0 * share, TOWARDS[side.name] * reach_m * share, aside_m * np.sin(np.pi * share)), axis=1
    )
    pose = side.kinematics.forward(side.home)
    quaternions = np.tile(pose.quaternion, (H, 1))
    actions = CODEC.encode([ArmWaypoints(pose.position + way, quaternions, np.full(H, WIDTH_M))])
    return ChunkCommand("run", 0, 0, start_ns, DT_S, CODEC.dim, actions, frame=ARMS[side.name].frame)


def both(cell: Cell, reach_m: float = 0.2) -> dict[str, ChunkCommand]:
    start_ns = S + round(AHEAD_S * S)
    return {name: part(side, reach_m, 0.0, start_ns) for name, side in cell.sides.items()}


def test_parts_that_meet_are_refused_by_both_whichever_comes_first() -> None:
    for order in (("left", "right"), ("right", "left")):
        cell = Cell()
        parts = both(cell, reach_m=0.22)
        for name in order:
            cell.tell(parts[name], name)
        for name, side in cell.sides.items():
            assert "waypoint" in side.refused and f"of {cell.other(name).name}" in side.refused
        cell.serve(1.5)
        assert max(cell.gaps_m) - min(cell.gaps_m) < 1e-6


def test_an_arm_may_go_where_the_other_one_leaves() -> None:
    """Both go the same way, the left one to where the right one was; and not where the right one stays."""
    for goes, refused in ((True, False), (False, True)):
        cell = Cell()
        start_ns = S + round(AHEAD_S * S)
        away_m = -0.25 if goes else 0.0
        cell.tell(part(cell.sides["left"], 0.42, 0.0, start_ns), "left")
        cell.tell(part(cell.sides["right"], away_m, 0.0, start_ns), "right")
        assert bool(cell.sides["left"].refused) == refused, cell.sides["left"].refused


def test_a_part_is_not_waited_for_for_long() -> None:
    cell = Cell()
    parts = both(cell)
    cell.tell(parts["right"], "right")
    right = cell.sides["right"].controller
    assert right.owner == "none"
    cell.serve(AHEAD_S + WAIT_S + 0.05)
    assert right.owner == "policy"


@settings(max_examples=12, deadline=None)
@given(
    reach_m=st.lists(st.floats(-0.05, 0.3), min_size=2, max_size=2),
    aside_m=st.lists(st.floats(-0.08, 0.08), min_size=2, max_size=2),
    bend=st.lists(st.floats(0.7, 2.0), min_size=2, max_size=2),
    late_s=st.sampled_from((0.0, 0.01, 0.05, 0.3, 0.6)),
    left_first=st.booleans(),
)
def test_tools_never_come_nearer_than_allowed(
    reach_m: list[float], aside_m: list[float], bend: list[float], late_s: float, left_first: bool
) -> None:
    cell, start_ns = Cell(), S + round(AHEAD_S * S)
    first, second = ("left", "right") if left_first else ("right", "left")
    commands = {
        name: part(side, reach_m[i], aside_m[i], start_ns, bend[i])
        for i, (name, side) in enumerate(cell.sides.items())
    }
    cell.tell(commands[first], first)
    cell.serve(late_s)
    cell.tell(commands[second], second)
    cell.serve(1.6 - late_s)
    assert min(cell.gaps_m) >= RIG.tool_distance_m - TOLERANCE_M


def test_what_was_heard_too_late_stops_the_arm() -> None:
    """The right arm is on its way; its bridge hears only now what the left one was told."""
    cell = Cell()
    parts = both(cell, reach_m=0.22)
    cell.tell(parts["right"], "right")
    cell.serve(0.5)
    right = cell.sides["right"]
    assert right.controller.owner == "policy"
    right.controller.on_neighbour_chunk("left", parts["left"], right.now_ns)
    assert right.controller.fault.startswith("beside chunk 0/0 of arm 'left': ")
    cell.serve(0.5)
    assert cell.sides["right"].controller.at_rest


@pytest.mark.parametrize("key", ["run_id", "episode", "dim"])
def test_what_is_not_for_this_episode_is_not_heard(key: str) -> None:
    cell = Cell()
    parts = both(cell, reach_m=0.22)
    cell.tell(parts["right"], "right")
    cell.serve(0.5)
    other = replace(parts["left"], **{key: {"run_id": "another", "episode": 7, "dim": 3}[key]})
    right = cell.sides["right"].controller
    right.on_neighbour_chunk("left", other, cell.sides["right"].now_ns)
    assert right.fault == "" and right.owner == "policy"
