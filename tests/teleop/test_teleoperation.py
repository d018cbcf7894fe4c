"""Hands and arms, without a page: which hand moves which arm, what lets go, and how late an arm follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zprl_core.config import load_rig, load_task
from zprl_core.teleop import ClutchSettings
from zprl_core.teleop.teleoperation import ArmSample, Hand, Teleoperation
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
HOME = Setpoint(np.array([0.36, 0.02, 0.19]), np.array([0.0, 1.0, 0.0, 0.0]), 0.088)


class Cell:
    """A person, and arms that are where they were told to be `late_s` ago."""

    def __init__(self, rig: str = "sim_xarm6", task: str = "place_orange_demo", late_s: float = 0.0) -> None:
        self.rig = load_rig(rig)
        self.late_s = late_s
        self.teleoperation = Teleoperation(self.rig, load_task(task), ClutchSettings(), demonstrated=True)
        self.teleoperation.on_session("run", 3, "running")
        self.now_s = 0.0
        self.told = {arm.name: [HOME] for arm in self.rig.arms}
        self.pressed = {"left": 0.0, "right": 0.0}
        self.at = {"left": np.zeros(3), "right": np.zeros(3)}
        self.silent: set[str] = set()
        self.fault = ""
        self.sent: dict[str, int] = {arm.name: 0 for arm in self.rig.arms}

    @property
    def now_ns(self) -> int:
        return START_NS + round(self.now_s * NS)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 30)):
            self.now_s += 1.0 / 30.0
            for arm, told in self.told.items():
                if arm not in self.silent:
                    was = told[max(len(told) - 1 - round(self.late_s * 30), 0)]
                    sample = ArmSample(self.now_ns, told[-1], was.pose, self.fault)
                    self.teleoperation.on_arm(arm, sample)
            hands = {
                side: Hand(Pose(at, IDENTITY), self.pressed[side], 0.12, True) for side, at in self.at.items()
            }
            self.teleoperation.on_hands(1e3 * self.now_s, self.now_ns, hands)
            commands = self.teleoperation.commands(self.now_ns)
            self.teleoperation.fit_latency(self.now_ns)
            for arm in self.told:
                if arm in commands:
                    self.sent[arm] += 1
                    first = np.asarray(commands[arm].actions)[0]
                    self.told[arm].append(replace(HOME, position=first[:3].copy()))
                else:
                    self.told[arm].append(self.told[arm][-1])

    def way(self, arm: str) -> np.ndarray:
        return self.told[arm][-1].position - HOME.position


def test_the_only_arm_is_moved_by_the_right_hand_until_the_left_is_chosen() -> None:
    cell = Cell()
    cell.run(0.2)
    cell.pressed = {"left": 1.0, "right": 0.0}
    cell.run(0.2)
    assert cell.sent["arm"] == 0 and not cell.teleoperation.closed
    cell.teleoperation.configure(ClutchSettings(), "left")
    cell.pressed = {"left": 0.0, "right": 1.0}
    cell.run(0.2)
    assert cell.sent["arm"] == 0
    cell.pressed = {"left": 1.0, "right": 1.0}
    cell.run(0.2)
    assert cell.sent["arm"] > 3 and cell.teleoperation.view()["arm"].hand == "left"


def test_other_settings_let_go_and_the_same_do_not() -> None:
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.run(0.2)
    cell.teleoperation.configure(ClutchSettings(), "right")
    assert cell.teleoperation.closed
    cell.teleoperation.configure(ClutchSettings(scale=2.0), "right")
    assert not cell.teleoperation.closed
    assert "settings" in cell.teleoperation.view()["arm"].why
    cell.pressed["right"] = 0.0
    cell.run(0.1)
    cell.pressed["right"] = 1.0
    cell.run(0.1)
    cell.at["right"] = np.array([-0.02, 0.0, 0.0])  # to the left: +y of the base
    cell.run(1.0)
    np.testing.assert_allclose(cell.way("arm"), [0.0, 0.04, 0.0], atol=1e-6)


def test_a_page_that_is_connected_again_has_to_close_the_clutch_anew() -> None:
    """Its clock may be another one: neither silence nor jumps could be told."""
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.run(0.2)
    assert cell.teleoperation.view()["arm"].closed
    cell.teleoperation.new_client()
    cell.at["right"] = np.array([1.0, 0.0, 0.0])
    cell.run(0.5)
    (hand,) = cell.teleoperation.view().values()
    assert not hand.closed and "connected again" in hand.why and np.abs(cell.way("arm")).max() < 0.01


def test_messages_that_come_sooner_again_are_no_jump_of_the_hand() -> None:
    """Half a minute of a slow network, then one message without a delay."""
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.teleoperation.new_client()
    for frame in range(400):
        at = Pose(np.array([0.5 * frame / 90.0, 0.0, 0.0]), IDENTITY)
        late_ms = 5.0 if frame == 399 else 40.0
        arrival_ns = cell.now_ns + round((1e3 * frame / 90.0 + late_ms) * 1e6)
        hands = {"right": Hand(at, 1.0, 0.12, True)}
        cell.teleoperation.on_hands(1e3 * frame / 90.0, arrival_ns, hands)
    (hand,) = cell.teleoperation.view().values()
    assert hand.why == "" and hand.closed


def test_an_arm_that_is_silent_is_let_go_and_told_nothing_more() -> None:
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.run(0.2)
    cell.silent.add("arm")
    before = cell.sent["arm"]
    cell.run(0.5)
    assert cell.sent["arm"] - before == 8, "0.3 s of chunks, and no last one from where it was then"
    assert "no word from arm 'arm'" in cell.teleoperation.view()["arm"].why and not cell.teleoperation.closed


@pytest.mark.parametrize("late_s", [0.1, 0.2])
def test_the_latency_is_what_the_arm_is_late_by(late_s: float) -> None:
    cell = Cell(late_s=late_s)
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    for step in range(120):
        cell.at["right"] = np.array([0.03 * np.sin(step / 8.0), 0.0, 0.0])
        cell.run(1.0 / 30.0)
    seen = cell.teleoperation.view()["arm"].latency_s
    assert seen is not None
    assert seen == pytest.approx(late_s, abs=0.05)  # and a tick until it is told


def test_while_nothing_moves_no_latency_is_told() -> None:
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.run(3.0)
    assert cell.teleoperation.closed and cell.teleoperation.view()["arm"].latency_s is None


def test_two_arms_are_moved_by_the_hands_of_their_names() -> None:
    cell = Cell("dual_open_box", "open_box")
    cell.run(0.2)
    cell.pressed["left"] = 1.0
    cell.run(0.2)
    assert cell.sent["left"] > 3 and cell.sent["right"] == 0
    cell.pressed["right"] = 1.0
    cell.run(0.2)
    assert cell.sent["right"] > 3
    cell.teleoperation.let_go("the page is hidden")
    assert {hand.why for hand in cell.teleoperation.view().values()} == {"the page is hidden"}


def test_nothing_is_sent_before_an_arm_was_heard_of_or_while_the_session_permits_nothing() -> None:
    cell = Cell()
    cell.silent.add("arm")
    cell.pressed["right"] = 1.0
    cell.run(0.3)
    assert cell.sent["arm"] == 0
    cell.silent.clear()
    cell.pressed["right"] = 0.0
    cell.run(0.1)
    cell.teleoperation.on_session("run", 3, "paused")
    cell.pressed["right"] = 1.0
    cell.run(0.1)
    assert cell.sent["arm"] == 0
    assert "the session is paused" in cell.teleoperation.view()["arm"].why


def test_what_the_arm_refuses_is_told_while_the_hand_holds_it() -> None:
    cell = Cell()
    cell.run(0.2)
    cell.pressed["right"] = 1.0
    cell.run(0.2)
    cell.teleoperation.on_refused("arm", "it leaves the workspace", cell.now_ns)
    view = cell.teleoperation.view()["arm"]
    assert view.closed and view.why == "the arm refuses: it leaves the workspace"
    cell.run(1.1)
    assert cell.teleoperation.view()["arm"].why == ""
    cell.teleoperation.on_refused("arm", "it leaves the workspace", cell.now_ns)
    cell.pressed["right"] = 0.0
    cell.run(0.1)
    assert cell.teleoperation.view()["arm"].why == ""
