# SPDX-License-Identifier: Apache-2.0
"""`zprl doctor --stop-test`: a person presses the hardware stop of each arm, and its driver must see it.

The arm is powered and holds still meanwhile: a stop that was never pressed with the motors on is not tested.
"""

from __future__ import annotations

import contextlib
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zprl_core.cli import kept
from zprl_core.cli.checks import Finding
from zprl_core.config import ArmConfig, RigConfig, files
from zprl_core.errors import ConfigError, RigError, ZprlError

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver

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
When asked, press the stop; within {PATIENCE_S:g} s the arm must say that it stopped. Then release it, and the
arm is powered again to see that it recovers.
"""


def finding(folder: Path, rig: str, now: datetime) -> Finding:
    """Whether the hardware stop of a rig was tested, and lately."""
    command = f"test it: zprl doctor --rig {rig} --stop-test ({NO_SAFETY_FUNCTION})"
    if not (folder / FILE).is_file():
        return Finding(False, "hardware stop: never tested at this rig", command)
    try:
        days = kept.days_since(files.read_yaml(folder / FILE).get("tested"), now)
    except ZprlError:
        days = None
    if days is None:
        return Finding(False, f"hardware stop: {folder / FILE} does not say when it was tested", command)
    text = f"hardware stop: tested {days:.0f} days ago; {NO_SAFETY_FUNCTION}"
    return Finding(days <= OLDEST_DAYS, text, f"older than {OLDEST_DAYS:g} days: {command}")


def run(rig: RigConfig, folder: Path) -> int:
    """Test the stop of every arm with the person at the terminal, and note the date. Gives the exit code.

    Raises:
        ConfigError: no terminal, or no arm that has a hardware stop.
        RigError: an arm that cannot be connected.
    """
    arms = [arm for arm in rig.arms if arm.driver != "sim"]
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


def _test(rig: RigConfig, arm: ArmConfig) -> dict[str, Any] | None:
    from zprl_arms.claim import ArmClaim
    from zprl_arms.drivers import make_driver
    from zprl_arms.identity import check_serial

    _ask(f"arm '{arm.name}' at {arm.address}: stand clear of it. Enter powers it; it holds still")
    driver = make_driver(rig, _NO_TASK, arm)
    with contextlib.closing(driver), contextlib.closing(ArmClaim(arm)):
        driver.connect()
        check_serial(rig, arm, driver.facts())
        if fault := driver.read().fault:
            raise RigError(f"arm '{arm.name}': {fault}. Clear that first, then test its stop")
        found = _watch(driver)
        if found is None:
            print(
                f"     the arm did not say within {PATIENCE_S:g} s that it stopped: is the stop wired to it?"
            )
            return None
        print(f"     seen: {found['seen']} (the tool moved {found['moved_mm']:.1f} mm)")
        return found if _recovers(driver) else None


def _watch(driver: ArmDriver) -> dict[str, Any] | None:
    print(f"     press the hardware stop now ({PATIENCE_S:g} s)", flush=True)
    held, began_s = driver.read(), time.monotonic()
    while time.monotonic() - began_s < PATIENCE_S:
        reading = driver.read()
        if reading.fault:
            time.sleep(1.0)  # in which it comes to rest, and the controller explains itself
            last = driver.read()
            moved_m = float(np.linalg.norm(last.pose_base_tcp.position - held.pose_base_tcp.position))
            return {"seen": last.fault, "moved_mm": round(1e3 * moved_m, 2)}
        time.sleep(LOOK_S)
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
