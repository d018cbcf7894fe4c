# SPDX-License-Identifier: Apache-2.0
"""Joint angles of the arms that rigs may name, and what they forbid. The only user of pinocchio.

`ArmKinematics` is forward and inverse kinematics; `ArmBodies` the distances between links, table and other
arms; `KinematicGate` checks a chunk against both.
"""

from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.distances import (
    ArmBodies,
    Bodies,
    Nearest,
    nearest_to_other,
    nearest_to_table,
    tool_over_table,
)
from zprl_core.kinematics.gate import Clearance, JointPath, KinematicGate, KinematicLimits, OtherArm
from zprl_core.kinematics.models import MODELS, ArmModel

__all__ = [
    "MODELS",
    "ArmBodies",
    "ArmKinematics",
    "ArmModel",
    "Bodies",
    "Clearance",
    "JointPath",
    "KinematicGate",
    "KinematicLimits",
    "Nearest",
    "OtherArm",
    "nearest_to_other",
    "nearest_to_table",
    "tool_over_table",
]
