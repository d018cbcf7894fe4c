"""Starts simulated Franka controllers as processes, each on an address of its own, and arms at them.

`franky-sim` has a Hand and no limits; `franka-sim` stops the arm as a real controller does, for motion limits
and for control packets that do not come. FCI's ports are fixed, its addresses are not: 127.0.0.0/8 is this
machine.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from zprl_arms.driver import ArmReading
from zprl_arms.drivers.franka import FrankaArm, make
from zprl_core.config import ArmConfig, load_rig, load_task
from zprl_core.config.arm import (
    FrankaConfig,
    GripperConfig,
    HomingConfig,
    LimitsConfig,
    ToolConfig,
    WorkspaceConfig,
)
from zprl_core.trajectory import Setpoint

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-franka-sim"
SERVO_HZ = 100.0
READY_S = 60.0
OBJECT_M = 0.04
"""How wide the thing is that lies between the fingers of franka-sim's Hand."""
HAND = GripperConfig(kind="franka_hand", max_width_m=0.08, speed_m_s=0.1, force_n=30.0)
HAND_TOOL = ToolConfig(position_m=(0.0, 0.0, 0.1034), rotvec_rad=(0.0, 0.0, -np.pi / 4), mass_kg=0.73)
SOFT = FrankaConfig(translational_stiffness=800.0, rotational_stiffness=30.0)
"""As soft as a busy test machine needs: late packets are a delay, with which a stiff arm oscillates."""
SIMULATORS = {
    "franky-sim": ("bin/franky-sim", "-s", "mujoco", "--hostname", "{address}"),
    "franka-sim": (
        "bin/python",
        "-c",
        (
            "import logging, franka_sim; logging.basicConfig(level=logging.INFO); franka_sim.FrankaSimServer("
            "host='{address}', enforce_motion_limits=True, enforce_comm_constraints=True, "
            "gripper_object_width={width}).start()"
        ),
    ),
}
READY = {"franky-sim": "Connect to the server", "franka-sim": "Server ready for new client"}
_NUMBERS = itertools.count(1)


class Controller:
    """A simulated controller that can be killed and started again at its address."""

    def __init__(self, kind: str) -> None:
        pid = os.getpid()
        self.address = f"127.{200 + pid // 256 % 50}.{pid % 256}.{next(_NUMBERS)}"
        self._kind = kind
        with tempfile.NamedTemporaryFile(prefix=kind, delete=False) as log:
            self._log = Path(log.name)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program, *options = SIMULATORS[self._kind]
        command = [
            str(FOLDER / self._kind / program),
            *(each.format(address=self.address, width=OBJECT_M) for each in options),
        ]
        environment = {**os.environ, "FR3_MJCF": str(FOLDER / "fr3/fr3.xml"), "PYTHONUNBUFFERED": "1"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        with contextlib.suppress(
            PermissionError
        ):  # a controller has a computer of its own; this is the nearest to it
            os.sched_setscheduler(self._process.pid, os.SCHED_RR, os.sched_param(10))
        wait_for(lambda: READY[self._kind] in self.log(), READY_S, self.log)

    def kill(self) -> None:
        """End it without a farewell."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log(self) -> str:
        """What it printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """End it and forget what it printed."""
        self.kill()
        self._log.unlink()


@contextlib.contextmanager
def controller(kind: str) -> Iterator[Controller]:
    """A running controller: "franky-sim" or "franka-sim"."""
    require_simulators()
    started = Controller(kind)
    try:
        started.start()
        yield started
    finally:
        started.end()


def arm_config(
    address: str,
    *,
    gripper: GripperConfig | None = None,
    tool: ToolConfig | None = HAND_TOOL,
    franka: FrankaConfig = SOFT,
) -> ArmConfig:
    """An FR3 at an address."""
    return ArmConfig(
        name="arm",
        driver="franka",
        model="fr3",
        address=address,
        servo_rate_hz=SERVO_HZ,
        homing=HomingConfig(joints_rad=(0.0, 0.0, 0.0, -1.57, 0.0, 1.57, 0.785)),
        workspace=WorkspaceConfig(min_m=(0.2, -0.5, 0.0), max_m=(0.8, 0.5, 0.9)),
        limits=LimitsConfig(
            linear_velocity_m_s=0.5,
            linear_acceleration_m_s2=5.0,
            angular_velocity_rad_s=2.0,
            angular_acceleration_rad_s2=20.0,
            joint_velocity_rad_s=2.0,
        ),
        tool=tool,
        gripper=gripper,
        franka=franka,
    )


@contextlib.contextmanager
def connected(config: ArmConfig, *, enable: bool = True) -> Iterator[FrankaArm]:
    """The driver of an arm, connected."""
    driver = make(load_rig("sim_xarm6"), load_task("place_orange_demo"), config)
    driver.connect(enable=enable)
    try:
        yield driver
    finally:
        driver.close()


def follow(driver: FrankaArm, path: Callable[[float], Setpoint], seconds: float) -> list[float]:
    """Stream a path of the time in s at the servo rate; gives the distances in m from measured to commanded
    position. Ends early at a fault.
    """
    distances: list[float] = []
    start = time.monotonic()
    for n in range(round(seconds * SERVO_HZ)):
        time.sleep(max(0.0, start + n / SERVO_HZ - time.monotonic()))
        setpoint, reading = path(n / SERVO_HZ), driver.read()
        if reading.fault:
            break
        distances.append(float(np.linalg.norm(reading.pose_base_tcp.position - setpoint.position)))
        driver.stream(setpoint)
    return distances


def await_reading(driver: FrankaArm, condition: Callable[[ArmReading], bool], seconds: float) -> ArmReading:
    """The first reading for which a condition holds."""
    wait_for(lambda: condition(driver.read()), seconds, lambda: str(driver.read()))
    return driver.read()


def wait_for(condition: Callable[[], bool], seconds: float, describe: Callable[[], str]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {describe()}"
        time.sleep(0.01)


def require_simulators() -> None:
    """Skip where they cannot be installed."""
    problem = _make_simulators()
    if problem:
        pytest.skip(f"no simulated Franka: {problem}")


@cache
def _make_simulators() -> str:
    """Why the simulators cannot be installed; empty when they are."""
    script = [str(ROOT / "scripts/franka_simulators.sh")]
    made = subprocess.run(script, capture_output=True, text=True, check=False)
    return "" if made.returncode == 0 else f"{script[0]}: {made.stderr.strip()[-300:]}"
