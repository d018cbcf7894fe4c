# SPDX-License-Identifier: Apache-2.0
"""Tasks and rigs: YAML in `hardware_config/`, validated into frozen dataclasses. No torch, no ROS."""

from __future__ import annotations

import os

from zprl_core.config import files, loader
from zprl_core.config.arm import (
    ArmConfig,
    FrankaConfig,
    GripperConfig,
    HomingConfig,
    KeepOutConfig,
    LimitsConfig,
    PlacementConfig,
    ToolConfig,
    WorkspaceConfig,
    XArmConfig,
)
from zprl_core.config.camera import CameraConfig
from zprl_core.config.learning import (
    BottleneckConfig,
    BudgetConfig,
    EvaluationConfig,
    PolicyConfig,
    PretrainConfig,
    RLConfig,
)
from zprl_core.config.rig import RigConfig, SimulationConfig, check_pair
from zprl_core.config.task import ActionConfig, CameraView, ObservationConfig, TaskConfig

__all__ = [
    "ActionConfig",
    "ArmConfig",
    "BottleneckConfig",
    "BudgetConfig",
    "CameraConfig",
    "CameraView",
    "EvaluationConfig",
    "FrankaConfig",
    "GripperConfig",
    "HomingConfig",
    "KeepOutConfig",
    "LimitsConfig",
    "ObservationConfig",
    "PlacementConfig",
    "PolicyConfig",
    "PretrainConfig",
    "RLConfig",
    "RigConfig",
    "SimulationConfig",
    "TaskConfig",
    "ToolConfig",
    "WorkspaceConfig",
    "XArmConfig",
    "check_pair",
    "load_rig",
    "load_task",
    "rig_names",
    "task_names",
]


def task_names() -> tuple[str, ...]:
    """Names of all tasks that can be loaded."""
    return files.names("tasks")


def rig_names() -> tuple[str, ...]:
    """Names of all rigs that can be loaded."""
    return files.names("rigs")


def load_task(name_or_path: str | os.PathLike[str]) -> TaskConfig:
    """A task by name, or from a YAML file.

    Raises:
        ConfigError: names file, key, value and what is allowed.
    """
    data, origin = files.read_extended("tasks", files.find("tasks", name_or_path))
    return loader.from_data(TaskConfig, data, loader.Place(origin))


def load_rig(name_or_path: str | os.PathLike[str]) -> RigConfig:
    """A rig by name, or from a YAML file.

    Raises:
        ConfigError: names file, key, value and what is allowed.
    """
    data, origin = files.read_extended("rigs", files.find("rigs", name_or_path))
    return loader.from_data(RigConfig, data, loader.Place(origin))
