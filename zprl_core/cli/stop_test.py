# SPDX-License-Identifier: Apache-2.0
"""`zprl doctor --stop-test`: a person presses the hardware stop of each arm, and its driver must see it.

The arm is powered and holds still meanwhile: a stop that was never pressed with the motors on is not tested.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zprl_core.cli import kept
from zprl_core.cli.checks import Finding
from zprl_core.config import ArmConfig, RigConfig, calibration_file, files
from zprl_core.errors import ConfigError, RigError, ZprlError

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver, ArmReading

FILE = "stop_test.yaml"
OLDEST_DAYS = 30.0
PATIENCE_S = 30.0
LOOK_S = 0.01
NO_SAFETY_FUNCTION = "software stops are no safety function"
_NO_TASK: Any = None  # drivers of real arms do not look at the task
_EXPLANATION = f"""\
A test of the hardware stop: the button that takes the power from the motors, with no software between.
{NO_SAFETY_FUNCTION.capitalize()}; this program only watches whether the button works.

One arm after the other is connected, powered, and holds still. Stand clear of it, with a hand on its stop.
When asked, press the stop; within {PATIENCE_S:g} s the arm's controller must say that its stop was pressed:
any other fault does not count. Then release it, and the arm is powered again to see that it recovers.
"""


class Reading(Protocol):
    """What is asked of an arm's driver while its stop is pressed."""

    def read(self) -> ArmReading:
        """See `ArmDriver.read`."""
        ...


def finding(folder: Path, name: str, rig: RigConfig, now: datetime) -> Finding:
    """Whether the hardware stop of a rig was tested, lately, and with the arms that are in it.

    Args:
        folder: where what was measured at the cell is kept.
        name: of the rig, as a user types it.
        rig: with its arms.
        now: the present.
    """
    command = f"test it: zprl doctor --rig {name} --stop-test ({NO_SAFETY_FUNCTION})"
    if not (folder / FILE).is_file():
        return Finding(False, "hardware stop: never tested at this rig", command)
    try:
        noted = files.read_yaml(folder / FILE)
    except ZprlError:
        noted = {}
    days = kept.days_since(noted.get("tested"), now)
    if days is None:
        return Finding(False, f"hardware stop: {folder / FILE} does not say when it was tested", command)
    if other := [problem for arm in real_arms(rig) if (problem := _other_arm(arm, noted.get("arms")))]:
        return Finding(False, f"hardware stop: tested with other arms: {'; '.join(other)}", command)
    text = f"hardware stop: tested {days:.0f} days ago; {NO_SAFETY_FUNCTION}"
    return Finding(days <= OLDEST_DAYS, text, f"older than {OLDEST_DAYS:g} days: {command}")


def swapped(folder: Path, name: str, told: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Arms that answer, and are not those with which the stop was tested.

    Args:
        folder, name: see `finding`.
        told: the serial numbers that each arm tells.
    """
    try:
        noted = files.read_yaml(folder / FILE).get("arms")
    except ZprlError:
        return []
    found = []
    for arm, serials in told.items():
        entry = noted.get(arm) if isinstance(noted, dict) else None
        before = (entry.get("serial") if isinstance(entry, dict) else None) or []
        if before and serials and not set(before) & set(serials):
            was, now = " and ".join(map(str, before)), " and ".join(serials)
            text = f"hardware stop: tested with another arm '{arm}': serial {was}, this one is {now}"
            found.append(Finding(False, text, f"test it: zprl doctor --rig {name} --stop-test"))
    return found


def warning(rig: RigConfig) -> str:
    """What a person must know before a rig is powered: empty where its stop was tested, or it has none."""
    if rig.simulation is not None or not real_arms(rig):
        return ""
    command = f"zprl doctor --rig {rig.name} --stop-test"
    try:
        folder = calibration_file(files.find("rigs", rig.name)).with_suffix("")
    except ZprlError:
        return f"nothing tells whether the hardware stop of rig {rig.name} was tested: {command}"
    found = finding(folder, rig.name, rig, kept.now())
    return "" if found.ok else f"{found.what}; before anybody relies on it: {command}"


def run(rig: RigConfig, folder: Path) -> int:
    """Test the stop of every arm with the person at the terminal, and note the date. Gives the exit code.

    Raises:
        ConfigError: no terminal, or no arm that has a hardware stop.
        RigError: an arm that cannot be connected.
    """
    arms = real_arms(rig)
    if not arms:
        raise ConfigError(f"rig {rig.name}: --stop-test: its arms are simulated and have no hardware stop")
    if not sys.stdin.isatty():
        raise ConfigError("--stop-test: needs a person at a terminal; run it by hand, beside the arm")
    print(_EXPLANATION, flush=True)
    seen: dict[str, Any] = {}
    for arm in arms:
        found = _test(rig, arm)
        if found is None:
            print(f"FAIL arm '{arm.name}': its stop is not tested; nothing was noted. Do not use this arm.")
            return 1
        seen[arm.name] = found
    kept.keep(folder / FILE, {"tested": kept.date_text(kept.now()), "arms": seen})
    print(f"ok   the hardware stop works; noted in {folder / FILE}")
    return 0


def real_arms(rig: RigConfig) -> list[ArmConfig]:
    """Those that have a hardware stop."""
    return [arm for arm in rig.arms if arm.driver != "sim"]


def identity(arm: ArmConfig, facts: Mapping[str, str]) -> dict[str, Any]:
    """Which arm is tested, as it is noted: model, address, and the serial numbers that it tells."""
    from zprl_arms.identity import SERIAL_FACTS

    serials = [facts[key] for key in SERIAL_FACTS if facts.get(key)]
    return {"model": arm.model, "address": arm.address, "serial": serials}


def _other_arm(arm: ArmConfig, noted: object) -> str:
    """What is different about an arm of the rig since it was tested; empty where nothing is."""
    entry = noted.get(arm.name) if isinstance(noted, dict) else None
    if not isinstance(entry, dict):
        return f"arm '{arm.name}' was not among them"
    for key, now in (("model", arm.model), ("address", arm.address)):
        if entry.get(key) != now:
            return f"arm '{arm.name}' was {key} {entry.get(key)}, is {now}"
    serials = entry.get("serial") or []
    if arm.serial is not None and serials and arm.serial not in serials:
        return f"arm '{arm.name}' was serial {' and '.join(map(str, serials))}, is {arm.serial}"
    return ""


def _test(rig: RigConfig, arm: ArmConfig) -> dict[str, Any] | None:
    from zprl_arms.drivers import make_driver
    from zprl_arms.identity import check_serial
    from zprl_bringup.claim import claim_arm

    _ask(f"arm '{arm.name}' at {arm.address}: stand clear of it. Enter powers it; it holds still")
    driver = make_driver(rig, _NO_TASK, arm)
    with contextlib.closing(driver), contextlib.closing(claim_arm(arm)):
        driver.connect()
        facts = driver.facts()
        check_serial(rig, arm, facts)
        if fault := driver.read().fault:
            raise RigError(f"arm '{arm.name}': {fault}. Clear that first, then test its stop")
        found = watch(driver)
        if found is None:
            return None
        print(f"     seen: {found['seen']} (the tool moved {found['moved_mm']:.1f} mm)")
        return {**identity(arm, facts), **found} if _recovers(driver) else None


def watch(driver: Reading) -> dict[str, Any] | None:
    """What the arm's controller says of its stop; None where it says nothing, or something else."""
    print(f"     press the hardware stop now ({PATIENCE_S:g} s)", flush=True)
    held, began_s = driver.read(), time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        reading = driver.read()
        if reading.fault:
            time.sleep(1.0)  # in which it comes to rest, and the controller explains itself
            last = driver.read()
            if not last.hardware_stop:
                print(
                    f"     that is not the hardware stop: {last.fault}\n     the controller must say itself "
                    "that its stop was pressed; cure this first, then test again"
                )
                return None
            moved_m = float(np.linalg.norm(last.pose_base_tcp.position - held.pose_base_tcp.position))
            return {"seen": last.fault, "moved_mm": round(1e3 * moved_m, 2)}
        time.sleep(LOOK_S)
    print(f"     the arm did not say within {PATIENCE_S:g} s that it stopped: is the stop wired to it?")
    return None


def _recovers(driver: ArmDriver) -> bool:
    while _ask("     release the stop and stand clear. Enter powers the arm again, q gives up") != "q":
        try:
            driver.clear_fault()
        except RigError as error:
            print(f"     not yet: {error}")
            continue
        time.sleep(0.5)
        if not (fault := driver.read().fault):
            return True
        print(f"     not yet: {fault}")
    return False


def _ask(text: str) -> str:
    try:
        return input(f"{text}: ").strip().lower()
    except EOFError:
        raise KeyboardInterrupt from None
