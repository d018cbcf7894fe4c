"""Limits of one arm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zprl_core.errors import ConfigError

_MAY_BE_ZERO = ("workspace_tolerance_m", "max_late_s")


@dataclass(frozen=True)
class SafetyLimits:
    """Limits of one arm, in its base frame.

    Attributes:
        workspace_low_m, workspace_high_m: corners of the box in which the tool stays, m.
        workspace_tolerance_m: a waypoint this far outside is clamped to the box; beyond, it is refused.
        linear_m_s, angular_rad_s: highest speeds of the setpoint.
        jump_m, jump_rad: farthest that a chunk's first waypoint may lie from the present setpoint.
        gripper_low_m, gripper_high_m, gripper_m_s: range and highest speed of the gripper's width.
        max_late_s: oldest stamp accepted, before now.
        max_ahead_s: farthest stamp accepted, after now.
        max_step_s: longest time between setpoints that the speed limits count; a pause earns no leap.

    Raises:
        ConfigError: a corner pair the wrong way round, or a limit that is not finite and positive.
    """

    workspace_low_m: tuple[float, float, float]
    workspace_high_m: tuple[float, float, float]
    workspace_tolerance_m: float = 0.05
    linear_m_s: float = 0.5
    angular_rad_s: float = 2.0
    jump_m: float = 0.1
    jump_rad: float = 0.8
    gripper_low_m: float = 0.0
    gripper_high_m: float = 0.1
    gripper_m_s: float = 0.2
    max_late_s: float = 0.5
    max_ahead_s: float = 1.0
    max_step_s: float = 0.05

    def __post_init__(self) -> None:
        corners = np.array((self.workspace_low_m, self.workspace_high_m), dtype=np.float64)
        if corners.shape != (2, 3) or not np.isfinite(corners).all() or (corners[0] >= corners[1]).any():
            raise ConfigError(
                f"workspace: low {self.workspace_low_m} and high {self.workspace_high_m} m; three finite "
                "numbers each, low below high on every axis"
            )
        ends = (self.gripper_low_m, self.gripper_high_m)
        if not (np.isfinite(ends).all() and 0.0 <= ends[0] <= ends[1]):
            raise ConfigError(f"gripper width: {ends[0]} to {ends[1]} m; finite, 0 or more, low <= high")
        for name, value in vars(self).items():
            if name.endswith(("_low_m", "_high_m")):
                continue
            if not np.isfinite(value) or value < 0.0 or (value == 0.0 and name not in _MAY_BE_ZERO):
                raise ConfigError(f"safety limit {name}: {value}, allowed: a finite number above 0")
