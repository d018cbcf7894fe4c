"""Starts simulated xArm boxes as processes, each on an address of its own, and arms behind them."""

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
from typing import Any

import numpy as np

from zprl_arms.driver import ArmReading
from zprl_arms.drivers import xarm
from zprl_core.config import ArmConfig, load_rig, load_task
from zprl_core.config.arm import GripperConfig, ToolConfig, XArmConfig
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.client import BoxClient

TASK, RIG = "place_orange_demo", "sim_xarm6"
PATIENCE_S = 15.0
_NUMBERS = itertools.count(2)


def own_address() -> str:
    """A loopback address that no other test process uses."""
    pid = os.getpid()
    return f"127.{100 + pid // 256 % 100}.{pid % 256}.{next(_NUMBERS)}"


@contextlib.contextmanager
def box(*options: str) -> Iterator[BoxClient]:
    """A box as a process of its own; gives its test bench."""
    address = own_address()
    command = [sys.executable, "-m", "zprl_core.cli", "sim-xarm", "--address", address, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert address in process.stdout.readline()
            with contextlib.closing(BoxClient(address)) as client:
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, *said) == (0, "", ""), "the box did not end cleanly"


def arm_config(address: str, **changes: Any) -> ArmConfig:
    """An xarm6 with a 0.2 m tool behind a box."""
    (arm,) = load_rig(RIG).arms
    tool = ToolConfig(position_m=(0.0, 0.0, 0.2), mass_kg=0.9, com_m=(0.0, 0.0, 0.06))
    settings: dict[str, Any] = {
        "driver": "xarm",
        "address": address,
        "servo_rate_hz": 100.0,
        "gripper": None,
        "tool": tool,
        "watchdog_s": 1.5,
        "xarm": XArmConfig(collision_sensitivity=2),
    }
    return replace(arm, **{**settings, **changes})


def gripper_config(kind: str) -> GripperConfig:
    """A gripper that opens to 85 mm."""
    return GripperConfig(kind=kind, max_width_m=0.085, speed_m_s=0.1)  # type: ignore[arg-type]


@contextlib.contextmanager
def driver(arm: ArmConfig, *, enable: bool = True) -> Iterator[xarm.XArm]:
    """The driver of an arm, connected."""
    made = xarm.make(load_rig(RIG), load_task(TASK), arm)
    made.connect(enable=enable)
    try:
        yield made
    finally:
        made.close()


def moved(setpoint: Setpoint, by_m: tuple[float, float, float], width_m: float | None = None) -> Setpoint:
    """The setpoint shifted in the base frame."""
    return Setpoint.at(Pose(setpoint.position + np.array(by_m), setpoint.quaternion), width_m)


def stream_for(
    arm: xarm.XArm, seconds: float, setpoint: Callable[[float], Setpoint], rate_hz: float = 100.0
) -> None:
    """Stream `setpoint(t)`, t in s from now on; reads as the bridge does."""
    start = time.monotonic()
    for n in range(int(seconds * rate_hz)):
        arm.read()
        arm.stream(setpoint(n / rate_hz))
        time.sleep(max(0.0, start + (n + 1) / rate_hz - time.monotonic()))


def until(holds: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    end_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def wait_for(arm: xarm.XArm, holds: Callable[[ArmReading], bool], what: str) -> ArmReading:
    """Read until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        reading = arm.read()
        if holds(reading):
            return reading
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s; last: {reading}")


def wait_for_fault(arm: xarm.XArm, part: str) -> str:
    """Read until there is a fault that says `part`."""
    return wait_for(arm, lambda reading: part in reading.fault, f"a fault with '{part}'").fault
