# SPDX-License-Identifier: Apache-2.0
"""Whether a rig's arms may be where their episodes start. Looked at before anything moves."""

from __future__ import annotations

import numpy as np

from zprl_core.config import ArmConfig, RigConfig
from zprl_core.errors import ConfigError
from zprl_core.kinematics.gate import KinematicGate


def check_homes(rig: RigConfig) -> None:
    """Every arm's home is inside its workspace, outside its keep-out boxes, and a posture that it may have.

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
    place = gate.kinematics.forward(joints).position
    there = f"the tool is at ({place[0]:.3f}, {place[1]:.3f}, {place[2]:.3f}) m"
    low, high = arm.workspace.min_m, arm.workspace.max_m
    if (place < low).any() or (place > high).any():
        return f"{there}, outside the workspace {low} to {high} m"
    for box in arm.workspace.keep_out:
        if (place > box.min_m).all() and (place < box.max_m).all():
            return f"{there}, inside the keep-out box '{box.name}'"
    return gate.limit_problem(joints) or gate.distance_problem(joints)
