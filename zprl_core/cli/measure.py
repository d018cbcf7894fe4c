# SPDX-License-Identifier: Apache-2.0
"""`zprl doctor --measure`: how late a rig's devices are, kept in its calibration."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zprl_core.cli import kept
from zprl_core.cli.checks import Finding
from zprl_core.cli.motion import HEIGHT_M, TIMES, move_up_and_back
from zprl_core.cli.rig_checks import Cell, Devices, lead_finding
from zprl_core.cli.way import ways_to_policy
from zprl_core.config import (
    ArmConfig,
    CalibrationConfig,
    ComputeConfig,
    DelayConfig,
    TaskConfig,
    calibration_file,
    load_rig,
)
from zprl_core.config.loader import to_data
from zprl_core.errors import ConfigError, RigError, ZprlError
from zprl_core.latency import fit_delay
from zprl_core.scheduling import apply
from zprl_core.supervisor import end_with_parent

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver, ArmReading

PLANS, WARM_UP = 30, 3
POLICY_NODE = "policy_node"
WATCH_S = 3.0  # cameras and states are watched for longer than for a look
LONGEST_S = 1.0  # that a calibration takes
_NO_TASK: Any = None  # drivers of real arms do not look at the task


def check_measurable(cell: Cell, *, yes: bool) -> None:
    """Whether there is something to measure, and somebody to ask.

    Raises:
        ConfigError: not.
    """
    drivers = {arm.driver for arm in cell.rig.arms} | {camera.driver for camera in cell.cameras}
    if drivers == {"sim"}:
        raise ConfigError(
            f"rig {cell.rig.name}: --measure: its arms and cameras are simulated inside the graph, "
            "and have no delays to measure"
        )
    if not yes and not sys.stdin.isatty():
        raise ConfigError(
            "--measure: moves every arm, and there is no terminal to ask at; add --yes if nobody and nothing "
            "is in their way"
        )


def measure(cell: Cell, devices: Devices, base: Path | None, *, yes: bool) -> Iterator[Finding]:
    """Measure everything and keep it. Stops at the first thing that fails, and then keeps nothing."""
    try:
        yield from _measure(cell, devices, base, yes=yes)
    except ZprlError as error:
        yield Finding(False, "calibration: not written, what stood there is as it was", str(error))


def _measure(cell: Cell, devices: Devices, base: Path | None, *, yes: bool) -> Iterator[Finding]:
    arms: list[DelayConfig] = []
    for arm in cell.rig.arms:
        if arm.driver != "sim":
            delay = arm_delay(cell, arm, yes=yes)
            arms.append(delay)
            yield Finding(
                True, f"arm '{arm.name}': follows {1e3 * delay.delay_s:.0f} ms after a setpoint's time"
            )
    before = cell.rig.calibration
    planning_s, task = (before.planning_s if before else 0.0), cell.task
    if base is not None:
        planned = planning_time(base, cell.task, cell.rig.compute)
        planning_s, task = planned.seconds, planned.task
        yield Finding(True, "\n".join([f"a chunk takes {1e3 * planning_s:.0f} ms (p99)", *planned.told]))
    ways_s = ways_to_policy(cell.rig, cell.cameras, task, WATCH_S)
    ages_s = {name: look.delay_s for name, look in devices.cameras.items() if look.delay_s is not None}
    for name, age_s in ages_s.items():
        yield Finding(True, _camera_text(name, age_s, ways_s[name]))
    moment = kept.now()
    calibration = CalibrationConfig(
        id=f"{cell.rig.name}-{moment:%Y%m%d-%H%M%S}",
        measured=kept.date_text(moment),
        cameras=tuple(_delay(name, age_s + ways_s[name]) for name, age_s in ages_s.items()),
        arms=tuple(arms),
        proprioception_delay_s=max(
            (
                _delay(name, look.delay_s).delay_s
                for name, look in devices.arms.items()
                if look.delay_s is not None
            ),
            default=0.0,
        ),
        planning_s=round(planning_s, 4),
    )
    path = calibration_file(cell.file)
    kept.keep(path, to_data(calibration))
    load_rig(cell.file)
    yield Finding(True, "\n".join([f"calibration written: {path}", *_summary(calibration)]))
    yield lead_finding(calibration.planning_s, task, measured=base is not None)


def arm_delay(cell: Cell, arm: ArmConfig, *, yes: bool) -> DelayConfig:
    """Move one arm and fit how late it follows.

    Raises:
        ZprlError: it does not move, or not as it was told to.
    """
    from zprl_arms.drivers import make_driver
    from zprl_arms.identity import check_serial
    from zprl_bringup.claim import claim_arm

    if not yes:
        way = f"goes {1e3 * HEIGHT_M:.0f} mm up and back, {TIMES} times"
        _confirm(f"arm '{arm.name}' at {arm.address} {way}. Is its way free")
    others = [(other.name, _where(cell, other)) for other in cell.rig.arms if other.name != arm.name]
    driver: ArmDriver = make_driver(cell.rig, _NO_TASK, arm)
    with contextlib.closing(driver), contextlib.closing(claim_arm(arm)):
        driver.connect()
        check_serial(cell.rig, arm, driver.facts())
        track = move_up_and_back(cell.rig, arm, driver, others)
    if not yes and others and arm.serial is None:
        _confirm(f"was it the arm that the rig calls '{arm.name}' that moved")
    start_s = track.commanded_s[0]
    found = fit_delay(
        np.array(track.commanded_s) - start_s,
        track.commanded_m,
        np.array(track.measured_s) - start_s,
        track.measured_m,
    )
    return _delay(arm.name, max(found.delay_s, 0.0))


class Planned(NamedTuple):
    """How long a chunk takes.

    Attributes:
        seconds: from a snapshot to its chunk on this machine, p99 of 30.
        task: the checkpoint's, where none was given.
        told: what computes it, and why nothing before it does, a line each.
    """

    seconds: float
    task: TaskConfig
    told: list[str]


def planning_time(base: Path, task: TaskConfig | None, compute: ComputeConfig) -> Planned:
    """Plan in a process of its own, on the processors and with the priority that the policy node gets.

    Raises:
        ConfigError: a processor that this machine does not have.
        CheckpointError: it is none, or of another task.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent) as own:
        return own.submit(_plan_there, base, task, compute).result()


def _plan_there(base: Path, task: TaskConfig | None, compute: ComputeConfig) -> Planned:
    told = list[str]()
    for process in compute.processes:
        if process.name == POLICY_NODE:
            told += apply(process)
    from zprl_core.arithmetic import use_threads
    from zprl_core.base import load_base
    from zprl_core.runtime import PolicyRuntime

    use_threads(compute.threads)  # as the policy node does
    model, trained_for, _ = load_base(base, task)
    task = trained_for if task is None else task
    runtime = PolicyRuntime(model, task, task.rl.lambda_ or 1.0, compute, told.append)
    observation = task.observation
    images = {
        view.name: np.zeros((observation.steps, view.height, view.width, 3), np.uint8)
        for view in observation.cameras
    }
    proprio = np.zeros((observation.steps, observation.proprio_dim), np.float32)
    z, dz, w = (np.zeros(shape, np.float32) for shape in runtime.noise_shapes)
    times = []
    for _ in range(WARM_UP + PLANS):
        began_s = time.perf_counter()
        c = runtime.encode(images, proprio)
        runtime.plan("steer", c, runtime.base(c, z, w), dz, w)
        times.append(time.perf_counter() - began_s)
    return Planned(float(np.percentile(times[WARM_UP:], 99)), task, told)


def _where(cell: Cell, arm: ArmConfig) -> ArmReading:
    """Where another arm is, with nothing enabled."""
    from zprl_arms.drivers import make_driver

    with contextlib.closing(make_driver(cell.rig, _NO_TASK, arm)) as driver:
        driver.connect(enable=False)
        return driver.read()


def _delay(name: str, delay_s: float | None) -> DelayConfig:
    value = round(max(delay_s or 0.0, 0.0), 4)
    if value > LONGEST_S:
        raise RigError(f"{name}: {value:.3f} s late, allowed {LONGEST_S:g} s; see what doctor says about it")
    return DelayConfig(name=name, delay_s=value)


def _camera_text(name: str, age_s: float, way_s: float) -> str:
    ages = f"{1e3 * age_s:.1f} ms to its driver and {1e3 * way_s:.1f} ms on to the policy (p99 of each)"
    return f"camera '{name}': a picture takes {ages}"


def _summary(calibration: CalibrationConfig) -> list[str]:
    cameras = (
        ", ".join(f"{delay.name} {1e3 * delay.delay_s:.0f} ms" for delay in calibration.cameras) or "none"
    )
    joints = f"proprioception {1e3 * calibration.proprioception_delay_s:.0f} ms"
    return [f"a snapshot looks this far back: cameras {cameras}, {joints}"]


def _confirm(question: str) -> None:
    """Ask for a y.

    Raises:
        RigError: another answer.
    """
    try:
        answer = input(f"     {question}? [y/N] ").strip().lower()
    except EOFError:
        answer = ""
    if answer not in ("y", "yes"):
        raise RigError(f"{question}? was answered with {answer or 'nothing'!r}, needs y")
