"""What a moving arm is stopped for: what it measures, and a session that falls silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.arms.test_controller import ARM, DT_S, HOME, TASK, S, chunk, reading, serve
from zprl_arms.controller import ArmController
from zprl_arms.driver import ArmReading

WATCHED = replace(ARM, limits=replace(ARM.limits, external_force_n=30.0), watchdog_s=0.2)
NOW_NS = S + S // 10
PROBLEMS = [
    ({"wrench_base": np.array([0.0, 24.0, 32.0, 0.0, 0.0, 0.0])}, "external force of 40.0 N at the tool"),
    ({"wrench_base": None}, "limits the external force (limits.external_force_n), and the arm reports none"),
    ({"stamp_ns": NOW_NS - S // 4}, "the arm's state is 0.250 s old, allowed 0.2 s"),
]


def moving(lease_s: float | None = None) -> ArmController:
    """A tenth of a second into a chunk at 0.2 m/s, with a sign of life at its beginning."""
    made = ArmController(WATCHED, TASK, "run", HOME, lease_s=lease_s)
    made.on_lease(S)
    made.on_session("running", 0, S, HOME)
    assert made.command(chunk(step_m=0.2 * DT_S), S)
    serve(made, S, 0.1)
    assert made.owner == "policy"
    return made


def measured(controller: ArmController, **what: Any) -> ArmReading:
    """The arm is where it was told to be, and feels 20 N."""
    light = np.array([0.0, 12.0, 16.0, 0.0, 0.0, 0.0])
    fine = {"pose_base_tcp": controller.last.pose, "stamp_ns": NOW_NS, "wrench_base": light}
    return reading()._replace(**{**fine, **what})


def assert_at_rest_soon(controller: ArmController, t_ns: int) -> None:
    begun = controller.last.position
    places = np.array([sent.position for sent in serve(controller, t_ns, 0.3)])
    assert np.ptp(places[12:], axis=0).max() < 1e-9 and np.linalg.norm(places[-1] - begun) < 0.01


@pytest.mark.parametrize(("what", "reason"), PROBLEMS)
def test_a_running_arm_stops_for_what_it_measures(what: dict[str, Any], reason: str) -> None:
    controller = moving()
    controller.on_reading(measured(controller, **what), NOW_NS)
    assert reason in controller.fault and controller.owner == "stop"
    assert_at_rest_soon(controller, NOW_NS)


@pytest.mark.parametrize("what", [what for what, _ in PROBLEMS])
def test_an_arm_that_may_not_move_is_not_stopped_for_it(what: dict[str, Any]) -> None:
    controller = ArmController(WATCHED, TASK, "run", HOME)
    controller.on_session("idle", 0, S, HOME)
    controller.on_reading(measured(controller, **what), NOW_NS)
    assert controller.fault == ""


def test_an_arm_that_measures_nothing_unusual_goes_on() -> None:
    controller = moving()
    controller.on_reading(measured(controller, stamp_ns=NOW_NS - S // 6), NOW_NS)
    assert controller.fault == "" and controller.owner == "policy"


def test_without_a_limit_an_arm_need_not_report_forces() -> None:
    controller = ArmController(ARM, TASK, "run", HOME)
    controller.on_session("running", 0, S, HOME)
    controller.on_reading(measured(controller, wrench_base=None), NOW_NS)
    assert ARM.limits.external_force_n is None and controller.fault == ""


def test_a_moving_arm_stops_when_the_session_falls_silent() -> None:
    controller = moving(lease_s=0.5)
    serve(controller, NOW_NS, 0.4)
    assert controller.fault == "" and controller.owner == "policy"
    serve(controller, S + S // 2, 0.01)
    assert controller.fault == "no sign of life from the session for 0.5 s" and controller.owner == "stop"
    assert_at_rest_soon(controller, S + S // 2 + S // 100)


def test_a_sign_of_life_keeps_it_moving_and_an_arm_at_rest_needs_none() -> None:
    controller = moving(lease_s=0.5)
    controller.on_lease(NOW_NS)
    serve(controller, NOW_NS, 0.42)
    assert controller.owner == "policy"
    resting = ArmController(WATCHED, TASK, "run", HOME, lease_s=0.5)
    resting.on_lease(S)
    resting.on_session("running", 0, S, HOME)
    serve(resting, S, 2.0)
    assert resting.fault == ""
