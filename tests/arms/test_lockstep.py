"""Simulated time on the twin: which states are shown, when, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading
from zprl_arms.drivers.sim import SimArm
from zprl_arms.lockstep import Lockstep
from zprl_arms.realtime import RealTime
from zprl_arms.timing import Timing
from zprl_core.actions import ActionCodec, ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.safety import ChunkCommand
from zprl_core.trajectory import Setpoint

RIG, TASK = load_rig("sim_xarm6"), load_task("place_orange_demo")
TICK_NS = 1e9 / 30


class Ears:
    """Writes down what happens."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.moved: list[tuple[int, int]] = []

    def on_observation(self, stamp_ns: int, chunk: int | None, chunk_start_ns: int, ended: bool) -> None:
        self.heard.append(("observe", stamp_ns, chunk, chunk_start_ns, ended))

    def on_moved(self, n: int, stamp_ns: int) -> None:
        self.moved.append((n, stamp_ns))

    def on_chunk_end(self, stamp_ns: int, chunk: int, observed: bool) -> None:
        self.heard.append(("end", stamp_ns, chunk, observed))

    def on_servo(self, n: int, stamp_ns: int) -> None:
        self.heard.append(("servo", n, stamp_ns))


class World:
    """A simulated rig in lockstep."""

    def __init__(self, lead: int = 2, history: int = 1, chunk: int = 16) -> None:
        observation = replace(TASK.observation, lead_steps=lead, steps=history)
        self.task = replace(TASK, observation=observation, action=replace(TASK.action, chunk=chunk))
        self.arm, self.ears = SimArm(), Ears()
        self.home = self.arm.reset(1).home
        self.controller = ArmController(RIG.arms[0], self.task, "run", self.home)
        self.timing = Timing.of(self.task, RIG.arms[0])
        self.lockstep = Lockstep(self.arm, self.controller, self.timing, self.ears)
        self.start_ns = self.lockstep.reset(0)
        self.controller.on_session("running", 0, self.start_ns, self.home)
        self.lockstep.begin(0)

    def chunk(self, index: int, **wrong: Any) -> ChunkCommand:
        """A chunk that stays at home."""
        h, home = self.task.action.chunk, self.home
        codec = ActionCodec.from_config(self.task.action)
        still = ArmWaypoints(
            np.tile(home.position, (h, 1)), np.tile(home.quaternion, (h, 1)), np.full(h, 0.088)
        )
        stamp_ns = self.start_ns + round(self.timing.start_tick(index) * TICK_NS)
        given = {"run_id": "run", "episode": 0, "chunk": index, "stamp_ns": stamp_ns, **wrong}
        return ChunkCommand(dt_s=1 / 30, dim=7, actions=codec.encode([still]), **given)

    def execute(self, index: int) -> None:
        command = self.chunk(index)
        assert self.lockstep.problem(command) == ""
        assert self.controller.command(command, self.lockstep.now_ns)
        self.lockstep.execute()

    def ticks(self) -> list[tuple[Any, ...]]:
        """What was heard, with stamps in ticks."""

        def tick(ns: int) -> int:
            return round((ns - self.start_ns) / TICK_NS)

        return [
            ("observe", tick(h[1]), h[2], tick(h[3]) if h[2] is not None else None) if h[0] == "observe"
            else ("end", tick(h[1]), h[2])
            for h in self.ears.heard
        ]  # fmt: skip


def test_two_chunks_with_a_lead_of_two() -> None:
    world = World(lead=2)
    world.execute(0)
    world.execute(1)
    assert world.ticks() == [
        ("observe", 0, 0, 2),
        ("observe", 16, 1, 18),
        ("end", 18, 0),
        ("observe", 32, 2, 34),
        ("end", 34, 1),
    ]
    assert world.lockstep.now_ns == world.start_ns + 34 * 1_000_000_000 // 30
    assert [n for n, _ in world.ears.moved] == list(range(1, 34 * 4 + 1))  # four servo periods a tick
    assert world.ears.moved[-1][1] == world.lockstep.now_ns


def test_the_tool_alone_is_where_the_whole_state_has_it() -> None:
    arm = SimArm()
    home = arm.reset(1).home
    for step in range(40):
        arm.stream(Setpoint(home.position + 0.001 * step, home.quaternion, home.gripper_width))
        arm.advance()
        whole, tool = arm.read().pose_base_tcp, arm.tool()
        np.testing.assert_array_equal(tool.position, whole.position)
        assert whole.distance(tool)[1] < 1e-9


def test_without_a_lead_the_end_and_the_observation_are_one_state() -> None:
    world = World(lead=0, chunk=4)
    world.execute(0)
    assert world.ears.heard[1:] == [
        ("end", world.start_ns + 4 * 1_000_000_000 // 30, 0, True),
        (
            "observe",
            world.start_ns + 4 * 1_000_000_000 // 30,
            1,
            world.start_ns + 4 * 1_000_000_000 // 30,
            True,
        ),
    ]


def test_a_history_of_three_shows_the_two_ticks_before() -> None:
    world = World(lead=1, history=3, chunk=8)
    world.execute(0)
    assert world.ticks() == [
        ("observe", 0, 0, 1),
        ("observe", 6, None, None),
        ("observe", 7, None, None),
        ("observe", 8, 1, 9),
        ("end", 9, 0),
    ]


def test_what_is_not_the_chunk_that_the_world_waits_for() -> None:
    world = World()
    assert "chunk 1 came where chunk 0 is due" in world.lockstep.problem(world.chunk(1))
    assert "episode 4 does not run here" in world.lockstep.problem(world.chunk(0, episode=4))
    assert "due is" in world.lockstep.problem(world.chunk(0, stamp_ns=world.start_ns))
    world.lockstep.reset(1)
    assert "has not begun" in world.lockstep.problem(world.chunk(0))
    world.lockstep.begin(0)
    assert "has not begun" in world.lockstep.problem(world.chunk(0))
    assert "only the policy" in world.lockstep.problem(replace(world.chunk(0), source="human"))


@given(
    st.integers(0, 500),
    st.integers(1, 24),
    st.integers(0, 24),
    st.integers(1, 40),
    st.sampled_from([10.0, 15.0, 30.0]),
)
def test_stamps_of_episodes_never_overlap(
    episode: int, chunk: int, lead: int, chunks: int, rate: float
) -> None:
    timing = Timing(rate, rate * 4, 4, chunk, lead, 1, chunks)
    end_s = timing.episode_start_ns(episode) / 1e9 + timing.start_tick(chunks + 1) / rate
    assert timing.episode_start_ns(episode + 1) / 1e9 > end_s - chunk / rate
    assert timing.episode_start_ns(0) > 0


@given(st.integers(1, 24), st.integers(1, 3), st.integers(0, 200))
def test_a_tick_is_observed_when_a_chunk_planned_soon_needs_it(chunk: int, history: int, tick: int) -> None:
    timing = Timing(30.0, 120.0, 4, chunk, 0, history, 10)
    needed = any((tick + ahead) % chunk == 0 for ahead in range(history))
    assert timing.observed(tick) == needed
    assert (timing.chunk_due(tick) is not None) == (tick % chunk == 0)


def real_time() -> tuple[RealTime, Ears, list[Setpoint]]:
    arm, ears = SimArm(), Ears()
    controller = ArmController(RIG.arms[0], TASK, "run", arm.reset(1).home)
    sent: list[Setpoint] = []
    return RealTime(arm, controller, Timing.of(TASK, RIG.arms[0]), ears, most_gap_s=0.2), ears, sent


def test_real_time_catches_up_after_a_hiccup_and_freezes_over_a_long_one() -> None:
    loop, ears, _ = real_time()
    first = loop.grid.index(1_700_000_000_000_000_000)
    assert loop.run_to(first) == 0
    assert loop.run_to(first + 4) == 0
    assert [h[1] for h in ears.heard] == list(range(first, first + 5))
    assert loop.run_to(first + 304) == 270
    assert len(ears.heard) == 5 + 30 and ears.heard[-1][1] == first + 304


def test_what_is_due_is_served_before_anything_else_and_once() -> None:
    loop, ears, _ = real_time()
    first = loop.grid.index(1_700_000_000_000_000_000)
    assert loop.catch_up(loop.grid.at(first)) == 0 and not ears.heard
    loop.run_to(first)
    assert loop.catch_up(loop.grid.at(first + 3) + 1) == 0
    assert loop.catch_up(loop.grid.at(first + 3) + 2) == 0
    assert loop.catch_up(loop.grid.at(first)) == 0  # a timer may fire a little early
    assert loop.run_to(first + 4) == 0
    assert [h[1] for h in ears.heard] == list(range(first, first + 5))


class RealArm:
    """Not a simulated one."""

    def __init__(self) -> None:
        self.sent: list[Setpoint] = []

    def stream(self, setpoint: Setpoint, joints: object, begun_s: object) -> None:
        self.sent.append(setpoint)


def at_an_arm() -> tuple[RealTime, ArmController, RealArm, Ears]:
    arm, ears = RealArm(), Ears()
    controller = ArmController(RIG.arms[0], TASK, "run", SimArm().reset(1).home)
    loop = RealTime(arm, controller, Timing.of(TASK, RIG.arms[0]), ears, most_gap_s=0.2)
    return loop, controller, arm, ears


def test_an_arm_gets_the_setpoint_of_the_coming_period_once() -> None:
    loop, _, arm, ears = at_an_arm()
    loop.run_to(1000)
    assert loop.run_to(1010) == 9
    assert len(arm.sent) == 2 and [h[1] for h in ears.heard] == [1000, 1010]


def test_an_arm_that_complains_is_sent_nothing_until_it_does_no_more() -> None:
    loop, controller, arm, ears = at_an_arm()
    home = controller.last
    loop.run_to(1000)
    for n, fault in enumerate(["", "C31: collision", "C31: collision", ""], 1001):
        reading = ArmReading(np.zeros(6), np.zeros(6), home.pose, home.gripper_width, fault)
        controller.on_reading(reading, loop.grid.at(n))
        loop.run_to(n)
    assert [h[1] for h in ears.heard] == [1000, 1001, 1002, 1003, 1004], "it is read all the time"
    assert len(arm.sent) == 3, "in the first two periods and in the last"


@pytest.mark.parametrize("lead", [0, 2, 16])
def test_every_lead_up_to_a_whole_chunk_asks_for_each_chunk_once(lead: int) -> None:
    world = World(lead=lead)
    for index in range(3):
        world.execute(index)
    asked = [h[2] for h in world.ears.heard if h[0] == "observe"]
    assert asked[:4] == [0, 1, 2, 3] and len(asked) == len(set(asked))
