"""How evenly setpoints reach an xArm's control box: the driver's loop beside the vendor's SDK alone.

    python -m tests.benchmarks.servo_jitter --seconds 20

Both stream to one simulated box, in turns and from one process, at 100 Hz as poses and at 250 Hz as joint
angles. The box says when each setpoint came: "off by" is how far a period between two is from the nominal
one. "call" is what the loop waits for one setpoint, "left out" counts its periods without one. CPU is that of
this process, threads of the SDK included. The last rows move a gripper with every setpoint: over the arm's
connection, as the SDK alone would, and as the driver does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.hardware.boxes import arm_config, box, driver, gripper_config
from zprl_arms.drivers.xarm import XArm
from zprl_arms.drivers.xarm_sdk import open_api
from zprl_arms.drivers.xarm_stream import NewestFirst
from zprl_core.config.arm import XArmConfig
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.client import BoxClient

GRIPPER = "robotiq_2f85"
AMPLITUDE_M, AMPLITUDE_RAD, TURNS_HZ = 0.03, 0.05, 0.3
Send = Callable[[float], None]


class Loop(NamedTuple):
    """One row of the table: who streams what."""

    driver: bool
    streaming: str
    rate_hz: float
    gripper: bool

    @property
    def title(self) -> str:
        """For people."""
        who = "driver" if self.driver else "SDK alone"
        return f"{who}, {self.streaming} {self.rate_hz:g} Hz" + (", with gripper" if self.gripper else "")


class Turn(NamedTuple):
    """What a loop gave in one turn; times in ms."""

    off_by: NDArray[np.float64]
    call: NDArray[np.float64]
    left_out: int
    cpu_s: float


LOOPS = tuple(
    Loop(who, streaming, rate_hz, gripper)
    for streaming, rate_hz, gripper in (
        ("cartesian", 100.0, False),
        ("joint", 250.0, False),
        ("cartesian", 100.0, True),
    )
    for who in (False, True)
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of every loop, in all")
    parser.add_argument("--turns", type=int, default=4, help="over which they are spread")
    args = parser.parse_args()
    turns: dict[Loop, list[Turn]] = {loop: [] for loop in LOOPS}
    with box("--gripper", GRIPPER) as client:
        for _ in range(args.turns):
            for loop in LOOPS:
                turns[loop].append(_turn(client, loop, args.seconds / args.turns))
    print(f"{'':44}{'period off by, ms':>21}  {'call, ms':>21}{'left':>7}{'CPU':>7}")
    print(f"{'':44}{'p50    p99    max':>21}  {'p50    p99    max':>21}{'out':>7}{'%':>7}")
    for loop, found in turns.items():
        off_by, call = (_columns(np.concatenate(values)) for values in list(zip(*found, strict=True))[:2])
        left_out, cpu = sum(turn.left_out for turn in found), sum(turn.cpu_s for turn in found)
        print(f"{loop.title:44}{off_by}  {call}{left_out:7}{100.0 * cpu / args.seconds:7.1f}")


def _turn(client: BoxClient, loop: Loop, seconds: float) -> Turn:
    client.reset(0, arm="home")
    with (_driver_loop if loop.driver else _sdk_loop)(client, loop) as send:
        send(0.0)
        time.sleep(0.5)
        began_ns, cpu_s = client.inject(), time.process_time()
        call = _run(send, loop.rate_hz, seconds)
        cpu_s = time.process_time() - cpu_s
        time.sleep(0.1)
        came = client.trace(began_ns).setpoint_ns
    client.inject(error=0)
    off_by = np.abs(np.diff(came) / 1e6 - 1e3 / loop.rate_hz)
    return Turn(off_by, call, round(seconds * loop.rate_hz) - len(came), cpu_s)


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
def _driver_loop(client: BoxClient, loop: Loop) -> Iterator[Send]:
    config = arm_config(
        client.address,
        servo_rate_hz=loop.rate_hz,
        xarm=XArmConfig(streaming=loop.streaming),  # type: ignore[arg-type]
        gripper=gripper_config(GRIPPER) if loop.gripper else None,
    )
    with driver(config) as arm:
        yield _driver_send(arm)
        assert arm.read().fault == "", arm.read().fault


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
def _sdk_loop(client: BoxClient, loop: Loop) -> Iterator[Send]:
    api = open_api(client.address, report_type="real")
    for step in (api.clean_error, lambda: api.motion_enable(True), lambda: api.set_mode(1)):
        step()
    if loop.gripper:
        api.robotiq_set_activate()
    api.set_state(0)
    fingers: NewestFirst[float] = NewestFirst("gripper", lambda width_m: _move(api, width_m), lambda: None)
    try:
        yield _sdk_send(api, loop.streaming, fingers if loop.gripper else None)
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
        assert code == 0, code

    return send


def _move(api: Any, width_m: float) -> None:
    api.robotiq_set_position(round(255 * (1.0 - width_m / 0.085)), wait=False, wait_motion=False)
    api.robotiq_get_status(check_baud=False)


def _width(t: float) -> float:
    return 0.06 + 0.02 * float(np.sin(2.0 * np.pi * TURNS_HZ * t))


def _columns(values: NDArray[np.float64]) -> str:
    p50, p99 = np.percentile(values, (50, 99))
    return f"{p50:7.2f}{p99:7.2f}{values.max():7.2f}"


if __name__ == "__main__":
    main()
