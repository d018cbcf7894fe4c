"""Arm drivers by the name that a rig gives them. A driver's module is imported only where it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from zprl_core.errors import RigError

if TYPE_CHECKING:
    from zprl_arms.driver import ArmDriver
    from zprl_core.config import ArmConfig, RigConfig, TaskConfig

DRIVERS = {
    "franka": "zprl_arms.drivers.franka",
    "sim": "zprl_arms.drivers.sim",
    "xarm": "zprl_arms.drivers.xarm",
}
"""Each module has `make(rig, task, arm) -> ArmDriver`."""


def make_driver(rig: RigConfig, task: TaskConfig, arm: ArmConfig) -> ArmDriver:
    """The driver that a rig names for an arm.

    Raises:
        RigError: there is none of that name.
    """
    if arm.driver not in DRIVERS:
        raise RigError(f"arm '{arm.name}': no driver '{arm.driver}'. Known: {', '.join(DRIVERS)}")
    driver: ArmDriver = importlib.import_module(DRIVERS[arm.driver]).make(rig, task, arm)
    return driver
