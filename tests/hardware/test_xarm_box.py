"""The simulated control box as the vendor's own SDK sees it, over TCP: one process each."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.hardware.boxes import PATIENCE_S, box, own_address, until
from zprl_core.config import load_task
from zprl_core.errors import RigError
from zprl_sim.xarm_box.client import BoxClient

pytest.importorskip("xarm", reason="the vendor's SDK is not installed: pip install xarm-python-sdk")
from xarm.wrapper import XArmAPI

HOME_RAD = [0.0, -0.35, -1.05, 0.0, 1.4, 0.0]


@pytest.fixture(scope="module")
def bench() -> Iterator[BoxClient]:
    with box("--gripper", "robotiq_2f85") as client:
        yield client


@pytest.fixture(scope="module")
def connection(bench: BoxClient) -> Iterator[Any]:
    with sdk(bench) as found:
        yield found


@pytest.fixture
def api(bench: BoxClient, connection: Any) -> Any:
    """The SDK, connected to the box: ready in servo mode, at its start, with nothing set."""
    connection.connect()  # if a test has cut it
    connection.set_state(4)
    bench.reset(0, arm="home")
    connection.set_tcp_offset([0.0] * 6, wait=False)
    connection.set_reduced_mode(False)
    connection.set_fence_mode(False)
    ready(connection)
    return connection


@contextlib.contextmanager
def sdk(client: BoxClient, **options: Any) -> Iterator[Any]:
    """A connection of the SDK."""
    api = XArmAPI(client.address, is_radian=True, check_joint_limit=False, **options)
    try:
        yield api
    finally:
        api.disconnect()


def ready(api: Any) -> None:
    assert api.clean_error() == 0
    assert api.motion_enable(True) == 0
    assert api.set_mode(1) == 0
    assert api.set_state(0) == 0


def test_it_says_who_it_is(api: Any) -> None:
    assert (api.axis, api.device_type, api.version_number) == (6, 6, (1, 12, 10))
    assert api.get_robot_sn() == (0, "XI130400S00001")


def test_after_power_up_it_is_stopped_until_motors_mode_and_state_are_set() -> None:
    with box() as client, sdk(client) as api:
        _, pose = api.get_position_aa()
        assert api.get_state() == (0, 4)
        assert api.set_servo_cartesian_aa(pose) == 9
        assert api.set_state(0) == 0 and api.get_state() == (0, 4)
        api.motion_enable(True)
        api.set_state(0)
        assert api.get_state() == (0, 2)
        assert api.set_servo_cartesian_aa(pose) == 9  # mode 0 takes no setpoints
        api.set_mode(1)
        assert api.get_state() == (0, 5)
        api.set_state(0)
        assert api.set_servo_cartesian_aa(pose) == 0


def test_cartesian_setpoints_move_the_tool(api: Any, bench: BoxClient) -> None:
    _, start = api.get_position_aa()
    pose = list(start)
    for _ in range(40):
        pose[1] += 1.0
        assert api.set_servo_cartesian_aa(pose) == 0
        time.sleep(0.01)
    until(lambda: abs(api.get_position_aa()[1][1] - start[1] - 40.0) < 0.1, "the tool is not there")
    assert bench.status()["state"] in (1, 2)


def test_joint_setpoints_move_the_joints(api: Any) -> None:
    joints = list(HOME_RAD)
    for _ in range(40):
        joints[0] += 0.004
        assert api.set_servo_angle_j(joints) == 0
        time.sleep(0.004)
    until(lambda: abs(api.get_servo_angle()[1][0] - 0.16) < 1e-3, "the joint is not there")
    code, (angles, velocities) = api.get_joint_states(num=2)
    assert code == 0
    assert np.allclose(angles[1:6], HOME_RAD[1:], atol=1e-3) and len(velocities) == 7


def test_the_last_setpoint_is_held_when_the_stream_and_its_connection_end(api: Any, bench: BoxClient) -> None:
    with sdk(bench) as other:
        joints = [0.02, *HOME_RAD[1:]]
        assert other.set_servo_angle_j(joints) == 0
    until(lambda: abs(api.get_servo_angle()[1][0] - 0.02) < 1e-4, "not held")
    until(lambda: bench.status()["state"] == 2, "not at rest")


def test_poses_are_of_the_tool_with_its_offset(api: Any) -> None:
    _, flange = api.get_position()
    assert api.set_tcp_offset([0, 0, 200, 0, 0, 0], wait=False) == 0
    _, tip = api.get_position()
    assert np.allclose(np.subtract(flange, tip)[:3], (0, 0, 200), atol=0.01)  # the tool points down
    code, back = api.get_inverse_kinematics(tip)
    assert code == 0 and np.allclose(back[:6], HOME_RAD, atol=1e-3)
    assert np.allclose(api.get_forward_kinematics([*HOME_RAD, 0.0])[1][:3], tip[:3], atol=0.01)


@pytest.mark.parametrize("kind", ["real", "normal", "rich"])
def test_the_sdk_reads_every_kind_of_report(api: Any, bench: BoxClient, kind: str) -> None:
    api.set_tcp_offset([0, 0, 100, 0, 0, 0], wait=False)
    assert (bench.status()["mode"], bench.status()["state"]) == (0, 5), "as the vendor says of a real box"
    ready(api)
    with sdk(bench, report_type=kind) as other:
        until(lambda: other.mode == 1 and other.state == 2, "no report")
        assert np.allclose(other.angles[:6], HOME_RAD, atol=1e-3)
        assert np.allclose(other.position, api.get_position()[1], atol=0.01)
        if kind != "real":
            assert other.tcp_offset[2] == 100.0 and other.motor_enable_states[:6] == [1] * 6
        if kind == "rich":
            assert np.allclose(other.position_aa, api.get_position_aa()[1], atol=0.01)


def test_the_fast_report_port_sends_targets_measurements_and_time(bench: BoxClient) -> None:
    with socket.create_connection((bench.address, 30000)) as connection, connection.makefile("rb") as file:
        frames = [file.read(804) for _ in range(20)]
    sizes = {struct.unpack_from(">I", frame)[0] for frame in frames}
    stamps = [struct.unpack_from(">Q", frame, 4)[0] for frame in frames]
    assert sizes == {804} and stamps == sorted(stamps) and abs(stamps[-1] / 1e6 - time.time()) < 5.0
    target, actual = (struct.unpack_from("<6f", frames[-1], place) for place in (32, 116))
    assert np.allclose(target, actual, atol=1e-3)


def refused(api: Any, bench: BoxClient, error: int) -> None:
    """The box has this error, is stopped, refuses setpoints, and is cured by clearing."""
    _, pose = api.get_position_aa()
    assert api.get_err_warn_code() == (0, [error, 0])
    assert bench.status()["state"] == 4
    assert api.set_servo_cartesian_aa(pose) == 1
    ready(api)
    _, pose = api.get_position_aa()
    assert api.set_servo_cartesian_aa(pose) == 0


def test_a_joint_beyond_its_limit_is_c23(api: Any, bench: BoxClient) -> None:
    assert api.set_servo_angle_j([0.0, 2.5, *HOME_RAD[2:]]) == 1
    refused(api, bench, 23)


def test_a_jump_is_c24(api: Any, bench: BoxClient) -> None:
    assert api.set_servo_angle_j(HOME_RAD) == 0
    assert api.set_servo_angle_j([0.4, *HOME_RAD[1:]]) == 1
    refused(api, bench, 24)


def test_a_pose_out_of_reach_is_c21(api: Any, bench: BoxClient) -> None:
    _, pose = api.get_position_aa()
    assert api.set_servo_cartesian_aa([2000.0, *pose[1:]]) == 1
    refused(api, bench, 21)


def test_a_setpoint_outside_the_fence_is_c35(api: Any, bench: BoxClient) -> None:
    _, pose = api.get_position_aa()
    x, y, z = pose[:3]
    api.set_reduced_tcp_boundary([x + 10, x - 10, y + 10, y - 10, z + 10, z - 10])
    api.set_fence_mode(True)
    pose[0] += 8.0
    assert api.set_servo_cartesian_aa(pose) == 0
    pose[0] += 4.0
    assert api.set_servo_cartesian_aa(pose) == 1
    assert api.get_reduced_states()[1][5] == 1
    api.set_fence_mode(False)
    refused(api, bench, 35)


def test_a_speed_above_the_reduced_one_is_c24(api: Any, bench: BoxClient) -> None:
    api.set_reduced_max_joint_speed(0.1)
    api.set_reduced_mode(True)
    assert api.set_servo_angle_j(HOME_RAD) == 0
    assert api.set_servo_angle_j([0.1, *HOME_RAD[1:]]) == 1
    api.set_reduced_mode(False)
    refused(api, bench, 24)


@pytest.mark.parametrize("error", [22, 31])
def test_injected_errors_stop_the_arm(api: Any, bench: BoxClient, error: int) -> None:
    until(lambda: api.mode == 1 and api.error_code == 0, "no report")
    bench.inject(error=error)
    until(lambda: api.error_code == error and api.state == 4, "not reported")
    refused(api, bench, error)


def test_an_emergency_stop_takes_the_motors_power(api: Any, bench: BoxClient) -> None:
    bench.inject(error=1)
    api.clean_error()
    api.set_state(0)
    assert api.get_state() == (0, 4), "state 0 without power"
    ready(api)
    assert api.get_state() == (0, 2)


def test_motors_without_power_refuse(api: Any, bench: BoxClient) -> None:
    bench.inject(disable_motors=True)
    _, pose = api.get_position_aa()
    assert api.set_servo_cartesian_aa(pose) == 9


def test_not_finite_numbers_are_invalid_and_no_error(api: Any, bench: BoxClient) -> None:
    assert api.set_servo_angle_j([float("nan")] * 6) == 10
    assert bench.status()["error"] == 0


def test_the_trace_shows_how_the_arm_stopped(api: Any, bench: BoxClient) -> None:
    _, pose = api.get_position_aa()
    for n in range(60):
        pose[1] += 2.0
        api.set_servo_cartesian_aa(pose)
        if n == 40:
            stopped_ns = bench.inject(error=31)
        time.sleep(0.01)
    time.sleep(0.3)
    trace = bench.trace(stopped_ns)
    assert len(trace.stamp_ns) > 20 and trace.setpoint_ns.size == 0
    assert trace.speed_m_s[-5:].max() < 1e-3
    before = bench.trace(stopped_ns - 2 * 10**9)
    assert before.setpoint_ns.size > 30 and before.speed_m_s.max() > 0.05
    assert np.linalg.norm(trace.position_m[-1] - trace.position_m[0]) < 0.03


def test_late_and_lost_replies(api: Any, bench: BoxClient) -> None:
    try:
        api.set_timeout(5.0)
        bench.inject(reply_delay_s=0.1)
        begun = time.monotonic()
        assert api.get_state()[0] == 0 and time.monotonic() - begun >= 0.1
        api.set_timeout(0.3)
        bench.inject(reply_delay_s=0.0, drop_replies=True)
        assert api.core.get_state()[0] == 3
        bench.inject(drop_replies=False)
        assert api.get_state()[0] == 0
    finally:
        bench.inject(reply_delay_s=0.0, drop_replies=False)


def test_frozen_reports_and_cut_connections(api: Any, bench: BoxClient) -> None:
    ages: list[float] = []
    with sdk(bench, report_type="real") as other:
        other.register_report_callback(lambda _: ages.append(time.monotonic()))
        until(lambda: len(ages) > 5, "no reports")
        bench.inject(freeze_reports=True)
        time.sleep(0.1)
        frozen = len(ages)
        time.sleep(0.2)
        assert len(ages) == frozen and other.connected
        bench.inject(freeze_reports=False)
        until(lambda: len(ages) > frozen, "no reports any more")
        bench.inject(cut=True)
        until(lambda: not other.connected, "still connected")


def test_a_refused_connection(bench: BoxClient) -> None:
    bench.inject(refuse=True)
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((bench.address, 502))
    finally:
        bench.inject(refuse=False)
    socket.create_connection((bench.address, 502)).close()


def test_a_robotiq_activates_moves_and_tells_where_it_is(api: Any, bench: BoxClient) -> None:
    assert api.robotiq_reset()[0] == 0
    assert api.robotiq_set_activate()[0] == 0
    assert api.robotiq_set_position(255, wait=True, wait_motion=False)[0] == 0
    assert api.robotiq_status["gPO"] == 255 and bench.status()["width_m"] < 1e-3
    assert api.robotiq_set_position(0, wait=True, wait_motion=False)[0] == 0
    assert bench.status()["width_m"] > 0.0845


def test_a_tool_that_is_not_there_is_c19(api: Any, bench: BoxClient) -> None:
    api.set_gripper_enable(True)  # the other gripper
    assert bench.status()["error"] == 19
    ready(api)


def test_an_xarm_gripper_moves_and_tells_where_it_is() -> None:
    with box("--gripper", "xarm_gripper") as client, sdk(client) as api:
        assert api.set_gripper_enable(True) == 0
        assert api.set_gripper_speed(5000) == 0
        assert api.set_gripper_position(300, wait=True, wait_motion=False) == 0
        code, pulses = api.get_gripper_position()
        assert code == 0 and abs(pulses - 300) <= 1
        assert client.status()["width_m"] == pytest.approx(0.030, abs=2e-4)


def test_the_twin_behind_the_box_is_reset_and_followed() -> None:
    with box("--scene", "place_orange", "--gripper", "robotiq_2f85") as client, sdk(client) as api:
        case = load_task("place_orange_demo").evaluation.case("model_orange")
        staged = client.reset(3, case=case)
        assert "radius: 0.029" in staged.scene and staged.scene in staged.layout
        assert client.reset(3).scene == ""
        first, second = client.reset(3), client.reset(4, arm="home")
        assert "half_xy" in first.layout and first.layout != second.layout
        api.set_tcp_offset([0, 0, 200, 0, 0, 0], wait=False)
        tip = np.array(client.status()["pose_mm_aa"][:3]) / 1000
        assert np.allclose(tip, second.home.position, atol=2e-3)
        states = client.states(30.0)
        stamps = [next(states).stamp_ns for _ in range(8)]
        assert np.allclose(np.diff(stamps), 1e9 / 30, atol=1e6)
        assert abs(stamps[-1] - time.time_ns()) < 1e9
        state = next(states)
        assert state.qpos.shape == (15,) and state.qvel.shape == (14,)
        ready(api)
        before = client.status()["joints_rad"]
        client.reset(5)
        assert np.allclose(client.status()["joints_rad"], before, atol=0.01)
        with pytest.raises(RigError, match="state 2"):
            client.reset(6, arm="home")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--model", "xarm7", "--scene", "place_orange"), "use scene bench"),
        (("--model", "ur5"), "invalid choice: 'ur5'"),
    ],
)
def test_what_cannot_be_simulated_is_explained(options: tuple[str, ...], says: str) -> None:
    command = [sys.executable, "-m", "zprl_core.cli", "sim-xarm", "--address", own_address(), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_the_bench_explains_what_it_does_not_know(bench: BoxClient) -> None:
    with pytest.raises(RigError, match="allowed: keep, home"):
        bench.reset(1, arm="elsewhere")
    with pytest.raises(RigError, match="zprl sim-xarm"):
        BoxClient("127.0.0.9")


def test_it_ends_cleanly_with_clients_connected() -> None:
    with box() as client:
        connections = [socket.create_connection((client.address, port)) for port in (502, 503, 30000, 30003)]
        states = client.states(100.0)
        next(states)
    assert len(list(states)) < 500  # ends with the box
    for connection in connections:
        connection.close()


def test_an_address_that_is_taken_is_explained(bench: BoxClient) -> None:
    command = [sys.executable, "-m", "zprl_core.cli", "sim-xarm", "--address", bench.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and "--address" in done.stderr and done.stdout == ""
