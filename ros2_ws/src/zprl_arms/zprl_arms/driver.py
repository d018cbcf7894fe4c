"""What an arm driver is. A new arm is one module in `drivers/` and one line in `drivers.DRIVERS`.

A driver only connects, reads, streams and reports. Interpolation, limits, watchdog and ownership are the
bridge's.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose


class ArmReading(NamedTuple):
    """What an arm measures.

    Attributes:
        joint_position_rad: float64 (joints,).
        joint_velocity_rad_s: float64 (joints,).
        pose_base_tcp: tool centre point in the arm's base frame.
        gripper_width_m: between the fingers, None without a gripper.
        fault: empty, or what the arm complains of.
    """

    joint_position_rad: NDArray[np.float64]
    joint_velocity_rad_s: NDArray[np.float64]
    pose_base_tcp: Pose
    gripper_width_m: float | None
    fault: str = ""

    @property
    def setpoint(self) -> Setpoint:
        """The setpoint at which the arm is now."""
        return Setpoint.at(self.pose_base_tcp, self.gripper_width_m)


class ArmDriver(Protocol):
    """One arm with its gripper. Every method returns within a fraction of a servo period."""

    def connect(self) -> None:
        """Connect, check that it is the arm that the rig names, and hold.

        Raises:
            RigError: it is not there or not as expected; names the address and what to do.
        """

    def read(self) -> ArmReading:
        """The newest measurement."""

    def stream(self, setpoint: Setpoint) -> None:
        """Command the setpoint of this servo period, gripper included, without waiting for either."""

    def clear_fault(self) -> None:
        """Clear what `ArmReading.fault` says. Only ever called because a person asked for it."""

    def close(self) -> None:
        """Stop and disconnect."""


class WorldState(NamedTuple):
    """Everything about a simulated world: float64 (nq,) and (nv,) of its physics model."""

    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]


class ResetWorld(NamedTuple):
    """What a reset of a simulated world gives.

    Attributes:
        layout: where the objects lie, YAML.
        home: the setpoint at which the arm is held.
    """

    layout: str
    home: Setpoint


@runtime_checkable
class SimulatedArm(ArmDriver, Protocol):
    """An arm in a simulated world, whose time the bridge moves on."""

    def reset(self, layout_seed: int) -> ResetWorld:
        """Lay out the objects and put the arm at its home."""

    def advance(self) -> None:
        """One servo period of physics under the last setpoint streamed."""

    def world(self) -> WorldState:
        """The state now."""
