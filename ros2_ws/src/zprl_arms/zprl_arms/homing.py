"""An arm's way home for one reset: moving, settling, there. Pure: time and measurements are arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import HomingConfig
from zprl_core.trajectory import Setpoint

if TYPE_CHECKING:
    from zprl_core.trajectory.homing import Homing

SETTLE_S = 3.0


class HomingMove:
    """Walks along a `Homing` and then waits until the arm is measured to be there.

    Args:
        path: from where the arm is to its home.
        config: how near is near enough, and what the gripper does there.
        sequence: of the session's state that it is for.
        start_ns: when it begins.
        width: that the gripper is told when it begins, m; None without one.
    """

    def __init__(
        self, path: Homing, config: HomingConfig, sequence: int, start_ns: int, width: float | None
    ) -> None:
        self._path, self._config, self._start_ns, self._width = path, config, start_ns, width
        self.sequence = sequence

    @property
    def width_at_home(self) -> float | None:
        """What the gripper is told there, m; None without one."""
        wanted = self._config.gripper_width_m
        return self._width if self._width is None or wanted is None else wanted

    def sample(self, t_ns: int) -> tuple[Setpoint, NDArray[np.float64]]:
        """Setpoint and joint angles, float64 (joints,) rad, for the time `t_ns`.

        The gripper keeps its width on the way.
        """
        elapsed_s = (t_ns - self._start_ns) * 1e-9
        setpoint, joints = self._path.sample(elapsed_s)
        width = self.width_at_home if elapsed_s >= self._path.duration_s else self._width
        return Setpoint(setpoint.position, setpoint.quaternion, width), joints

    def arrived(self, t_ns: int, joint_position_rad: NDArray[np.float64]) -> bool:
        """Whether the way is over and the arm is measured at its end."""
        return t_ns >= self._end_ns and self._miss(joint_position_rad)[1] <= self._config.tolerance_rad

    def problem(self, t_ns: int, joint_position_rad: NDArray[np.float64]) -> str:
        """Why the arm is not there although it has had the time; empty while all is well."""
        if t_ns < self._end_ns + round(SETTLE_S * 1e9) or self.arrived(t_ns, joint_position_rad):
            return ""
        joint, miss = self._miss(joint_position_rad)
        return (
            f"homing: joint {joint + 1} is {miss:.3f} rad from its home {SETTLE_S:g} s after the move, "
            f"allowed {self._config.tolerance_rad:g} rad; is something in the way?"
        )

    @property
    def _end_ns(self) -> int:
        return self._start_ns + round(self._path.duration_s * 1e9)

    def _miss(self, joint_position_rad: NDArray[np.float64]) -> tuple[int, float]:
        misses = np.abs(joint_position_rad - np.array(self._config.joints_rad))
        joint = int(misses.argmax())
        return joint, float(misses[joint])
