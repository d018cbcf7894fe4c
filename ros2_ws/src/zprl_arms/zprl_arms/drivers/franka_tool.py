"""What a Franka controller must be told of a tool. Pure: no connection.

Frames, as libfranka names them: F is the flange, NE the nominal end effector (set in Desk, the controller's
web page), EE the end effector, which a client may move: here it is the tool centre point, TCP. `T_ab` is b in
a.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import ToolConfig
from zprl_core.errors import RigError
from zprl_core.transforms import Pose, quaternion_from_rotvec

_NOTHING_KG = 0.01  # less load than this is none


class Load(NamedTuple):
    """A load on the flange, beside what Desk knows of the end effector.

    Attributes:
        mass_kg: its mass.
        com_m: its centre of mass in the flange's frame, float64 (3,).
        inertia_kg_m2: about that centre, float64 (9,), column by column.
    """

    mass_kg: float
    com_m: NDArray[np.float64]
    inertia_kg_m2: NDArray[np.float64]


def flange_to_tcp(tool: ToolConfig | None) -> Pose:
    """The tool centre point in the flange's frame; the flange itself without a tool."""
    if tool is None:
        return Pose(np.zeros(3))
    return Pose(np.array(tool.position_m), quaternion_from_rotvec(tool.rotvec_rad))


def nominal_to_tcp(flange_to_nominal: Pose, tool: ToolConfig | None) -> Pose:
    """T_NE,EE that puts EE at the tool centre point, whatever nominal end effector Desk has."""
    return flange_to_nominal.inverse().compose(flange_to_tcp(tool))


def missing_load(arm: str, tool: ToolConfig | None, desk_kg: float, desk_com_m: NDArray[np.float64]) -> Load:
    """What the rig's tool weighs beyond the end effector that Desk already accounts for.

    Args:
        arm: for the message.
        tool: the rig's; without one, or with a mass of 0, Desk's end effector is all there is.
        desk_kg, desk_com_m: mass, and its centre in the flange's frame, float64 (3,), of Desk's end effector.

    Raises:
        RigError: the rig's tool, gripper included, is lighter than Desk's end effector alone.
    """
    if tool is None or tool.mass_kg == 0.0:
        return Load(0.0, np.zeros(3), np.zeros(9))
    mass_kg = tool.mass_kg - desk_kg
    if mass_kg < -_NOTHING_KG:
        raise RigError(
            f"arm '{arm}': tool.mass_kg: {tool.mass_kg:g} kg, gripper included, is less than the {desk_kg:g} "
            "kg of the end effector set in Desk; correct the one that is wrong"
        )
    if mass_kg < _NOTHING_KG:
        return Load(0.0, np.zeros(3), np.zeros(9))
    com_m = (tool.mass_kg * np.array(tool.com_m) - desk_kg * desk_com_m) / mass_kg
    ball = 0.4 * mass_kg * tool.radius_m**2  # the rig gives no inertia: that of a ball as wide as the tool
    return Load(mass_kg, com_m, (ball * np.eye(3)).ravel())
