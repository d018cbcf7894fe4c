# SPDX-License-Identifier: Apache-2.0
"""What `zprl doctor` sees of an arm. It looks: nothing is enabled, set or moved."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zprl_core.cli.checks import Finding, Problems, device
from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import RigError, UnreachableError

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver, ArmReading

WATCH_S = 2.0
LOOK_PERIOD_S = 0.002
LEAST_RATE_HZ, GOOD_RATE_HZ = 30.0, 60.0  # the second is what /arms/<arm>/state promises
AHEAD_S, BEHIND_S = -0.001, 0.02
_NO_TASK: Any = None  # drivers of real arms do not look at the task
_NET = "give the controller a network card of its own, without a switch or Wi-Fi between"
_COUNTERS = ("setpoints overtaken", "model", "address")


@dataclass(frozen=True)
class Watched:
    """States that were read for a while.

    Attributes:
        stamps_s: distinct ones, growing.
        ages_s: of the newest state at each look; empty where the driver gives no stamps.
        reading: the last one.
    """

    stamps_s: tuple[float, ...]
    ages_s: tuple[float, ...]
    reading: ArmReading

    @property
    def rate_hz(self) -> float:
        """Distinct states per second."""
        stamps = self.stamps_s
        return (len(stamps) - 1) / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0

    def age_s(self, percentile: float) -> float:
        """Of a state when it is read."""
        return float(np.percentile(self.ages_s, percentile))


@dataclass(frozen=True)
class ArmLook:
    """Its line, and 99 % of its states are younger than `delay_s` when read; None: not measured. And the
    serial numbers that it tells.
    """

    finding: Finding
    delay_s: float | None = None
    serials: tuple[str, ...] = ()


def check_arm(rig: RigConfig, name: str, watch_s: float = WATCH_S) -> ArmLook:
    """Connect to an arm, look at it, and let go of it."""
    from zprl_arms.driver import SimulatedArm
    from zprl_arms.drivers import make_driver
    from zprl_arms.identity import SERIAL_FACTS

    arm = rig.arm(name)
    try:
        # The serial number is compared here, among all arms, rather than by the driver.
        driver = make_driver(rig, _NO_TASK, replace(arm, serial=None))
        if isinstance(driver, SimulatedArm):
            return ArmLook(Finding(True, f"{title(arm)}: {driver.facts()['model']}, in the bridge's process"))
        with contextlib.closing(driver):
            driver.connect(enable=False)
            watched, facts = _watch(driver, watch_s), dict(driver.facts())
    except RigError as error:
        advice = str(error)
        if isinstance(error, UnreachableError):
            advice += _how_to_start(rig, arm)
        return ArmLook(Finding(False, f"{title(arm)}: cannot be looked at", advice))
    serials = tuple(facts[key] for key in SERIAL_FACTS if facts.get(key))
    delay_s = watched.age_s(99) if watched.ages_s else None
    return ArmLook(arm_finding(rig, arm, facts, watched), delay_s, serials)


def title(arm: ArmConfig) -> str:
    """How an arm's line begins."""
    return f"arm '{arm.name}': {arm.model}" + (f" at {arm.address}" if arm.address else "")


def arm_finding(rig: RigConfig, arm: ArmConfig, facts: Mapping[str, str], watched: Watched) -> Finding:
    """The line of an arm that answers, and everything that is wrong with it."""
    from zprl_arms.identity import serial_problem

    swapped = serial_problem(rig, arm, facts)
    problems: Problems = [(False, swapped)] if swapped else []
    if watched.reading.fault:
        problems.append((False, f"fault: {watched.reading.fault}. Look at the arm before it is cleared"))
    problems += [*_state_problems(arm, watched), *_place_problems(rig, arm, watched.reading)]
    known = ", ".join(f"{key} {value}" for key, value in facts.items() if value and key not in _COUNTERS)
    details = [known, _state_text(watched), _place_text(arm, watched.reading)]
    if arm.gripper is not None:
        width, kind = watched.reading.gripper_width_m, arm.gripper.kind
        details.append(
            f"gripper {kind}: " + ("no width yet" if width is None else f"{1e3 * width:.0f} mm open")
        )
        if width is None and "gripper" not in watched.reading.fault:
            problems.append(
                (None, f"gripper {kind} can be read once the bridge has activated it after power-up")
            )
    return device(title(arm), details, problems)


def _watch(driver: ArmDriver, watch_s: float) -> Watched:
    stamps: dict[int, None] = {}
    ages, reading = [], driver.read()
    end_s = time.monotonic() + watch_s
    while time.monotonic() < end_s:
        reading = driver.read()
        if reading.stamp_ns is not None:
            ages.append((time.time_ns() - reading.stamp_ns) * 1e-9)
            stamps[reading.stamp_ns] = None
        time.sleep(LOOK_PERIOD_S)
    return Watched(tuple(stamp * 1e-9 for stamp in sorted(stamps)), tuple(ages), reading)


def _state_problems(arm: ArmConfig, watched: Watched) -> Problems:
    if not watched.ages_s:
        return []
    problems: Problems = []
    rate_hz, oldest_s, youngest_s = watched.rate_hz, watched.age_s(99), min(watched.ages_s)
    if rate_hz < GOOD_RATE_HZ:
        slow = False if rate_hz < LEAST_RATE_HZ else None
        problems.append(
            (slow, f"states come at {rate_hz:.0f} Hz, should be {GOOD_RATE_HZ:.0f} Hz or more; {_NET}")
        )
    if youngest_s < AHEAD_S:
        ahead = f"its states are stamped {-1e3 * youngest_s:.1f} ms ahead of this machine's clock"
        problems.append((False, f"{ahead}: synchronise both clocks (chrony, or NTP)"))
    if oldest_s > arm.watchdog_s:
        old = f"states are {oldest_s:.3f} s old when read (p99), allowed {arm.watchdog_s:g} s (watchdog_s)"
        problems.append((False, f"{old}; {_NET}, or the controller's clock is behind"))
    elif youngest_s > BEHIND_S:
        behind = f"no state is younger than {1e3 * youngest_s:.0f} ms"
        problems.append((None, f"{behind}: a slow network, or the controller's clock is behind"))
    return problems


def _state_text(watched: Watched) -> str:
    if not watched.ages_s:
        return "states are read when asked for"
    p50, p99 = 1e3 * watched.age_s(50), 1e3 * watched.age_s(99)
    offset = f"clock offset at most {1e3 * min(watched.ages_s):.1f} ms"
    return f"states {watched.rate_hz:.0f} Hz, age {p50:.1f} / {p99:.1f} ms (p50 / p99), {offset}"


def _place_problems(rig: RigConfig, arm: ArmConfig, reading: ArmReading) -> Problems:
    """The tool is where the joints put it: a controller may not know the rig's tool before it is set up."""
    from zprl_core.kinematics.gate import KinematicGate

    gate, joints = KinematicGate.of(arm, rig.table_m), reading.joint_position_rad
    position = gate.kinematics.forward(joints).position
    low, high = np.array(arm.workspace.min_m), np.array(arm.workspace.max_m)
    outside = np.maximum(np.maximum(low - position, position - high), 0.0)
    move = "move the arm by hand or with the vendor's program"
    problems: Problems = []
    if outside.any():
        axis = int(outside.argmax())
        far = f"the tool is {outside[axis]:.3f} m outside the workspace in {'xyz'[axis]}"
        problems.append((False, f"{far}: {move}, or correct workspace or tool"))
    for box in arm.workspace.keep_out:
        if (position > box.min_m).all() and (position < box.max_m).all():
            problems.append((False, f"the tool is inside the keep-out box '{box.name}': {move}"))
    if limit := gate.limit_problem(joints):
        problems.append((False, f"{limit}: {move}"))
    return problems


def _place_text(arm: ArmConfig, reading: ArmReading) -> str:
    from zprl_core.kinematics.arm import ArmKinematics

    kinematics, joints = ArmKinematics(arm.model, arm.tool), reading.joint_position_rad
    room = np.minimum(joints - kinematics.lower_rad, kinematics.upper_rad - joints)
    nearest = int(room.argmin())
    place = _metres(kinematics.forward(joints).position)
    return f"tool at {place}, joint {nearest + 1} nearest to its limit: {room[nearest]:.2f} rad"


def _metres(position: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.3f}" for value in position) + ") m"


def _how_to_start(rig: RigConfig, arm: ArmConfig) -> str:
    """What starts the simulated controller that is missing, on a line of its own; empty for a real one."""
    if rig.simulation is None:
        return ""
    if arm.driver == "franka":
        return (
            "\nsimulated: there is no Desk. The graph starts it, once scripts/franka_simulators.sh has "
            "installed it: run `zprl train` or `zprl evaluate`, and the doctor beside it"
        )
    gripper = f" --gripper {arm.gripper.kind}" if arm.gripper is not None else ""
    serial = f" --serial {arm.serial}" if arm.serial else ""
    command = (
        f"zprl sim-xarm --address {arm.address} --model {arm.model} --scene {rig.simulation.scene}"
        f"{gripper}{serial}"
    )
    return f"\nsimulated: the graph starts it; for the doctor start it yourself: {command}"
