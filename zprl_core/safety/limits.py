"""Limits of one arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from zprl_core.errors import ConfigError

Corner = tuple[float, float, float]
_MAY_BE_ZERO = ("workspace_tolerance_m", "max_late_s")
_MAY_BE_MISSING = ("linear_m_s2", "linear_m_s3", "angular_rad_s2", "angular_rad_s3")
_NO_NUMBERS = ("workspace_low_m", "workspace_high_m", "gripper_low_m", "gripper_high_m", "keep_out")


class KeepOut(NamedTuple):
    """A box that the tool centre point may not enter, in the arm's base frame; its faces are outside.

    Attributes:
        name: for messages: what stands there.
        low_m, high_m: opposite corners, m.
    """

    name: str
    low_m: Corner
    high_m: Corner


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
        linear_m_s2, angular_rad_s2: highest accelerations of the setpoint; None: not limited.
        linear_m_s3, angular_rad_s3: highest jerks of the setpoint; None: not limited.
        keep_out: boxes inside the workspace that the tool may not enter.
        outside: what a waypoint outside the workspace, within the tolerance, does: it is brought to the box's
            face, or its chunk is refused. The same for a gripper width out of range.
        too_fast: what a chunk that asks for more speed or acceleration does: it is followed at the limit, or
            refused.

    Raises:
        ConfigError: a corner pair the wrong way round, a limit that is not finite and positive, or a jerk
            without an acceleration.
    """

    workspace_low_m: Corner
    workspace_high_m: Corner
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
    linear_m_s2: float | None = None
    linear_m_s3: float | None = None
    angular_rad_s2: float | None = None
    angular_rad_s3: float | None = None
    keep_out: tuple[KeepOut, ...] = ()
    outside: Literal["clamp", "refuse"] = "clamp"
    too_fast: Literal["clamp", "refuse"] = "clamp"

    def __post_init__(self) -> None:
        _check_box("workspace", self.workspace_low_m, self.workspace_high_m)
        for box in self.keep_out:
            _check_box(f"keep-out {box.name}", box.low_m, box.high_m)
        ends = (self.gripper_low_m, self.gripper_high_m)
        if not (np.isfinite(ends).all() and 0.0 <= ends[0] <= ends[1]):
            raise ConfigError(f"gripper width: {ends[0]} to {ends[1]} m; finite, 0 or more, low <= high")
        self._check_numbers()
        self._check_choices()

    def _check_numbers(self) -> None:
        for name, value in vars(self).items():
            if name in _NO_NUMBERS or isinstance(value, str) or (value is None and name in _MAY_BE_MISSING):
                continue
            if not np.isfinite(value) or value < 0.0 or (value == 0.0 and name not in _MAY_BE_ZERO):
                raise ConfigError(f"safety limit {name}: {value}, allowed: a finite number above 0")
        for kind in ("linear_m", "angular_rad"):
            if getattr(self, f"{kind}_s3") is not None and getattr(self, f"{kind}_s2") is None:
                raise ConfigError(f"safety limit {kind}_s3: a jerk needs {kind}_s2, which is not given")

    def _check_choices(self) -> None:
        for name in ("outside", "too_fast"):
            if getattr(self, name) not in ("clamp", "refuse"):
                raise ConfigError(f"safety limit {name}: {getattr(self, name)!r}, allowed: clamp, refuse")


def _check_box(name: str, low: Corner, high: Corner) -> None:
    corners = np.array((low, high), dtype=np.float64)
    if corners.shape != (2, 3) or not np.isfinite(corners).all() or (corners[0] >= corners[1]).any():
        raise ConfigError(
            f"{name}: low {low} and high {high} m; three finite numbers each, low below high on every axis"
        )
