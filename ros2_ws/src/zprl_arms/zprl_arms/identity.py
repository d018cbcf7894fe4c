"""Is the arm that answers the one that the rig names? Two arms may have swapped addresses."""

from __future__ import annotations

from collections.abc import Mapping

from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import RigError

SERIAL_FACTS = ("serial number", "control box")
"""Keys of `ArmDriver.facts` under which a driver tells serial numbers."""


def check_serial(rig: RigConfig, arm: ArmConfig, facts: Mapping[str, str]) -> None:
    """The arm has the serial number in the rig, if there is one in it.

    Args:
        rig, arm: which arm it should be, and among which others.
        facts: what the driver tells of the device, connected.

    Raises:
        RigError: it has another one, or tells none; names another arm of the rig where it is that one.
    """
    if problem := serial_problem(rig, arm, facts):
        raise RigError(f"arm '{arm.name}' at {arm.address}: {problem}")


def serial_problem(rig: RigConfig, arm: ArmConfig, facts: Mapping[str, str]) -> str:
    """What is wrong with an arm's serial number; empty where nothing is, or where none is in the rig."""
    if arm.serial is None:
        return ""
    found = [facts[key] for key in SERIAL_FACTS if facts.get(key)]
    if arm.serial in found:
        return ""
    if not found:
        return (
            f"it tells no serial number, the rig says serial: {arm.serial}; driver {arm.driver} cannot "
            "compare it: set serial: null"
        )
    seen = f"serial number {' and '.join(found)}, the rig says serial: {arm.serial}"
    for other in rig.arms:
        if other.name != arm.name and other.serial in found:
            return f"{seen}: it is arm '{other.name}', they are swapped. Swap their addresses in the rig file"
    return f"{seen}. Correct the serial number or the address in the rig file"
