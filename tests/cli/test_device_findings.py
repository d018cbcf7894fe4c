"""What doctor says about a device, from what was seen of it; and functions that run aside."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zprl_arms.driver import ArmReading
from zprl_arms.identity import check_serial
from zprl_core import scheduling
from zprl_core.cli.arm_checks import Watched, arm_finding
from zprl_core.cli.aside import Failure, Job, run_aside
from zprl_core.cli.camera_checks import Seen, stream_problems
from zprl_core.cli.checks import Finding
from zprl_core.cli.rig_checks import Cell, lead_finding, machine, priority, processors, settings
from zprl_core.config import CameraConfig, ComputeConfig, FrankaConfig, ProcessConfig, load_rig, load_task
from zprl_core.errors import RigError
from zprl_core.transforms import Pose

RIG = load_rig("xarm6_place_orange")
(ARM,) = RIG.arms
FACTS = {"model": "xarm6", "serial number": "A1", "control box": "B1"}


def watched(rate_hz: float = 100.0, age_s: float = 0.005, **reading: Any) -> Watched:
    count = int(2 * rate_hz)
    measured = ArmReading(np.array(ARM.homing.joints_rad), np.zeros(6), Pose(np.zeros(3)), 0.08)
    stamps = tuple(1000.0 + n / rate_hz for n in range(count))
    return Watched(
        stamps, tuple(np.linspace(age_s, age_s + 1 / rate_hz, count)), measured._replace(**reading)
    )


def test_an_arm_at_home_is_green_whatever_pose_the_controller_makes_of_it() -> None:
    finding = arm_finding(RIG, ARM, FACTS, watched())
    assert finding.ok is True and finding.advice == ""
    assert "states 100 Hz, age 10.0 / 14.9 ms (p50 / p99)" in finding.what
    assert "gripper robotiq_2f85: 80 mm open" in finding.what


UPRIGHT = np.array((0.0, -0.35, -0.3, 0.0, 1.4, 0.0))


@pytest.mark.parametrize(
    ("seen", "ok", "said"),
    [
        (watched(rate_hz=50.0), None, "states come at 50 Hz, should be 60 Hz or more"),
        (watched(rate_hz=20.0), False, "states come at 20 Hz"),
        (watched(age_s=-0.5), False, "stamped 500.0 ms ahead of this machine's clock"),
        (watched(age_s=0.05), None, "no state is younger than 50 ms"),
        (watched(age_s=0.3), False, "allowed 0.2 s (watchdog_s)"),
        (watched(fault="C31 Collision"), False, "fault: C31 Collision"),
        (watched(gripper_width_m=None), None, "once the bridge has activated it"),
        (watched(joint_position_rad=UPRIGHT), False, "outside the workspace in "),
        (
            watched(joint_position_rad=np.array((0.0, -2.04, -1.05, 0, 1.4, 0))),
            False,
            "joint 2 at -2.040 rad",
        ),
    ],
)
def test_what_is_wrong_with_an_arm_is_said(seen: Watched, ok: bool | None, said: str) -> None:
    finding = arm_finding(RIG, ARM, FACTS, seen)
    assert finding.ok is ok and said in finding.advice


def test_serial_numbers_are_compared_with_the_arm_and_its_box() -> None:
    for serial in (None, "A1", "B1"):
        check_serial(RIG, replace(ARM, serial=serial), FACTS)
    left = replace(ARM, name="left", serial="A2")
    cell = replace(RIG, arms=(left, replace(ARM, name="right", serial="A1")))
    with pytest.raises(RigError, match=r"arm 'left'.*number A1 and B1.*it is arm 'right', they are swapped"):
        check_serial(cell, left, FACTS)
    with pytest.raises(RigError, match=r"the rig says serial: A2. Correct"):
        check_serial(replace(cell, arms=(left,)), left, FACTS)
    with pytest.raises(RigError, match=r"tells no serial number.*set serial: null"):
        check_serial(cell, left, {"model": "fr3"})


CAMERA = CameraConfig(name="wrist", driver="files", device="x", width=4, height=4, rate_hz=30.0)


def seen(
    count: int = 60, rate_hz: float = 30.0, age_s: float = 0.02, problem: str = "", dropped: int = 0
) -> Seen:
    stamps = tuple(n / rate_hz for n in range(count))
    return Seen(stamps, (age_s,) * count, {"dropped": dropped}, problem, None)


@pytest.mark.parametrize(
    ("stream", "ok", "said"),
    [
        (seen(count=1), False, "1 frames within"),
        (seen(rate_hz=28.0), None, "28.0 Hz, the rig says rate_hz: 30"),
        (seen(rate_hz=15.0), False, "15.0 Hz"),
        (seen(dropped=2), None, "2 frames dropped"),
        (seen(age_s=-0.1), False, "100 ms ahead"),
        (seen(age_s=0.4), False, "the task permits 0.2 s"),
        (seen(problem="the picture is black"), False, "the picture is black"),
    ],
)
def test_what_is_wrong_with_a_stream_is_said(stream: Seen, ok: bool | None, said: str) -> None:
    ((verdict, text),) = stream_problems(CAMERA, stream, 0.2)
    assert verdict is ok and said in text


def test_a_good_stream_has_no_problem() -> None:
    assert stream_problems(CAMERA, seen(), 0.2) == [] == stream_problems(CAMERA, seen(age_s=0.4), None)


def test_the_lead_is_whole_ticks_of_planning() -> None:
    task = load_task("place_orange_demo")  # 30 Hz, L = 2
    assert lead_finding(0.066, task, measured=True).ok is True
    slow = lead_finding(0.068, task, measured=True)
    assert slow.ok is False and "L = 3 ticks at 30 Hz" in slow.what and "lead_steps: 3" in slow.advice
    assert lead_finding(0.0, task, measured=False).ok is None


def test_a_missing_real_time_kernel_is_red_only_where_the_rig_insists() -> None:
    (franka,) = (replace(ARM, driver="franka", model="fr3", franka=FrankaConfig(realtime="enforce")),)
    strict = next(iter(machine(replace(RIG, arms=(franka,)))))
    easy = next(iter(machine(RIG)))
    if "no PREEMPT_RT" in easy.what:
        assert (easy.ok, strict.ok) == (None, False)
    else:
        assert easy == replace(strict, advice=easy.advice) and easy.ok is True


def test_processors_and_priorities_that_a_rig_asks_for() -> None:
    asked = (
        ProcessConfig(name="arm_bridge", cpus=(0, 4000), realtime_priority=80),
        ProcessConfig(name="learner_node", cpus=(0,), nice=10),
    )
    rig = replace(RIG, compute=ComputeConfig(processes=asked))
    (cpus,) = processors(rig)
    assert cpus.ok is False and "arm_bridge: cpus [4000]: this machine gives [" in cpus.what
    (found,) = priority(rig)
    assert found.ok is scheduling.may_use(80)
    assert found.what == f"real-time priority 80: {'' if found.ok else 'not '}permitted"
    assert not list(priority(RIG))
    for each, lines in ((rig, 0), (RIG, 1)):
        assert sum(one.what.startswith("real-time priority") for one in machine(each)) == lines, "said once"


def test_what_runs_aside_may_hang_end_and_raise() -> None:
    began = time.monotonic()
    assert run_aside([Job(time.sleep, (600.0,))], 6.0) == [Failure("no answer within 6 s")]
    assert time.monotonic() - began < 20.0
    jobs = [
        Job(os._exit, (3,)),
        Job(math.sqrt, (-1.0,)),
        Job(math.sqrt, (4.0,)),
        Job(Finding, (True, "fine")),
    ]
    ended, raised, root, finding = run_aside(jobs, 60.0)
    assert isinstance(ended, Failure) and "exit code 3" in ended.reason
    assert isinstance(raised, Failure) and raised.reason.startswith("ValueError: ")
    assert root == 2.0 and finding == Finding(True, "fine")


def test_joint_speeds_above_the_arms_own_are_noted() -> None:
    def notes(**limits: Any) -> list[str]:
        arm = replace(ARM, limits=replace(ARM.limits, **limits))
        cell = Cell("cell", Path("cell.yaml"), replace(RIG, arms=(arm,)))
        return [each.advice for each in settings(cell) if each.what.startswith("limits: above")]

    assert notes() == []
    (said,) = notes(joint_velocity_rad_s=4.0)
    assert said.startswith(
        "arm 'arm': limits.joint_velocity_rad_s: 4 rad/s, the xarm6's joint 1 turns at 3.142"
    )
