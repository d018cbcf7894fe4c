"""A hand that moves an arm's controller, without ROS: what it follows, and when it lets go."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zprl_arms.controller import ArmController
from zprl_core.config import load_rig, load_task
from zprl_core.teleop import ClutchSettings, HandSample
from zprl_core.teleop.pilot import Moment, Pilot
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, quaternion_from_rotvec

RIG, TASK = load_rig("sim_xarm6"), replace(load_task("place_orange_demo"), reset="teleoperated")
ARM = RIG.arms[0]
HOME = Setpoint(np.array([0.36, 0.02, 0.19]), np.array([0.0, 1.0, 0.0, 0.0]), 0.088)
SERVO_S, FRAME_S = 1.0 / ARM.servo_rate_hz, 1.0 / 72.0
START_NS, NS = 1_700_000_000_000_000_000, 1e9
AT = np.array([0.1, 1.2, -0.3])


class Bench:
    """A hand, its pilot, and the arm's controller, on one clock; only a person may move the arm."""

    def __init__(self, state: str = "ready") -> None:
        demonstrated = state == "running"
        self.pilot = Pilot(ARM, TASK, ClutchSettings(), demonstrated=demonstrated)
        self.controller = ArmController(ARM, TASK, "run", HOME, demonstrated=demonstrated)
        self.now_s, self.state, self.grip, self.trigger = 0.0, state, 1.0, 0.0
        self.hand: Callable[[float], np.ndarray] = lambda t: AT
        self.talks = self.seen = self.has_a_node = True
        self.sent: list[Setpoint] = [HOME]
        self.refused: list[str] = []
        self._frame = self._tick = 0
        self.enter(state)

    @property
    def now_ns(self) -> int:
        return START_NS + round(self.now_s * NS)

    def enter(self, state: str) -> None:
        self.state = state
        self.controller.on_session(state, 0, self.now_ns, self.sent[-1])

    def run(self, seconds: float) -> np.ndarray:
        """Positions sent meanwhile, (n, 3)."""
        first = len(self.sent)
        for _ in range(round(seconds / SERVO_S)):
            self.now_s += SERVO_S
            if self.talks and self.now_s >= self._frame * FRAME_S:
                self._frame = math.ceil(self.now_s / FRAME_S)
                pose = Pose(self.hand(self.now_s), quaternion_from_rotvec(np.zeros(3)))
                sample = HandSample(self.now_ns, 1e-6 * self.now_ns, pose, self.grip, self.seen)
                self.pilot.on_hand(sample, self.trigger, self.controller.last)
            if self.has_a_node and self.now_s >= self._tick * TASK.tick_s:
                self._tick = math.ceil(self.now_s / TASK.tick_s)
                fault = self.controller.fault
                moment = Moment(self.now_ns, "run", 0, self.state, self.controller.last, fault)
                if command := self.pilot.command(moment):
                    self.controller.command(command, self.now_ns)
            self.sent.append(self.controller.setpoint(self.now_ns, SERVO_S))
            self.refused += [r.reason for r in self.controller.reports(self.now_ns) if r.refused]
        return np.array([setpoint.position for setpoint in self.sent[first:]])

    def press(self) -> None:
        self.grip = 0.0
        self.run(0.05)
        self.grip = 1.0
        self.run(0.05)


@pytest.fixture(params=["ready", "running"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """A reset by hand, and a demonstration."""
    made = Bench(request.param)
    made.press()
    assert made.pilot.clutch.closed
    return made


def test_the_arm_follows_the_hand(bench: Bench) -> None:
    """A circle of 5 cm in 3 s, sideways and up: it lags by what a chunk's lead and its blend take."""
    begun_s, last = bench.now_s, bench.sent[-1].position

    def circle(t: float) -> np.ndarray:
        angle = 2.0 * math.pi * (t - begun_s) / 3.0
        return AT + 0.05 * np.array([math.sin(angle), 1.0 - math.cos(angle), 0.0])

    bench.hand = circle
    way = bench.run(3.0)
    assert not bench.refused
    times = begun_s + SERVO_S * np.arange(1, len(way) + 1)
    misses = []
    for lag_s in np.arange(0.0, 0.3, 0.01):
        hand = np.array([circle(max(t - lag_s, begun_s)) for t in times]) - AT
        wanted = last + np.stack((0.0 * hand[:, 0], -hand[:, 0], hand[:, 1]), axis=1)
        misses.append(float(np.linalg.norm(way - wanted, axis=1)[60:].max()))
    best = int(np.argmin(misses))
    print(f"it lags by {10 * best} ms, and misses by {1e3 * misses[best]:.1f} mm")
    assert best <= 15 and misses[best] < 0.005
    steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert steps.max() / SERVO_S < 0.2, "the hand goes at 0.105 m/s"


def test_letting_go_holds_and_pressing_again_moves_nothing(bench: Bench) -> None:
    bench.hand = lambda t: AT + np.array([0.0, 0.03, 0.0])
    bench.run(1.0)
    bench.grip = 0.0
    bench.run(1.0)
    bench.hand = lambda t: AT - np.array([0.3, 0.2, 0.1])
    way = bench.run(1.0)
    assert np.ptp(way, axis=0).max() == 0.0 and bench.controller.fault == ""
    bench.grip = 1.0
    assert np.ptp(bench.run(1.0), axis=0).max() < 1e-9 and bench.pilot.clutch.closed
    assert way[-1][2] - HOME.position[2] == pytest.approx(0.03, abs=1e-4)


@pytest.mark.parametrize("how", ["let go", "not seen", "told to", "no node any more"])
def test_a_fast_hand_that_ends_leaves_no_way_to_be_gone(bench: Bench, how: str) -> None:
    """1 m/s for 0.25 s, of which the arm has gone less than half: it brakes, and so does the gripper."""
    begun_s = bench.now_s
    bench.hand = lambda t: AT + np.array([0.0, min(t - begun_s, 0.25), 0.0])
    bench.run(0.15)
    bench.trigger = 1.0
    bench.run(0.1)
    last = bench.sent[-1]
    assert 0.05 < last.position[2] - HOME.position[2] < 0.15
    if how == "let go":
        bench.grip = bench.trigger = 0.0
    elif how == "told to":
        bench.pilot.clutch.open("the page is hidden")
    elif how == "not seen":
        bench.seen = False
    else:
        bench.has_a_node = False
    way = bench.run(1.0)
    ticks = 3 if how == "no node any more" else 1
    going_on_s = ticks * TASK.tick_s + 0.02 + SERVO_S  # until a chunk is due, and its lead
    braking_m = 0.01
    limits = ARM.limits
    most_m = going_on_s * 0.8 * limits.linear_velocity_m_s + braking_m
    went_m = np.linalg.norm(way - last.position, axis=1).max()
    print(f"{how}: the arm goes {100 * went_m:.1f} cm on")
    assert went_m < most_m
    assert ARM.gripper is not None
    assert last.gripper_width is not None and bench.sent[-1].gripper_width is not None
    assert abs(bench.sent[-1].gripper_width - last.gripper_width) < going_on_s * ARM.gripper.speed_m_s
    assert bench.refused == [] and (bench.controller.fault == "" or how == "no node any more")


def test_a_hand_far_ahead_is_followed_at_once_at_a_slow_rate() -> None:
    """10 Hz and 1.5 m/s: a first waypoint as far as the arm goes in a tick would be refused as a jump."""
    arm, task = load_rig("franka_flip_egg").arms[0], load_task("flip_egg")
    pilot = Pilot(arm, task, ClutchSettings(), demonstrated=True)
    told = Setpoint(HOME.position, HOME.quaternion, None)
    for i, (grip, ahead_m) in enumerate([(0.0, 0.0), (1.0, 0.0), (1.0, 0.05), (1.0, 0.1), (1.0, 0.15)]):
        pose = Pose(AT + np.array([0.0, ahead_m, 0.0]), quaternion_from_rotvec(np.zeros(3)))
        pilot.on_hand(HandSample(START_NS + 20_000_000 * i, 20.0 * i, pose, grip), 0.0, told)
    command = pilot.command(Moment(START_NS + 100_000_000, "run", 0, "running", told))
    assert command is not None
    first = np.asarray(command.actions)[0, :3] - told.position
    assert 0.05 < np.linalg.norm(first) <= 0.8 * arm.limits.jump_m + 1e-6


def test_a_headset_that_falls_silent_stops_the_arm(bench: Bench) -> None:
    begun_s = bench.now_s
    bench.hand = lambda t: AT + np.array([0.15 * (t - begun_s), 0.0, 0.0])
    bench.run(0.5)
    bench.talks = False
    way = bench.run(2.0)
    assert "no word from the headset" in bench.pilot.clutch.time(bench.now_ns).why
    assert np.linalg.norm(way[-1] - way[0]) < 0.15 * 0.2, "only to where the hand was seen last"
    bench.talks = True
    assert np.ptp(bench.run(1.0), axis=0).max() == 0.0, "until the grip is let go"


@pytest.mark.parametrize(
    ("strike", "why"),
    [
        (lambda bench: bench.enter("paused"), "the session is paused"),
        (lambda bench: bench.controller.stop("stopped by a person", bench.now_ns), "stopped by a person"),
    ],
)
def test_what_stops_the_arm_opens_the_clutch(bench: Bench, strike: Callable[[Bench], None], why: str) -> None:
    begun_s = bench.now_s
    bench.hand = lambda t: AT + np.array([0.1 * (t - begun_s), 0.0, 0.0])
    bench.run(0.5)
    strike(bench)
    bench.run(1.0)
    assert not bench.pilot.clutch.closed and why in bench.pilot.clutch.time(bench.now_ns).why
    assert np.ptp(bench.run(0.5), axis=0).max() == 0.0


def test_the_trigger_shuts_the_gripper_and_a_grasp_is_kept(bench: Bench) -> None:
    bench.trigger = 1.0
    bench.run(1.0)
    assert bench.sent[-1].gripper_width == pytest.approx(0.0, abs=1e-6)
    bench.trigger = 0.0
    bench.press()
    bench.run(0.5)
    assert bench.sent[-1].gripper_width == pytest.approx(0.0, abs=1e-6), "the trigger was let go in between"
    bench.trigger = 1.0
    bench.run(0.2)
    bench.trigger = 0.5
    bench.run(0.5)
    assert bench.sent[-1].gripper_width == pytest.approx(0.05, abs=1e-6)


def test_an_arm_without_a_gripper_gets_no_width() -> None:
    task = replace(TASK, action=replace(TASK.action, dim=6, gripper=False))
    pilot = Pilot(replace(ARM, gripper=None), task, ClutchSettings())
    told = Setpoint(HOME.position, HOME.quaternion, None)
    for n, grip in enumerate((0.0, 1.0)):
        sample = HandSample(
            START_NS + n * 14_000_000, 14.0 * n, Pose(AT, np.array([1.0, 0.0, 0.0, 0.0])), grip
        )
        pilot.on_hand(sample, 0.5, told)
    command = pilot.command(Moment(START_NS + 20_000_000, "run", 0, "running", told))
    assert command is not None and command.dim == 6 and command.source == "human"
