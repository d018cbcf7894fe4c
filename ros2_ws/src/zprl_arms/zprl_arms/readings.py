"""What a driver reads, and whether it is made of numbers. Pure, but for the driver's own reading."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zprl_arms.driver import ArmReading
from zprl_core.config import ArmConfig
from zprl_core.errors import DataError, RigError
from zprl_core.transforms import Pose


class Readings:
    """The newest finite reading of one arm.

    Args:
        arm: which one.
        read: asks the driver.

    Attributes:
        problem: why the last reading is not the newest; empty where it is.
    """

    def __init__(self, arm: ArmConfig, read: Callable[[], ArmReading]) -> None:
        self._arm, self._read = arm, read
        self._tool_at: Callable[[NDArray[np.float64]], Pose] | None = None
        self._last: ArmReading | None = None
        self.problem = ""

    def pose_of(self, tool_at: Callable[[NDArray[np.float64]], Pose]) -> None:
        """In shadow mode the controller was not told of the tool: the pose is made of the joint angles, and a
        gripper that is not activated counts as open.
        """
        self._tool_at = tool_at

    def newest(self) -> ArmReading:
        """Reads the arm; where it tells something that is not finite, the reading before is kept.

        Raises:
            RigError: there is none before.
        """
        try:
            reading = self._read()
            self.problem = _not_finite(reading)
        except DataError as error:
            self.problem = f"the arm's state cannot be read: {error}"
        if not self.problem:
            self._last = reading
        if self._last is None:
            raise RigError(f"arm '{self._arm.name}': {self.problem}; restart its controller")
        return self._last if self._tool_at is None else self._assumed(self._last, self._tool_at)

    def _assumed(self, reading: ArmReading, tool_at: Callable[[NDArray[np.float64]], Pose]) -> ArmReading:
        width, gripper = reading.gripper_width_m, self._arm.gripper
        if gripper is not None and width is None:
            width = gripper.max_width_m
        return reading._replace(pose_base_tcp=tool_at(reading.joint_position_rad), gripper_width_m=width)


def _not_finite(reading: ArmReading) -> str:
    """What is no number in a reading, or nothing. Its pose always is; its wrench is looked at elsewhere."""
    width = 0.0 if reading.gripper_width_m is None else reading.gripper_width_m
    for what, values in (
        ("joint angles", reading.joint_position_rad),
        ("joint velocities", reading.joint_velocity_rad_s),
        ("gripper width", np.array([width])),
    ):
        if not np.isfinite(values).all():
            return f"the arm reports {what} of {values.tolist()}, allowed: finite numbers"
    return ""
