# SPDX-License-Identifier: Apache-2.0
"""What `zprl doctor` sees of a rig: its files, its devices side by side, and the machine that drives it."""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zprl_core import scheduling
from zprl_core.cli import kept, stop_test
from zprl_core.cli.arm_checks import WATCH_S, ArmLook, check_arm, title
from zprl_core.cli.aside import Failure, Job, run_aside
from zprl_core.cli.camera_checks import CameraLook, check_camera
from zprl_core.cli.checks import Finding
from zprl_core.config import (
    ArmConfig,
    CameraConfig,
    RigConfig,
    TaskConfig,
    calibration_file,
    check_pair,
    files,
    load_rig,
    load_task,
)
from zprl_core.errors import ZprlError

DEVICES_S = 18.0  # for all devices together
OLD_CALIBRATION_DAYS = 90.0
_REALTIME = Path("/sys/kernel/realtime")
_GOVERNORS = "/sys/devices/system/cpu"
_TIME_ERROR = 5  # what adjtimex gives for a clock that nothing synchronises


@dataclass(frozen=True)
class Cell:
    """A rig as a user named it.

    Attributes:
        name: what the user typed.
        file: its file.
        rig: loaded, with its calibration.
        task: None: none was named.
    """

    name: str
    file: Path
    rig: RigConfig
    task: TaskConfig | None = None

    @property
    def folder(self) -> Path:
        """Where what was measured at the cell is kept, beside the calibration."""
        return calibration_file(self.file).with_suffix("")

    @property
    def real(self) -> bool:
        """Whether a motor can hurt somebody."""
        return self.rig.simulation is None and any(arm.driver != "sim" for arm in self.rig.arms)

    @property
    def cameras(self) -> tuple[CameraConfig, ...]:
        """The task's; all of them without a task."""
        if self.task is None:
            return self.rig.cameras
        return tuple(self.rig.camera(view.name) for view in self.task.observation.cameras)


@dataclass(frozen=True)
class Devices:
    """What was seen of each device, by name."""

    arms: dict[str, ArmLook]
    cameras: dict[str, CameraLook]

    @property
    def findings(self) -> list[Finding]:
        """One line a device."""
        return [arm.finding for arm in self.arms.values()] + [one.finding for one in self.cameras.values()]


def load_cell(rig: str, task: str | None = None) -> Cell:
    """The rig, and the task if there is one.

    Raises:
        ZprlError: one does not exist or is not valid, or they do not fit each other.
    """
    file = files.find("rigs", rig)
    cell = Cell(rig, file, load_rig(file), load_task(task) if task else None)
    if cell.task is not None:
        check_pair(replace(cell.rig, calibration=None), cell.task)  # the lead has a line of its own
    return cell


def settings(cell: Cell, *, lead: bool = True) -> Iterator[Finding]:
    """What the files say: limits, homes, calibration, the lead unless it is measured anew, hardware stop."""
    problems = [f"arm '{arm.name}': homing.joints_rad: {text}" for arm, text in _homes(cell.rig) if text]
    arms = ", ".join(f"{arm.name} ({arm.model})" for arm in cell.rig.arms)
    advice = "\n".join(f"{problem}; change it, or workspace, limits or tool" for problem in problems)
    yield Finding(not problems, f"rig {cell.rig.name}: arms {arms}, {len(cell.rig.cameras)} cameras", advice)
    if above := [text for arm in cell.rig.arms for text in _above_datasheet(arm)]:
        yield Finding(None, "limits: above what an arm can do", "\n".join(above))
    if any(arm.driver != "sim" for arm in cell.rig.arms):
        yield _calibration(cell)
    yield from processors(cell.rig)
    yield from priority(cell.rig)
    if lead and cell.task is not None and cell.rig.calibration is not None:
        yield lead_finding(cell.rig.calibration.planning_s, cell.task, measured=False)
    if cell.real:
        yield stop_test.finding(cell.folder, cell.name, cell.rig, kept.now())


def look(cell: Cell, *, save_reference: bool = False, watch_s: float = WATCH_S) -> Devices:
    """Look at every device, each in a process of its own."""
    max_age_s = None if cell.task is None else cell.task.observation.max_age_s
    arms = [Job(check_arm, (cell.rig, arm.name, watch_s)) for arm in cell.rig.arms]
    how = max_age_s, save_reference, watch_s, cell.rig.simulation is not None
    cameras = [
        Job(check_camera, (camera, cell.folder / f"{camera.name}.png", *how)) for camera in cell.cameras
    ]
    found = run_aside([*arms, *cameras], DEVICES_S + watch_s - WATCH_S)
    seen_arms = {
        arm.name: one if isinstance(one, ArmLook) else ArmLook(_lost(one, title(arm)))
        for arm, one in zip(cell.rig.arms, found, strict=False)
    }
    seen_cameras = {
        camera.name: one if isinstance(one, CameraLook) else CameraLook(_lost(one, f"camera '{camera.name}'"))
        for camera, one in zip(cell.cameras, found[len(arms) :], strict=True)
    }
    return Devices(seen_arms, seen_cameras)


def processors(rig: RigConfig) -> Iterator[Finding]:
    """Those that the rig's processes are to run on and this machine does not give: they would not start."""
    for problem in filter(None, map(scheduling.missing_cpus, rig.compute.processes)):
        yield Finding(False, f"processors: {problem}", "change compute.processes in the rig file")


def priority(rig: RigConfig) -> Iterator[Finding]:
    """The highest one that the rig asks for, where it asks for any."""
    asked = max((each.realtime_priority or 0 for each in rig.compute.processes), default=0)
    if asked:
        yield _priority(asked, refused=False)


def _priority(asked: int, *, refused: bool | None) -> Finding:
    allowed = scheduling.may_use(max(asked, 1))
    told = f"real-time priority{f' {asked}' if asked else ''}: {'' if allowed else 'not '}permitted"
    return Finding(True if allowed else refused, told, scheduling.PERMIT)


def machine(rig: RigConfig) -> Iterator[Finding]:
    """What a machine that drives real arms should have."""
    enforced = any(
        arm.driver == "franka" and arm.franka and arm.franka.realtime == "enforce" for arm in rig.arms
    )
    bad = False if enforced else None
    realtime = _REALTIME.is_file() and _REALTIME.read_text().strip() == "1"
    kernel = f"kernel {os.uname().release}: {'PREEMPT_RT' if realtime else 'no PREEMPT_RT'}"
    advice = "install one (Debian: linux-image-rt-amd64)" + (
        ", or franka.realtime: ignore" if enforced else ""
    )
    yield Finding(True if realtime else bad, kernel, advice)
    if not any(each.realtime_priority for each in rig.compute.processes):
        yield _priority(0, refused=bad)
    slow = {governor for governor in _governors() if governor != "performance"}
    if slow:
        yield Finding(
            None, f"CPU governor: {', '.join(sorted(slow))}", "cpupower frequency-set -g performance"
        )
    if not _clock_synchronised():
        yield Finding(None, "system clock: not synchronised", "run chrony or systemd-timesyncd")


def lead_finding(planning_s: float, task: TaskConfig | None, *, measured: bool) -> Finding:
    """Which lead L tasks need on this rig, and whether this one has it."""
    if planning_s == 0.0:
        return Finding(
            None, "planning time: not measured", "add --base CKPT: it gives the lead L that tasks need"
        )
    text = f"planning takes {1e3 * planning_s:.0f} ms" + ("" if measured else " (measured before)")
    if task is None:
        return Finding(True, f"{text}: L = ceil({planning_s:.3f} s * rate_hz) ticks, see --task")
    needed, lead = math.ceil(planning_s / task.tick_s), task.observation.lead_steps
    text = f"{text}: L = {needed} ticks at {task.rate_hz:g} Hz, task {task.name} has lead_steps: {lead}"
    advice = f"set observation.lead_steps: {needed} in the task, for its demonstrations too; 0: the arm waits"
    return Finding(lead == 0 or lead >= needed, text, advice)


def _homes(rig: RigConfig) -> Iterator[tuple[Any, str]]:
    from zprl_core.kinematics.home import home_problem

    for arm in rig.arms:
        try:
            yield arm, home_problem(rig, arm)
        except ZprlError as error:
            yield arm, str(error)


def _above_datasheet(arm: ArmConfig) -> Iterator[str]:
    """Joint speeds of the rig that are above the arm's own."""
    from zprl_core.kinematics.models import MODELS

    own = MODELS[arm.model].speed_rad_s
    slowest = own.index(min(own))
    for key, given in (
        ("limits.joint_velocity_rad_s", arm.limits.joint_velocity_rad_s),
        ("homing.velocity_rad_s", arm.homing.velocity_rad_s),
    ):
        if given > own[slowest]:
            yield (
                f"arm '{arm.name}': {key}: {given:g} rad/s, the {arm.model}'s joint {slowest + 1} turns at "
                f"{own[slowest]:.3f} rad/s at most, and is held to that; lower it"
            )


def _calibration(cell: Cell) -> Finding:
    measured, command = cell.rig.calibration, f"zprl doctor --rig {cell.name} --measure"
    if measured is None:
        return Finding(None, "calibration: none, so delays are the rig file's", f"measure them: {command}")
    days = kept.days_since(measured.measured, kept.now())
    text = f"calibration {measured.id}: " + ("of unknown age" if days is None else f"{days:.0f} days old")
    fresh = days is not None and days <= OLD_CALIBRATION_DAYS
    return Finding(True if fresh else None, text, f"measure again: {command}")


def _lost(failure: Failure, what: str) -> Finding:
    advice = f"{failure.reason}. Switch the device off and on, and check its cable and its vendor's software"
    return Finding(False, f"{what}: cannot be looked at", advice)


def _governors() -> set[str]:
    return {file.read_text().strip() for file in Path(_GOVERNORS).glob("cpu[0-9]*/cpufreq/scaling_governor")}


def _clock_synchronised() -> bool:
    nothing_to_set = ctypes.create_string_buffer(512)
    try:
        return int(ctypes.CDLL(None).adjtimex(nothing_to_set)) != _TIME_ERROR
    except AttributeError:
        return True
