# SPDX-License-Identifier: Apache-2.0
"""Joint angles of the arms that rigs may name, and what they forbid. The only user of pinocchio.

`ArmKinematics` is forward and inverse kinematics; `ArmBodies` the distances between links, table and other
arms; `KinematicGate` checks a chunk against both.
"""

from zprl_core.kinematics.arm import ArmKinematics
from zprl_core.kinematics.clearance import Clearance, ClearanceRules, OtherArm, OtherWay
from zprl_core.kinematics.distances import (
    ArmBodies,
    Bodies,
    Gaps,
    Nearest,
    other_gaps,
    table_gaps,
    tool_gaps,
)
from zprl_core.kinematics.gate import JointPath, KinematicGate, KinematicLimits
from zprl_core.kinematics.models import MODELS, ArmModel

__all__ = [
    "MODELS",
    "ArmBodies",
    "ArmKinematics",
    "ArmModel",
    "Bodies",
    "Clearance",
    "ClearanceRules",
    "Gaps",
    "JointPath",
    "KinematicGate",
    "KinematicLimits",
    "Nearest",
    "OtherArm",
    "OtherWay",
    "other_gaps",
    "table_gaps",
    "tool_gaps",
]
