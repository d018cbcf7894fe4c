"""What an arm driver is. A new arm is one module in `drivers/` and one line in `drivers.DRIVERS`.

A driver only connects, reads, streams and reports. Interpolation, limits, watchdog and ownership are the
bridge's.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        stamp_ns: when it was measured, ns of the system clock; None: at the time of the call.
        wrench_base: external force (N) and torque (Nm) at the tool in the base frame, float64 (6,); None
            where the arm does not report it.
        hardware_stop: whether its controller says that a hardware stop was pressed, and nobody has released
            and cleared it yet. Other faults are none.
    """

    joint_position_rad: NDArray[np.float64]
    joint_velocity_rad_s: NDArray[np.float64]
    pose_base_tcp: Pose
    gripper_width_m: float | None
    fault: str = ""
    stamp_ns: int | None = None
    wrench_base: NDArray[np.float64] | None = None
    hardware_stop: bool = False

    @property
    def setpoint(self) -> Setpoint:
        """The setpoint at which the arm is now."""
        return Setpoint.at(self.pose_base_tcp, self.gripper_width_m)


class ArmDriver(Protocol):
    """One arm with its gripper. Every method but `connect` and `clear_fault` returns within a fraction of a
    servo period; what takes longer runs in threads of the driver's own.

    Attributes:
        streams_joints: whether `stream` sends the joint angles rather than the pose.
    """

    streams_joints: bool

    def connect(self, *, enable: bool = True) -> None:
        """Connect, check that it is the arm that the rig names, set it up as the rig says, and hold.

        Args:
            enable: False leaves motors and brakes as they are and changes nothing: for a look, and for shadow
                mode, in which `stream` is never called.

        Raises:
            RigError: it is not there or not as expected; names the address and what to do.
        """

    def facts(self) -> Mapping[str, str]:
        """What a person should know of the device that is connected: model, serial number, firmware, SDK."""

    def read(self) -> ArmReading:
        """The newest measurement."""

    def stream(
        self,
        setpoint: Setpoint,
        joint_position_rad: NDArray[np.float64] | None = None,
        begun_s: float | None = None,
    ) -> None:
        """Command the setpoint of this servo period, gripper included, without waiting for either.

        Args:
            setpoint: pose of the tool centre point in the base frame, and gripper width.
            joint_position_rad: the same pose in joint angles, float64 (joints,); given where the driver
                `streams_joints`, and on the way home.
            begun_s: when the servo period began, by `time.monotonic`; None: just now. A setpoint that could
                not be sent within the rig's watchdog_s of that is never sent: this process stood still, and
                whoever stands at the arm has seen it stop.
        """

    def halt(self, *, halted: bool) -> None:
        """Whether the arm is to hold, whatever for: meanwhile what goes on by itself beyond what is streamed,
        as a gripper's own motion does, must not go on to more. A grasp stays. Never waits.
        """

    def clear_fault(self) -> None:
        """Clear what `ArmReading.fault` says and be ready to stream again. Only ever called because a person
        asked for it.

        Raises:
            RigError: it cannot be cleared; says what a person has to do at the arm.
        """

    def close(self) -> None:
        """Stop and disconnect."""


class WorldState(NamedTuple):
    """Everything about a simulated world: float64 (nq,) and (nv,) of its physics model, and what differs from
    the usual scene, YAML, empty for nothing.
    """

    qpos: NDArray[np.float64]
    qvel: NDArray[np.float64]
    scene: str = ""


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

    def reset(self, layout_seed: int, case_name: str = "") -> ResetWorld:
        """Lay out the objects, as the task's robustness case says, and put the arm at its home."""

    def advance(self) -> None:
        """One servo period of physics under the last setpoint streamed."""

    def tool(self) -> Pose:
        """The tool centre point's pose now, as `read` has it, and nothing else."""

    def world(self) -> WorldState:
        """The state now."""
