# SPDX-License-Identifier: Apache-2.0
"""What a box moves. A plant only knows joint angles and a gripper width; the controller knows poses."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import CaseConfig
from zprl_core.transforms import Pose

Array = NDArray[np.float64]


class Measured(NamedTuple):
    """What is measured at one instant.

    Attributes:
        joints_rad, joint_velocities_rad_s: float64 (joints,).
        width_m: between the fingers.
        qpos, qvel: the whole world, as the plant's own physics orders it; float64.
    """

    joints_rad: Array
    joint_velocities_rad_s: Array
    width_m: float
    qpos: Array
    qvel: Array


class World(NamedTuple):
    """What a reset of the world gives.

    Attributes:
        layout: where the objects lie, YAML.
        home: where an episode starts: tool centre point (bench: flange) in the base frame.
        home_width_m: the gripper's opening there.
        scene: what differs from the usual scene, YAML, empty for nothing.
    """

    layout: str
    home: Pose
    home_width_m: float
    scene: str = ""


class Plant(Protocol):
    """An arm with a gripper, and the world around it.

    Attributes:
        rate_hz: steps per second.
        start_rad: joint angles at power-up, float64 (joints,).
        max_width_m: the gripper's largest opening.
    """

    rate_hz: float
    start_rad: Array
    max_width_m: float

    def step(self, joints_rad: Array, width_m: float) -> None:
        """One period towards the commanded joint angles and width."""

    def measure(self) -> Measured:
        """Copies of what is now."""

    def reset(self, layout_seed: int, *, home: bool, case: CaseConfig | None = None) -> World:
        """Lay out the objects anew, as a robustness case says. `home` also puts the arm at its start;
        otherwise it stays where it is.
        """


class ArmKinematics(Protocol):
    """The chain from base to flange.

    Attributes:
        lower_rad, upper_rad: joint limits, float64 (joints,).
    """

    lower_rad: Array
    upper_rad: Array

    def forward(self, joints_rad: Array) -> Pose:
        """Pose of the flange in the base frame."""

    def point(self, joints_rad: Array, point_flange_m: Array) -> Array:
        """Where a point of the flange's frame lies in the base frame, float64 (3,)."""

    def inverse(self, pose_base_flange: Pose, start_rad: Array) -> tuple[Array, float]:
        """Joint angles near `start_rad`, and the error that is left (the larger of m and rad)."""
