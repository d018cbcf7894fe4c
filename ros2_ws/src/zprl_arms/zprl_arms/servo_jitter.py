"""How evenly setpoints reach an xArm's control box, from the driver's loop or from the vendor's SDK alone.

For `zprl bench` and tests/benchmarks/servo_jitter.py: the box is a simulated one, which says when each
setpoint came.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_arms.drivers.xarm import XArm
from zprl_arms.drivers.xarm_sdk import open_api, result_text
from zprl_arms.drivers.xarm_stream import NewestFirst
from zprl_core.config import ArmConfig
from zprl_core.config.arm import GripperConfig, XArmConfig
from zprl_core.errors import RigError
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.client import BoxClient

AMPLITUDE_M, AMPLITUDE_RAD, TURNS_HZ = 0.03, 0.05, 0.3
SETTLE_S = 0.5
Send = Callable[[float], None]


class Loop(NamedTuple):
    """Who streams what.

    Attributes:
        driver: ours; otherwise the SDK alone.
        streaming: poses, or joint angles.
        gripper: which one moves with every setpoint; None: none does.
    """

    driver: bool
    streaming: Literal["cartesian", "joint"]
    rate_hz: float
    gripper: GripperConfig | None = None

    @property
    def title(self) -> str:
        """For people."""
        who = "driver" if self.driver else "SDK alone"
        return f"{who}, {self.streaming} {self.rate_hz:g} Hz" + (", with gripper" if self.gripper else "")


class Turn(NamedTuple):
    """What a loop gave in one turn.

    Attributes:
        off_by: how far each period between setpoints is from the nominal one, ms.
        call: what the loop waited for each setpoint, ms.
        left_out: setpoints that never came. cpu_s: of this process, the SDK's threads included.
    """

    off_by: NDArray[np.float64]
    call: NDArray[np.float64]
    left_out: int
    cpu_s: float


def measure(client: BoxClient, arm: ArmConfig, loop: Loop, seconds: float) -> Turn:
    """One turn of a loop at the box of an arm.

    Raises:
        RigError: no SDK, or the arm faults.
    """
    client.reset(0, arm="home")
    with (_driver_loop if loop.driver else _sdk_loop)(arm, loop) as send:
        send(0.0)
        time.sleep(SETTLE_S)
        began_ns, cpu_s = client.inject(), time.process_time()
        call = _run(send, loop.rate_hz, seconds)
        cpu_s = time.process_time() - cpu_s
        time.sleep(0.1)
        came = client.trace(began_ns).setpoint_ns
    client.inject(error=0)
    return Turn(off_by_ms(came, loop.rate_hz), call, round(seconds * loop.rate_hz) - len(came), cpu_s)


def off_by_ms(came_ns: NDArray[np.int64], rate_hz: float) -> NDArray[np.float64]:
    """How far the periods between setpoints (n,), ns, are from the nominal one, (n - 1,), ms."""
    return np.abs(np.diff(came_ns) / 1e6 - 1e3 / rate_hz)


def _run(send: Send, rate_hz: float, seconds: float) -> NDArray[np.float64]:
    """Calls `send` on a grid; a time that has passed is left out. Gives how long each call took, ms."""
    took, start, n = [], time.perf_counter(), 0
    while n < seconds * rate_hz:
        time.sleep(max(0.0, start + n / rate_hz - time.perf_counter()))
        begun = time.perf_counter()
        send(n / rate_hz)
        took.append(time.perf_counter() - begun)
        n = max(n + 1, int((time.perf_counter() - start) * rate_hz))
    return np.array(took) * 1e3


@contextmanager
def _driver_loop(arm: ArmConfig, loop: Loop) -> Iterator[Send]:
    driver = XArm(
        replace(
            arm,
            servo_rate_hz=loop.rate_hz,
            gripper=loop.gripper,
            xarm=replace(arm.xarm or XArmConfig(), streaming=loop.streaming),
        )
    )
    driver.connect(enable=True)
    try:
        yield _driver_send(driver)
        if fault := driver.read().fault:
            raise RigError(f"xArm at {arm.address}: {fault}")
    finally:
        driver.close()


def _driver_send(arm: XArm) -> Send:
    first = arm.read()
    home, joints = first.pose_base_tcp, first.joint_position_rad

    def send(t: float) -> None:
        arm.read()
        sway = np.sin(2.0 * np.pi * TURNS_HZ * t)
        turned = joints + np.array([AMPLITUDE_RAD, 0.0, 0.0, 0.0, 0.0, 0.0]) * sway
        position = home.position + np.array([0.0, AMPLITUDE_M, 0.0]) * sway
        arm.stream(Setpoint.at(Pose(position, home.quaternion), _width(t)), turned)

    return send


@contextmanager
def _sdk_loop(arm: ArmConfig, loop: Loop) -> Iterator[Send]:
    api = open_api(arm.address or "", report_type="real")
    for step in (api.clean_error, lambda: api.motion_enable(True), lambda: api.set_mode(1)):
        step()
    if loop.gripper is not None:
        api.robotiq_set_activate()
    api.set_state(0)
    fingers: NewestFirst[float] = NewestFirst("gripper", lambda width_m: _move(api, width_m), lambda: None)
    try:
        yield _sdk_send(api, loop.streaming, fingers if loop.gripper is not None else None)
    finally:
        fingers.close(1.0)
        api.set_state(4)
        api.disconnect()


def _sdk_send(api: Any, streaming: str, fingers: NewestFirst[float] | None) -> Send:
    home, joints = api.get_position_aa()[1], api.get_servo_angle()[1][:6]

    def send(t: float) -> None:
        sway = float(np.sin(2.0 * np.pi * TURNS_HZ * t))
        if fingers is not None:
            fingers.put(_width(t))
        if streaming == "cartesian":
            code = api.set_servo_cartesian_aa([home[0], home[1] + 1e3 * AMPLITUDE_M * sway, *home[2:]])
        else:
            code = api.set_servo_angle_j([joints[0] + AMPLITUDE_RAD * sway, *joints[1:]])
        if code != 0:
            raise RigError(f"a setpoint by the SDK alone: {result_text(code)}")

    return send


def _move(api: Any, width_m: float) -> None:
    api.robotiq_set_position(round(255 * (1.0 - width_m / 0.085)), wait=False, wait_motion=False)
    api.robotiq_get_status(check_baud=False)


def _width(t: float) -> float:
    return 0.06 + 0.02 * float(np.sin(2.0 * np.pi * TURNS_HZ * t))
