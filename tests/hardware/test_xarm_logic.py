"""What the xArm driver decides without a socket: rotations near pi, old reports, whose motion it is."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zprl_arms.drivers import xarm_setup
from zprl_arms.drivers.xarm_poses import continuous_rotvec, pose_from_rpy, rpy_from_pose
from zprl_arms.drivers.xarm_reports import Reported, Reports
from zprl_arms.drivers.xarm_stream import NewestFirst
from zprl_arms.drivers.xarm_watch import FaultLatch, ForeignMotion, state_problem
from zprl_core.config.arm import DRIVER_MODELS
from zprl_core.transforms import Pose, angle_between, quaternion_from_rotvec, quaternion_multiply
from zprl_sim.xarm_box import wire
from zprl_sim.xarm_box.chains import ModelChain
from zprl_sim.xarm_box.models import MODELS as BOX_MODELS

MS = 1_000_000
DOWN = np.array((0.0, 1.0, 0.0, 0.0))
angles = st.floats(-math.pi, math.pi)


def test_driver_and_box_know_the_same_models() -> None:
    known = {name: (model.joints, model.device_type) for name, model in BOX_MODELS.items()}
    assert known == xarm_setup.MODELS and set(known) == set(DRIVER_MODELS["xarm"])


@pytest.mark.parametrize("model", sorted(BOX_MODELS))
def test_every_models_chain_is_inverted_near_a_setpoint_and_not_out_of_reach(model: str) -> None:
    chain, start = ModelChain(model), np.array(BOX_MODELS[model].start_rad)
    assert ((start > chain.lower_rad) & (start < chain.upper_rad)).all()
    flange = chain.forward(start + 0.01)
    joints, error = chain.inverse(flange, start)
    assert error < 1e-6 and chain.forward(joints).distance(flange)[0] < 1e-6
    assert np.allclose(
        chain.point(start, np.array((0.0, 0.0, 0.2))), chain.forward(start).transform((0, 0, 0.2))
    )
    away = Pose(flange.position + np.array((2.0, 0.0, 0.0)), flange.quaternion)
    assert chain.inverse(away, start)[1] > 0.5


def test_a_swing_through_pi_keeps_its_side() -> None:
    before, jumps = None, []
    for step in np.linspace(-0.3, 0.3, 61):
        swung = quaternion_multiply(quaternion_from_rotvec((step, 0.3 * step, 0.0)), DOWN)
        now = continuous_rotvec(swung, before)
        assert angle_between(quaternion_from_rotvec(now), swung) < 1e-6
        jumps.append(0.0 if before is None else math.dist(now, before))
        before = now
    assert max(jumps) < 0.05


def test_no_rotation_has_no_side() -> None:
    assert np.allclose(continuous_rotvec(np.array((1.0, 0.0, 0.0, 0.0)), (0.0, 3.0, 0.0)), 0.0)


@given(roll=angles, pitch=st.floats(-1.5, 1.5), yaw=angles)
def test_driver_and_box_agree_on_roll_pitch_and_yaw(roll: float, pitch: float, yaw: float) -> None:
    numbers = (100.0, -200.0, 300.0, roll, pitch, yaw)
    pose = pose_from_rpy(numbers)
    assert pose.distance(wire.pose_from_rpy(numbers)) == pytest.approx((0.0, 0.0), abs=1e-7)
    assert pose_from_rpy(rpy_from_pose(pose)).distance(pose) == pytest.approx((0.0, 0.0), abs=1e-7)
    assert wire.pose_from_aa(wire.aa_from_pose(pose)).distance(pose) == pytest.approx((0.0, 0.0), abs=1e-7)


def reports_at(*stamps_ms: float, speed_rad_s: float = 0.5) -> Reports:
    reports = Reports(6, 0.2)
    for stamp in stamps_ms:
        reports.add(round(stamp * MS), [speed_rad_s * stamp / 1e3] * 7, [0.0] * 6, 1, 2)
    return reports


def test_velocities_are_the_slope_of_the_last_reports() -> None:
    assert np.allclose(reports_at(100, 110, 121, 129, 140).velocities_rad_s(), 0.5)
    assert np.allclose(reports_at(100).velocities_rad_s(), 0.0)
    assert np.allclose(reports_at(100, 100).velocities_rad_s(), 0.0)


@pytest.mark.parametrize(
    ("looks_ms", "stale"),
    [
        ((150, 290), False),
        ((310,), False),  # one look: perhaps this process slept, and reports wait in its socket
        ((310, 340), False),
        ((310, 365), True),
        ((205, 310, 330), False),
    ],
)
def test_reports_are_stale_when_two_looks_apart_agree(looks_ms: tuple[int, ...], stale: bool) -> None:
    reports = reports_at(100)
    ages = [reports.stale_s(look * MS) for look in looks_ms]
    assert (ages[-1] > 0.0) is stale


def test_a_report_after_a_hiccup_makes_the_next_look_the_first_again() -> None:
    reports = reports_at(100)
    assert reports.stale_s(310 * MS) == 0.0
    reports.add(320 * MS, [0.0] * 7, [0.0] * 6, 1, 2)
    assert reports.stale_s(530 * MS) == 0.0
    assert reports.stale_s(590 * MS) == pytest.approx(0.27)


@pytest.mark.parametrize(
    ("mode", "state", "says"),
    [(1, 1, ""), (1, 2, ""), (1, 3, "paused"), (1, 4, "stopped"), (1, 5, "stopped"), (0, 2, "mode 0")],
)
def test_states_that_servo_mode_does_not_survive(mode: int, state: int, says: str) -> None:
    found = state_problem(Reported(0, np.zeros(6), (0.0,) * 6, mode, state))
    assert (found == "") is (says == "") and says in found


def at(x: float) -> Pose:
    return Pose(np.array((x, 0.0, 0.3)), DOWN)


def test_an_arm_that_lags_behind_its_setpoints_is_ours() -> None:
    foreign = ForeignMotion(at(0.0))
    for n in range(100):
        foreign.sent(n * 10 * MS, at(0.01 * n))
        assert foreign.problem(at(0.01 * max(0, n - 20))) == ""  # 0.2 m and 0.2 s behind


def test_an_arm_that_is_elsewhere_is_not_ours_but_one_look_is_not_enough() -> None:
    foreign = ForeignMotion(at(0.0))
    assert foreign.problem(at(0.06)) == ""
    assert "0.060 m" in foreign.problem(at(0.06))
    assert foreign.problem(at(0.04)) == ""
    assert foreign.problem(at(0.06)) == ""


def test_the_last_setpoint_counts_however_old_it_is() -> None:
    foreign = ForeignMotion(at(0.0))
    foreign.sent(0, at(0.0))
    foreign.sent(10_000 * MS, at(0.3))
    assert foreign.problem(at(0.3)) == ""
    assert foreign.problem(at(0.0)) == "" and foreign.problem(at(0.0)) != ""


def test_looks_are_twenty_a_second() -> None:
    foreign = ForeignMotion(at(0.0))
    assert sum(foreign.due(1000 * MS + n * 10 * MS) for n in range(100)) == 20


def test_the_first_complaint_stays_and_may_be_explained_once() -> None:
    latch = FaultLatch()
    latch.set("stopped", final=False)
    latch.set("also stopped", final=False)
    assert latch.text == "stopped"
    latch.set("C31 collision")
    latch.set("C24 speed")
    assert latch.text == "C31 collision"
    latch.clear()
    assert latch.text == ""


def test_an_item_that_was_overtaken_is_never_served() -> None:
    served: list[int] = []
    busy, go, idle = threading.Event(), threading.Event(), threading.Event()

    def serve(item: int) -> None:
        served.append(item)
        busy.set()
        assert go.wait(10.0)

    thread = NewestFirst("test", serve, idle.set)
    thread.put(1)
    assert busy.wait(10.0)
    for item in (2, 3, 4):
        thread.put(item)
    go.set()
    thread.nudge()
    assert idle.wait(10.0)
    thread.close(10.0)
    assert (served, thread.overtaken) == ([1, 4], 2)
