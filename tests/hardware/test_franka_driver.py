"""The Franka driver against simulated controllers, by way of the real franky and libfranka."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.hardware.franka import (
    HAND,
    HAND_TOOL,
    OBJECT_M,
    SERVO_HZ,
    Controller,
    arm_config,
    await_reading,
    connected,
    controller,
    follow,
    wait_for,
)
from zprl_arms.driver import ArmReading
from zprl_arms.drivers import franka_fci, make_driver
from zprl_arms.drivers.franka import FrankaArm
from zprl_arms.drivers.franka_tool import flange_to_tcp, missing_load, nominal_to_tcp
from zprl_arms.grippers.franka_hand import FrankaHand
from zprl_core.actions import ArmWaypoints
from zprl_core.config import load_rig, load_task
from zprl_core.config.arm import FrankaConfig, GripperConfig, ToolConfig
from zprl_core.errors import RigError
from zprl_core.kinematics import ArmKinematics
from zprl_core.trajectory import Chunk, ChunkInterpolator, Setpoint
from zprl_core.transforms import Pose, quaternion_from_rotvec

RIG, TASK = load_rig("sim_xarm6"), load_task("place_orange_demo")
NOWHERE = "127.199.0.1"
HOME_RAD, WAY_RAD = 0.01, 0.1
"""Measured: 0.003 and 0.02 rad. With poses instead, friction holds the arm 0.01 to 0.06 rad from its home."""


@pytest.fixture(scope="module")
def lenient() -> Iterator[Controller]:
    """A controller with a Hand and without limits."""
    with controller("franky-sim") as started:
        yield started


@pytest.fixture(scope="module")
def strict() -> Iterator[Controller]:
    """A controller that stops its arm where a real one does."""
    with controller("franka-sim") as started:
        yield started


def along_y(start: Setpoint, length_m: float, seconds: float) -> Callable[[float], Setpoint]:
    """Smoothly to y + length and back, again and again."""

    def at(t_s: float) -> Setpoint:
        share = 0.5 * (1.0 - np.cos(2.0 * np.pi * t_s / seconds))
        return Setpoint(start.position + np.array([0.0, length_m * share, 0.0]), start.quaternion)

    return at


def has_width(width_m: float, reading: ArmReading) -> bool:
    """Whether the gripper is as wide as this."""
    return reading.gripper_width_m is not None and abs(reading.gripper_width_m - width_m) < 0.002


# What the controller is told


def test_the_end_effector_is_put_at_the_tool_whatever_desk_has() -> None:
    tool = ToolConfig(position_m=(0.01, 0.0, 0.15), rotvec_rad=(0.0, 0.0, 0.5))
    for nominal in (
        Pose(np.zeros(3)),
        Pose(np.array([0.0, 0.0, 0.1034]), quaternion_from_rotvec((0, 0, -0.785))),
    ):
        expected = flange_to_tcp(tool)
        assert nominal.compose(nominal_to_tcp(nominal, tool)).distance(expected) == pytest.approx(
            (0, 0), abs=1e-7
        )
    assert nominal_to_tcp(nominal, None).distance(nominal.inverse()) == pytest.approx((0, 0), abs=1e-7)


def test_the_load_is_what_desk_does_not_know_of() -> None:
    tool = ToolConfig(position_m=(0.0, 0.0, 0.1), mass_kg=1.0, com_m=(0.0, 0.0, 0.05), radius_m=0.05)
    load = missing_load("arm", tool, 0.75, np.array([0.0, 0.0, 0.04]))
    assert load.mass_kg == pytest.approx(0.25)
    assert load.com_m == pytest.approx((0.0, 0.0, 0.08))  # 1.0 * 0.05 = 0.75 * 0.04 + 0.25 * 0.08
    assert load.inertia_kg_m2[0] == pytest.approx(0.4 * 0.25 * 0.05**2)
    assert missing_load("arm", None, 0.75, np.zeros(3)).mass_kg == 0.0
    assert missing_load("arm", replace(tool, mass_kg=0.75), 0.75, np.zeros(3)).mass_kg == 0.0
    with pytest.raises(RigError, match=r"tool\.mass_kg: 0\.5 kg.*0\.75 kg.*Desk"):
        missing_load("arm", replace(tool, mass_kg=0.5), 0.75, np.zeros(3))


@pytest.mark.parametrize(
    ("model", "version"), [("fr3", "0.21.2"), ("fer", "0.9.2"), ("fer", ""), ("fr3", "")]
)
def test_a_libfranka_that_speaks_to_the_arm_is_taken(model: str, version: str) -> None:
    franka_fci.check_model(replace(arm_config(NOWHERE), model=model), version)


@pytest.mark.parametrize(("model", "version"), [("fer", "0.21.2"), ("fer", "0.10.0"), ("fr3", "0.9.2")])
def test_a_libfranka_that_does_not_is_named(model: str, version: str) -> None:
    with pytest.raises(RigError, match=rf"arm 'arm': model {model}.*libfranka {version}.*wheel for"):
        franka_fci.check_model(replace(arm_config(NOWHERE), model=model), version)


@pytest.mark.parametrize("cell", ["dual_open_box", "dual_insert_bills", "franka_flip_egg"])
def test_the_papers_pandas_need_a_wheel_that_is_not_on_pypi(cell: str) -> None:
    for arm in load_rig(cell).arms:
        said = rf"arm '{arm.name}': model fer: .*FR3 only\. Install its wheel for libfranka 0\.9\.2.*PyPI has"
        with pytest.raises(RigError, match=said):
            make_driver(RIG, TASK, arm).connect()


# What is not there


def test_without_franky_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "franky", None)
    with pytest.raises(RigError, match=r"franky-control.*extra 'real'"):
        make_driver(RIG, TASK, arm_config(NOWHERE)).connect()


def test_without_a_controller_the_address_is_named() -> None:
    with pytest.raises(RigError, match=rf"arm 'arm': no Franka controller at {NOWHERE}: .*Desk"):
        make_driver(RIG, TASK, arm_config(NOWHERE)).connect()


def test_a_robotiq_needs_a_port() -> None:
    gripper = GripperConfig(kind="robotiq_2f85", max_width_m=0.085)
    with pytest.raises(RigError, match=r"gripper\.port: null.*RS-485"):
        make_driver(RIG, TASK, arm_config(NOWHERE, gripper=gripper))


# With a Hand and without limits


def test_a_look_changes_nothing_and_sees_the_tool(lenient: Controller) -> None:
    with connected(arm_config(lenient.address, tool=None), enable=False) as driver:
        flange, first = driver.read().pose_base_tcp, driver.read()
        assert first.fault == ""
        assert driver.facts()["address"] == lenient.address
        assert driver.facts()["model"] == "fr3"
    with connected(arm_config(lenient.address), enable=False) as driver:
        reading = await_reading(driver, lambda reading: reading.stamp_ns != first.stamp_ns, 2.0)
        assert reading.joint_position_rad == pytest.approx(first.joint_position_rad, abs=1e-3)
        expected = flange.compose(flange_to_tcp(HAND_TOOL))
        assert reading.pose_base_tcp.distance(expected) == pytest.approx((0.0, 0.0), abs=2e-3)
        assert abs(time.time_ns() - (reading.stamp_ns or 0)) < 1e9


def test_it_holds_follows_and_grasps(lenient: Controller) -> None:
    with connected(arm_config(lenient.address, gripper=HAND)) as driver:
        start = driver.read()
        time.sleep(0.5)
        assert driver.read().pose_base_tcp.distance(start.pose_base_tcp)[0] < 0.003
        distances = follow(driver, along_y(start.setpoint, 0.1, 4.0), 8.0)
        assert driver.read().fault == ""
        assert len(distances) == 800
        assert max(distances) < 0.03
        assert driver.read().pose_base_tcp.distance(start.pose_base_tcp)[0] < 0.01
        for width in (0.08, 0.0):
            driver.stream(replace(start.setpoint, gripper_width=width))
            await_reading(driver, partial(has_width, width), 10.0)


def test_a_hand_that_is_halted_begins_nothing_before_it_may_move_again(lenient: Controller) -> None:
    with connected(arm_config(lenient.address, gripper=replace(HAND, speed_m_s=0.04))) as driver:
        start = driver.read().setpoint
        driver.stream(replace(start, gripper_width=0.08))
        await_reading(driver, partial(has_width, 0.08), 10.0)
        driver.stream(replace(start, gripper_width=0.02))
        await_reading(driver, lambda reading: (reading.gripper_width_m or 0.0) < 0.07, 5.0)
        driver.stream(replace(start, gripper_width=0.06))
        driver.halt(halted=True)
        await_reading(driver, partial(has_width, 0.02), 10.0)
        for _ in range(10):
            driver.stream(replace(start, gripper_width=0.06))
            time.sleep(0.1)
        assert driver.read().fault == "" and has_width(0.02, driver.read())
        driver.halt(halted=False)
        await_reading(driver, partial(has_width, 0.06), 5.0)


def test_a_lost_controller_is_a_fault_until_a_person_clears_it(lenient: Controller) -> None:
    with connected(arm_config(lenient.address, gripper=HAND)) as driver:
        start = driver.read().setpoint
        lenient.kill()
        killed = time.monotonic()
        follow(driver, along_y(start, 0.05, 4.0), 5.0)
        assert time.monotonic() - killed < 3.0
        assert "connection lost" in driver.read().fault
        driver.stream(start)
        with pytest.raises(RigError, match=f"no Franka controller at {lenient.address}"):
            driver.clear_fault()
        assert driver.read().fault
        lenient.start()
        driver.clear_fault()
        assert driver.read().fault == ""
        assert len(follow(driver, along_y(driver.read().setpoint, 0.02, 1.0), 1.0)) == 100


# With a controller's limits


def chunked(start: Setpoint) -> Callable[[float], Setpoint]:
    """Chunks of 8 waypoints at 10 Hz along a figure of eight, off by some mm each, interpolated."""
    dt_s, steps = 0.1, 8
    interpolator, noise, sent = ChunkInterpolator(start), np.random.default_rng(0), itertools.count()

    def send(t_s: float) -> None:
        k = next(sent)
        t = (k * steps + np.arange(1, steps + 1)) * dt_s
        ramp = np.minimum(t / 2.0, 1.0)
        offset = np.stack((0.0 * t, 0.06 * ramp * np.sin(1.5 * t), 0.03 * ramp * np.sin(3.0 * t)), axis=1)
        position = start.position + offset + noise.normal(0.0, 0.002, 3)
        waypoints = ArmWaypoints(position, np.tile(start.quaternion, (steps, 1)))
        chunk = Chunk(0, k, round(k * steps * dt_s * 1e9), dt_s, waypoints)
        interpolator.add_chunk(chunk, round(t_s * 1e9))

    def at(t_s: float) -> Setpoint:
        if round(t_s * SERVO_HZ) % round(steps * dt_s * SERVO_HZ) == 0:
            send(t_s)
        return interpolator.sample(round(t_s * 1e9))

    return at


def test_chunks_stay_within_the_controllers_limits(strict: Controller) -> None:
    with connected(arm_config(strict.address)) as driver:
        distances = follow(driver, chunked(driver.read().setpoint), 10.0)
        assert driver.read().fault == ""
        assert len(distances) == 1000
        assert np.median(distances) < 0.02


def glide(driver: FrankaArm, goal_rad: NDArray[np.float64], *, share: float = 1.0) -> float:
    """Along a share of a smooth way to joint angles, in joint angles, and 1 s more after a whole one; gives
    the largest distance from what was streamed, rad.
    """
    start, steps, worst = driver.read().joint_position_rad, round(2.0 * SERVO_HZ), 0.0
    kinematics, since = ArmKinematics("fr3", HAND_TOOL), time.monotonic()
    for n in range(round(share * steps) + (round(SERVO_HZ) if share == 1.0 else 0)):
        time.sleep(max(0.0, since + n / SERVO_HZ - time.monotonic()))
        part = 0.5 - 0.5 * np.cos(np.pi * min(n / steps, 1.0))
        joints = start + part * (goal_rad - start)
        worst = max(worst, float(np.abs(driver.read().joint_position_rad - joints).max()))
        driver.stream(Setpoint.at(kinematics.forward(joints), None), joints)
    return worst


def test_the_way_home_is_followed_joint_by_joint_and_ends_there(strict: Controller) -> None:
    config = arm_config(strict.address)
    home_rad = np.array(config.homing.joints_rad)
    away_rad = home_rad + np.array([0.2, -0.15, 0.25, -0.2, 0.15, 0.2, -0.3])
    with connected(config) as driver:
        glide(driver, away_rad)
        assert glide(driver, home_rad) < WAY_RAD
        assert np.abs(driver.read().joint_position_rad - home_rad).max() < HOME_RAD
        follow(driver, along_y(driver.read().setpoint, 0.05, 2.0), 2.0)
        glide(driver, away_rad, share=0.5)  # and is broken off there: poses again
        distances = follow(driver, along_y(driver.read().setpoint, 0.0, 1.0), 1.0)
        assert driver.read().fault == ""
        assert distances[-1] < 0.01
        assert np.abs(driver.read().joint_velocity_rad_s).max() < 0.02
        assert glide(driver, home_rad) < WAY_RAD
        assert np.abs(driver.read().joint_position_rad - home_rad).max() < HOME_RAD


def test_a_hand_holds_what_is_between_its_fingers(strict: Controller) -> None:
    with connected(arm_config(strict.address, gripper=HAND)) as driver:
        start = driver.read().setpoint
        for wanted, reached in ((0.08, 0.08), (0.0, OBJECT_M), (0.07, 0.07)):
            driver.stream(replace(start, gripper_width=wanted))
            await_reading(driver, partial(has_width, reached), 10.0)
            time.sleep(0.5)
            assert has_width(reached, driver.read())
        assert driver.read().fault == ""


@pytest.mark.parametrize("halted", [False, True])
def test_a_hand_that_meets_something_presses_unless_the_arm_was_stopped(
    strict: Controller, halted: bool
) -> None:
    with connected_hand(strict) as hand:
        move(hand, HAND.max_width_m)
        hand.move(OBJECT_M - 0.02)
        hand.halt(halted=halted)
        await_end(hand)
    gripper = franka_fci.load_franky().Gripper(strict.address)
    assert gripper.is_grasped != halted
    del gripper
    with connected_hand(strict) as hand:
        move(hand, HAND.max_width_m)


def test_what_a_halted_hand_met_is_grasped_once_the_arm_may_move_again(strict: Controller) -> None:
    """A pause in the middle of closing: what is wanted does not change over it."""
    with connected_hand(strict) as hand:
        move(hand, HAND.max_width_m)
        hand.move(OBJECT_M - 0.02)
        hand.halt(halted=True)
        await_end(hand)
        hand.halt(halted=False)
        hand.read()
        assert hand.busy
        await_end(hand)
        move(hand, HAND.max_width_m)


@contextlib.contextmanager
def connected_hand(controller: Controller) -> Iterator[FrankaHand]:
    """A Hand without its worker. franka-sim has one client of it at a time."""
    hand = FrankaHand(controller.address, HAND)
    hand.connect(enable=True)
    yield hand
    hand.close()


def move(hand: FrankaHand, width_m: float) -> None:
    hand.move(width_m)
    await_end(hand)


def await_end(hand: FrankaHand) -> None:
    wait_for(lambda: hand.read() is not None and not hand.busy, 5.0, lambda: "it moves on")


def test_a_reflex_is_a_fault_until_a_person_clears_it(strict: Controller) -> None:
    violent = FrankaConfig(
        translational_stiffness=3000.0, rotational_stiffness=100.0, translational_clip_m=1.0
    )
    with connected(arm_config(strict.address, franka=violent)) as driver:
        start = driver.read().setpoint
        driver.stream(replace(start, position=start.position + np.array([-0.3, 0.4, -0.2])))
        fault = await_reading(driver, lambda reading: reading.fault != "", 5.0).fault
        assert "reflex" in fault
        assert "violation" in fault or "discontinuity" in fault
        driver.stream(start)
        assert driver.read().fault == fault
        driver.clear_fault()
        assert driver.read().fault == ""
        assert len(follow(driver, along_y(driver.read().setpoint, 0.03, 2.0), 2.0)) == 200


CLIENT = """
import sys, time
from tests.hardware.franka import arm_config, connected, follow
from tests.hardware.test_franka_driver import along_y
with connected(arm_config(sys.argv[1])) as driver:
    print("moving", flush=True)
    follow(driver, along_y(driver.read().setpoint, 0.1, 4.0), 60.0)
"""


def test_the_controller_stops_an_arm_whose_driver_dies(strict: Controller) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, strict.address], stdout=subprocess.PIPE, text=True
    )
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "moving\n"
        time.sleep(1.0)
    finally:
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
    # Which of the two comes first depends on whether the system closes the connection within 20 cycles.
    noticed = ("communication_constraints_violation", "client disconnected mid-session")
    wait_for(lambda: any(each in strict.log() for each in noticed), 5.0, strict.log)
    with connected(arm_config(strict.address), enable=False) as driver:
        time.sleep(0.5)
        before = driver.read().joint_position_rad
        time.sleep(0.5)
        assert driver.read().joint_position_rad == pytest.approx(before, abs=3e-3)
