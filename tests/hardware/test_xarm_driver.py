"""The xArm driver with the vendor's SDK against the simulated control box: real processes, real sockets."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.hardware.boxes import (
    arm_config,
    box,
    driver,
    gripper_config,
    moved,
    own_address,
    stream_for,
    wait_for,
    wait_for_fault,
)
from zprl_arms.drivers import make_driver
from zprl_arms.drivers.xarm import XArm
from zprl_core.config import load_rig, load_task
from zprl_core.config.arm import GripperConfig, LimitsConfig, WorkspaceConfig, XArmConfig
from zprl_core.errors import RigError
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose, quaternion_from_rotvec, quaternion_multiply
from zprl_sim.xarm_box.client import BoxClient

pytest.importorskip("xarm", reason="the vendor's SDK is not installed: pip install xarm-python-sdk")


@pytest.fixture(scope="module")
def bench() -> Iterator[BoxClient]:
    with box() as client:
        yield client


@pytest.fixture
def arm(bench: BoxClient) -> Iterator[XArm]:
    """The driver, connected; whatever a test broke is mended afterwards."""
    try:
        with driver(arm_config(bench.address)) as connected:
            yield connected
    finally:
        mend(bench)


def mend(client: BoxClient) -> None:
    client.inject(error=0, reply_delay_s=0.0, drop_replies=False, freeze_reports=False, refuse=False)
    client.reset(0, arm="home")


def goes_on(arm: XArm, client: BoxClient) -> None:
    """A person clears the fault, and the arm follows again from where it is."""
    arm.clear_fault()
    held = wait_for(arm, lambda reading: not reading.fault, "no fault").setpoint
    stream_for(arm, 0.5, lambda t: moved(held, (0.0, 0.0, 0.04 * t)))
    reading = wait_for(arm, lambda now: now.pose_base_tcp.position[2] > held.position[2] + 0.018, "risen")
    assert reading.fault == "" and client.status()["error"] == 0


def test_a_rig_finds_it_by_its_name(bench: BoxClient) -> None:
    found = make_driver(load_rig("sim_xarm6"), load_task("place_orange_demo"), arm_config(bench.address))
    assert isinstance(found, XArm) and not found.streams_joints


def test_connecting_sets_the_arm_up_as_the_rig_says_and_holds(arm: XArm, bench: BoxClient) -> None:
    status = bench.status()
    assert (status["mode"], status["state"], status["error"]) == (1, 2, 0) and all(status["enabled"])
    assert status["tcp_offset"] == pytest.approx([0, 0, 200, 0, 0, 0])
    assert status["load"] == pytest.approx([0.9, 0, 0, 60], rel=1e-6)
    assert status["collision_sensitivity"] == 2
    reduced = status["reduced"]
    assert reduced["on"] and reduced["fence_on"]
    assert reduced["box_mm"] == [670, 80, 470, -470, 620, -15]  # the workspace and 20 mm
    reading = arm.read()
    assert np.allclose(reading.joint_position_rad, (0.0, -0.35, -1.05, 0.0, 1.4, 0.0), atol=1e-3)
    assert np.allclose(reading.pose_base_tcp.position * 1000, status["pose_mm_aa"][:3], atol=0.1)
    assert reading.fault == "" and reading.gripper_width_m is None and reading.wrench_base is None
    assert reading.stamp_ns is not None and abs(reading.stamp_ns - time.time_ns()) < 1e9
    facts = arm.facts()
    assert (facts["model"], facts["firmware"]) == ("xarm6", "1.12.10")


def test_without_enable_nothing_changes(bench: BoxClient) -> None:
    bench.inject(disable_motors=True)
    before = bench.status()
    with driver(arm_config(bench.address, gripper=gripper_config("robotiq_2f85")), enable=False) as shadow:
        reading = shadow.read()
        assert reading.fault == "" and reading.gripper_width_m is None
        shadow.stream(reading.setpoint)
    assert bench.status() == before


def test_poses_are_followed(arm: XArm) -> None:
    held = arm.read().setpoint
    stream_for(arm, 1.0, lambda t: moved(held, (0.03 * t, -0.05 * t, 0.02 * t)))
    end = held.position + np.array((0.03, -0.05, 0.02))
    wait_for(arm, lambda now: np.allclose(now.pose_base_tcp.position, end, atol=1.5e-3), "there")
    stream_for(arm, 0.3, lambda t: moved(held, (0.03, -0.05 + 0.1 * t, 0.02)))
    speed = np.abs(arm.read().joint_velocity_rad_s).max()
    assert 0.05 < speed < 1.0


def test_rotations_are_continuous_through_pi(arm: XArm, bench: BoxClient) -> None:
    """The tool points down, which is a half turn: swing it through on both axes."""
    held = arm.read().setpoint

    def swung(t: float) -> Setpoint:
        angle = 0.25 * math.sin(4.0 * t)
        swing = quaternion_from_rotvec((angle, 0.5 * angle, 0.2 * angle))
        return Setpoint.at(Pose(held.position, quaternion_multiply(swing, held.quaternion)))

    stream_for(arm, 2.0, swung)
    assert arm.read().fault == ""
    wait_for(arm, lambda now: now.pose_base_tcp.distance(swung(1.99).pose)[1] < 0.01, "there")


def test_joint_angles_are_followed_at_250_hz(bench: BoxClient) -> None:
    config = arm_config(bench.address, servo_rate_hz=250.0, xarm=XArmConfig(streaming="joint"))
    with driver(config) as arm:
        assert arm.streams_joints
        first = arm.read()
        goal = first.joint_position_rad + np.array((0.1, 0.0, 0.0, 0.0, 0.0, 0.2))
        for n in range(125):
            share = (n + 1) / 125
            joints = first.joint_position_rad + share * (goal - first.joint_position_rad)
            turned = quaternion_multiply(
                quaternion_from_rotvec((0.0, 0.0, 0.1 * share)), (1.0, 0.0, 0.0, 0.0)
            )
            tip = Pose(np.zeros(3), turned).transform(first.pose_base_tcp.position)
            arm.stream(Setpoint.at(Pose(tip, first.pose_base_tcp.quaternion)), joints)
            time.sleep(0.004)
        reading = wait_for(arm, lambda now: np.allclose(now.joint_position_rad, goal, atol=1e-3), "there")
        assert reading.fault == ""
    mend(bench)


@pytest.mark.parametrize("error", [22, 31])
def test_an_error_of_the_controller_is_a_fault_until_it_is_cleared(
    arm: XArm, bench: BoxClient, error: int
) -> None:
    held = arm.read().setpoint
    stream_for(arm, 0.2, lambda t: moved(held, (0.0, 0.1 * t, 0.0)))
    bench.inject(error=error)
    fault = wait_for_fault(arm, f"C{error} ")
    assert bench.address in fault
    stream_for(arm, 0.1, lambda _: held)  # goes nowhere
    assert arm.read().fault == fault
    goes_on(arm, bench)


def test_a_jump_never_gets_to_the_box(arm: XArm, bench: BoxClient) -> None:
    """The box would take it for C24, and stop."""
    held, begin_ns = arm.read().setpoint, time.time_ns()
    stream_for(arm, 0.1, lambda _: held)
    stream_for(arm, 0.5, lambda _: moved(held, (0.0, 0.15, 0.0)))
    assert arm.read().fault == "" and bench.status()["error"] == 0
    speed = bench.trace(begin_ns).speed_m_s.max()
    assert 0.1 < speed < 1.3  # 1 m/s, and what the plant's lag adds


def test_a_joint_beyond_its_limit_is_c23(bench: BoxClient) -> None:
    wide = WorkspaceConfig(min_m=(-1.0, -1.0, -1.0), max_m=(1.0, 1.0, 1.0))  # the fence would be nearer
    with driver(arm_config(bench.address, xarm=XArmConfig(streaming="joint"), workspace=wide)) as arm:
        reading = arm.read()
        beyond = reading.joint_position_rad + np.array((0.0, 0.0, 1.4, 0.0, 0.0, 0.0))
        for _ in range(150):
            arm.stream(reading.setpoint, beyond)
            time.sleep(0.01)
        wait_for_fault(arm, "C23 ")
        bench.reset(0, arm="home")
        arm.clear_fault()
        assert arm.read().fault == ""
        arm.stream(arm.read().setpoint)
        wait_for_fault(arm, "no joint angles")
    mend(bench)


def test_the_first_setpoint_must_be_near_the_arm(arm: XArm, bench: BoxClient) -> None:
    held = arm.read().setpoint
    arm.stream(moved(held, (0.0, 0.0, 0.3)))
    assert "0.300 m" in arm.read().fault
    assert bench.status()["error"] == 0
    goes_on(arm, bench)


def test_motors_without_power_are_a_fault(arm: XArm, bench: BoxClient) -> None:
    bench.inject(disable_motors=True)
    wait_for_fault(arm, "stopped (state 4)")
    goes_on(arm, bench)


def test_late_replies_only_cost_setpoints(arm: XArm, bench: BoxClient) -> None:
    held = arm.read().setpoint
    bench.inject(reply_delay_s=0.05)
    stream_for(arm, 1.0, lambda t: moved(held, (0.0, 0.05 * t, 0.0)))
    assert arm.read().fault == "" and int(arm.facts()["setpoints overtaken"]) > 20


def test_a_setpoint_of_a_period_long_gone_is_never_sent(arm: XArm, bench: BoxClient) -> None:
    """This process stood between making it and sending it."""
    held, begin_ns = arm.read().setpoint, time.time_ns()
    arm.stream(held)
    wait_for(arm, lambda _: len(bench.trace(begin_ns).setpoint_ns) == 1, "the one in time")
    arm.stream(moved(held, (0.0, 0.001, 0.0)), begun_s=time.monotonic() - 1.6)
    time.sleep(0.3)
    assert len(bench.trace(begin_ns).setpoint_ns) == 1 and arm.read().fault == ""
    arm.stream(moved(held, (0.0, 0.001, 0.0)), begun_s=time.monotonic() - 0.1)
    wait_for(arm, lambda _: len(bench.trace(begin_ns).setpoint_ns) == 2, "the one a little late")


def test_lost_replies_are_a_fault_and_nobody_waits_for_them(arm: XArm, bench: BoxClient) -> None:
    held = arm.read().setpoint
    bench.inject(drop_replies=True)
    begun = time.monotonic()
    arm.stream(held)
    assert time.monotonic() - begun < 0.75  # the driver waits 1.5 s for an answer, the bridge does not
    wait_for_fault(arm, "no answer in time")
    with pytest.raises(RigError, match="no answer in time"):
        arm.clear_fault()
    bench.inject(drop_replies=False)
    goes_on(arm, bench)


def test_stale_reports_are_a_fault(arm: XArm, bench: BoxClient) -> None:
    bench.inject(freeze_reports=True)
    assert "allowed 1.5 s" in wait_for_fault(arm, "no report for")
    bench.inject(freeze_reports=False)
    goes_on(arm, bench)


def test_a_cut_connection_is_a_fault_that_clearing_mends(arm: XArm, bench: BoxClient) -> None:
    held = arm.read().setpoint
    bench.inject(refuse=True)
    bench.inject(cut=True)
    stream_for(arm, 0.1, lambda _: held)
    wait_for_fault(arm, bench.address)
    with pytest.raises(RigError, match=bench.address):
        arm.clear_fault()
    assert bench.address in arm.read().fault
    bench.inject(refuse=False)
    goes_on(arm, bench)


def second_master(client: BoxClient) -> Any:
    from xarm.wrapper import XArmAPI

    return XArmAPI(client.address, is_radian=True, check_is_pause=False)


@pytest.mark.parametrize(("does", "says"), [("mode", "state 5"), ("pause", "paused"), ("stop", "state 4")])
def test_another_program_that_changes_mode_or_state_is_a_fault(
    arm: XArm, bench: BoxClient, does: str, says: str
) -> None:
    other = second_master(bench)
    if does == "mode":
        other.set_mode(0)
    else:
        other.set_state({"pause": 3, "stop": 4}[does])
    wait_for_fault(arm, says)
    other.disconnect()
    goes_on(arm, bench)


def test_a_setpoint_that_came_while_the_box_was_paused_is_not_followed_later(
    arm: XArm, bench: BoxClient
) -> None:
    other, held = second_master(bench), arm.read().setpoint
    other.set_state(3)
    _, pose = other.get_position_aa()
    pose[2] += 3.0
    other.set_servo_cartesian_aa(pose)
    wait_for_fault(arm, "paused")
    other.disconnect()
    arm.clear_fault()
    time.sleep(0.5)
    reading = arm.read()
    assert reading.fault == "" and reading.pose_base_tcp.position[2] < held.position[2] + 1e-3


def test_without_reduced_mode_that_of_an_older_run_is_switched_off(bench: BoxClient) -> None:
    with driver(arm_config(bench.address)):
        assert bench.status()["reduced"]["on"] and bench.status()["reduced"]["fence_on"]
    free = arm_config(bench.address, xarm=XArmConfig(reduced_mode=False))
    with driver(free) as arm:
        assert not bench.status()["reduced"]["on"] and not bench.status()["reduced"]["fence_on"]
        assert arm.read().fault == ""


def test_another_program_that_moves_the_arm_is_a_fault(arm: XArm, bench: BoxClient) -> None:
    other = second_master(bench)
    _, pose = other.get_position_aa()
    for _ in range(80):
        pose[1] += 1.0
        other.set_servo_cartesian_aa(pose)
        time.sleep(0.01)
    wait_for_fault(arm, "another program commands it")
    other.disconnect()
    goes_on(arm, bench)


def test_closing_stops_the_arm(bench: BoxClient) -> None:
    with driver(arm_config(bench.address)):
        assert bench.status()["state"] == 2
    assert bench.status()["state"] == 4


def test_nothing_there_is_explained() -> None:
    address = own_address()
    begun = time.monotonic()
    with pytest.raises(RigError, match=f"{address}.*switched on"), driver(arm_config(address)):
        pass
    assert time.monotonic() - begun < 10.0


def test_a_box_that_does_not_answer_is_given_up_on(bench: BoxClient) -> None:
    bench.inject(drop_replies=True)
    begun = time.monotonic()
    try:
        with pytest.raises(RigError, match="restart the box"), driver(arm_config(bench.address)):
            pass
    finally:
        mend(bench)
    assert time.monotonic() - begun < 15.0


def test_a_box_with_an_error_is_refused(bench: BoxClient) -> None:
    bench.inject(error=31)
    with pytest.raises(RigError, match="C31 Collision"), driver(arm_config(bench.address)):
        pass
    mend(bench)


def test_another_model_is_refused(bench: BoxClient) -> None:
    wrong = arm_config(bench.address, model="lite6")
    with pytest.raises(RigError, match="it is xarm6, the rig says model: lite6"), driver(wrong):
        pass


def test_another_serial_number_is_refused(bench: BoxClient) -> None:
    with (
        pytest.raises(RigError, match=r"XI130400S00001.*serial: XI999"),
        driver(arm_config(bench.address, serial="XI999")),
    ):
        pass
    with driver(arm_config(bench.address, serial="AC130400S00001"), enable=False) as arm:
        assert arm.facts()["control box"] == "AC130400S00001"


@pytest.mark.parametrize("model", ["xarm5", "xarm7"])
def test_arms_with_other_numbers_of_joints_are_followed(model: str) -> None:
    space = WorkspaceConfig(min_m=(-0.8, -0.8, -0.5), max_m=(0.8, 0.8, 1.0))
    with (
        box("--model", model) as client,
        driver(arm_config(client.address, model=model, workspace=space)) as arm,
    ):
        held = arm.read().setpoint
        stream_for(arm, 0.5, lambda t: moved(held, (0.0, 0.0, -0.04 * t)))
        reading = wait_for(arm, lambda now: now.pose_base_tcp.position[2] < held.position[2] - 0.018, "lower")
        assert reading.fault == "" and len(reading.joint_position_rad) == arm_config("", model=model).joints


def test_the_twin_is_moved_with_its_tongs() -> None:
    tongs = GripperConfig(kind="robotiq_2f85", max_width_m=0.10, speed_m_s=0.15)
    with box("--scene", "place_orange", "--gripper", "robotiq_2f85") as client:
        home = client.reset(3).home
        with driver(arm_config(client.address, gripper=tongs)) as arm:
            first = arm.read().setpoint
            assert first.pose.distance(home)[0] < 0.05
            stream_for(arm, 1.0, lambda t: moved(first, (0.0, -0.04 * t, 0.02 * t), 0.10 - 0.05 * t))
            reading = wait_for(
                arm,
                lambda now: np.allclose(
                    now.pose_base_tcp.position - first.position, (0.0, -0.04, 0.02), atol=3e-3
                ),
                "there",
            )
            assert reading.fault == ""
            wait_for(arm, lambda now: abs((now.gripper_width_m or 0.0) - 0.05) < 4e-3, "closed to 50 mm")


def test_the_controllers_own_fence_and_speeds_come_from_the_rig(bench: BoxClient) -> None:
    limits = LimitsConfig(
        linear_velocity_m_s=0.2,
        linear_acceleration_m_s2=1.0,
        angular_velocity_rad_s=1.0,
        angular_acceleration_rad_s2=5.0,
        joint_velocity_rad_s=0.8,
        jump_m=0.2,
    )
    space = WorkspaceConfig(min_m=(0.1, -0.1, 0.1), max_m=(0.5, 0.1, 0.5))
    with driver(arm_config(bench.address, limits=limits, workspace=space)):
        reduced = bench.status()["reduced"]
        assert reduced["tcp_speed_mm_s"] == pytest.approx(250.0)
        assert reduced["joint_speed_rad_s"] == pytest.approx(1.0)
        assert reduced["fence_on"] and reduced["box_mm"] == [520, 80, 120, -120, 520, 80]  # 20 mm outside
    mend(bench)


def test_it_prints_nothing(bench: BoxClient, capfd: pytest.CaptureFixture[str]) -> None:
    with driver(arm_config(bench.address)) as arm:
        held = arm.read().setpoint
        stream_for(arm, 0.2, lambda _: held)
        bench.inject(error=31)
        wait_for_fault(arm, "C31 ")
        arm.clear_fault()
    mend(bench)
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
