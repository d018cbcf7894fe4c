# SPDX-License-Identifier: Apache-2.0
"""Tasks and rigs: YAML in `hardware_config/`, validated into frozen dataclasses. No torch, no ROS."""

from __future__ import annotations

import os
from pathlib import Path

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
from zprl_core.config.benchmark import BenchmarkConfig, DemonstratorConfig
from zprl_core.config.calibration import CalibrationConfig, DelayConfig
from zprl_core.config.camera import CameraConfig
from zprl_core.config.compute import ComputeConfig
from zprl_core.config.evaluation import ALL_CASES, CaseConfig, EvaluationConfig, SimulatedCase
from zprl_core.config.learning import (
    BottleneckConfig,
    BudgetConfig,
    GuardConfig,
    HumanMatchConfig,
    Interface,
    PolicyConfig,
    PretrainConfig,
    RLConfig,
)
from zprl_core.config.processes import ProcessConfig
from zprl_core.config.recording import RecordingConfig
from zprl_core.config.rig import RigConfig, SimulationConfig, check_pair
from zprl_core.config.smoothness import MotionLimitsConfig, SmoothnessConfig
from zprl_core.config.task import ActionConfig, CameraView, ObservationConfig, TaskConfig
from zprl_core.errors import ConfigError

__all__ = [
    "ALL_CASES",
    "ActionConfig",
    "ArmConfig",
    "BenchmarkConfig",
    "BottleneckConfig",
    "BudgetConfig",
    "CalibrationConfig",
    "CameraConfig",
    "CameraView",
    "CaseConfig",
    "ComputeConfig",
    "DelayConfig",
    "DemonstratorConfig",
    "EvaluationConfig",
    "FrankaConfig",
    "GripperConfig",
    "GuardConfig",
    "HomingConfig",
    "HumanMatchConfig",
    "Interface",
    "KeepOutConfig",
    "LimitsConfig",
    "MotionLimitsConfig",
    "ObservationConfig",
    "PlacementConfig",
    "PolicyConfig",
    "PretrainConfig",
    "ProcessConfig",
    "RLConfig",
    "RecordingConfig",
    "RigConfig",
    "SimulatedCase",
    "SimulationConfig",
    "SmoothnessConfig",
    "TaskConfig",
    "ToolConfig",
    "WorkspaceConfig",
    "XArmConfig",
    "calibration_file",
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
    file = files.find("rigs", name_or_path)
    data, origin = files.read_extended("rigs", file)
    rig = loader.from_data(RigConfig, data, loader.Place(origin))
    measured = calibration_file(file)
    if "calibration" in data or not measured.is_file():
        return rig
    found = loader.from_data(
        CalibrationConfig, files.read_yaml(measured), loader.Place(lambda _: str(measured))
    )
    try:
        return rig.calibrated(found)
    except ConfigError as error:
        raise ConfigError(f"{measured}: {error}. Measure again, or remove that file") from error


def calibration_file(rig_file: Path) -> Path:
    """Where a rig's calibration is kept: calibrations/<rig>.yaml, beside the folder of the rig's file."""
    return rig_file.absolute().parent.parent / "calibrations" / rig_file.name
