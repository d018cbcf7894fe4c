# SPDX-License-Identifier: Apache-2.0
"""Whether a rig's arms may be where their episodes start. Looked at before anything moves."""

from __future__ import annotations

import numpy as np

from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import ConfigError
from zprl_core.kinematics.clearance import OtherArm
from zprl_core.kinematics.gate import KinematicGate
from zprl_core.safety.supervision import tools_problem
from zprl_core.transforms import Array, Pose


def check_homes(rig: RigConfig) -> None:
    """Every arm's home is inside its workspace, outside its keep-out boxes, and a posture that it may have:
    within its joint limits, away from singularities, table and itself, and from the other arms at theirs.

    Raises:
        ConfigError: names rig, arm, key, value and what is allowed.
    """
    for arm in rig.arms:
        problem = home_problem(rig, arm)
        if problem:
            who = f"rig {rig.name}: arm '{arm.name}'"
            raise ConfigError(f"{who}: homing.joints_rad: {problem}; change it, or workspace, limits or tool")


def home_problem(rig: RigConfig, arm: ArmConfig) -> str:
    """What is wrong with an arm's home; empty when nothing is."""
    gate, joints = KinematicGate.of(arm, rig.table_m), np.array(arm.homing.joints_rad)
    return (
        _place_problem(arm, gate.kinematics.forward(joints).position)
        or gate.limit_problem(joints)
        or gate.singular_problem(joints)
        or gate.distance_problem(joints)
        or _neighbour_problem(rig, arm, gate)
    )


def _place_problem(arm: ArmConfig, place: Array) -> str:
    there = f"the tool is at ({place[0]:.3f}, {place[1]:.3f}, {place[2]:.3f}) m"
    low, high = arm.workspace.min_m, arm.workspace.max_m
    if (place < low).any() or (place > high).any():
        return f"{there}, outside the workspace {low} to {high} m"
    for box in arm.workspace.keep_out:
        if (place > box.min_m).all() and (place < box.max_m).all():
            return f"{there}, inside the keep-out box '{box.name}'"
    return ""


def _neighbour_problem(rig: RigConfig, arm: ArmConfig, gate: KinematicGate) -> str:
    """Whether the other arms, at their homes, are too near."""
    joints, tool = np.array(arm.homing.joints_rad), _tool_in_rig(gate, arm)
    for other in (each for each in rig.arms if each is not arm):
        its = KinematicGate.of(other, rig.table_m)
        bodies = OtherArm(other.name, its.bodies.at(other.homing.joints_rad))
        near = tools_problem(tool, _tool_in_rig(its, other), rig.tool_distance_m, other.name)
        if problem := near or gate.distance_problem(joints, [bodies]):
            return f"{problem}, which is at its own home"
    return ""


def _tool_in_rig(gate: KinematicGate, arm: ArmConfig) -> Pose:
    return gate.base_in_rig.compose(gate.kinematics.forward(arm.homing.joints_rad))
