"""A Franka arm at its controller: an impedance towards what was streamed last, by way of FCI.

What happens when something ends: a setpoint that does not come leaves the arm at the last one; `close` ramps
the torques down and ends control; a process that dies is noticed by the controller, which stops the arm by
itself.

The seventh joint: setpoints leave the elbow free. It stays where it is when control begins, and from the
first motion on it is drawn to where it is at home (`homing.joints_rad`), without moving the tool. On the way
home joint angles come with the setpoints, and the arm follows those: see `franka_tracking`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zprl_arms.driver import ArmReading
from zprl_arms.drivers import franka_fci
from zprl_arms.drivers.franka_fci import Fci
from zprl_arms.drivers.franka_tracking import Tracking
from zprl_arms.drivers.franka_watch import Watch
from zprl_arms.grippers.franka_hand import FrankaHand
from zprl_arms.grippers.serial_robotiq import SerialRobotiq
from zprl_arms.grippers.worker import GripperDevice, GripperWorker
from zprl_core.config import ArmConfig, RigConfig, TaskConfig
from zprl_core.errors import RigError
from zprl_core.trajectory import Setpoint

FASTEST_LOOK_S = 0.002  # between two looks at the state
SLOWEST_LOOK_S = 0.01


class FrankaArm:
    """`ArmDriver` of an FR3.

    Args:
        arm: its configuration.
        gripper: what is at its end; None: nothing.
    """

    streams_joints = False

    def __init__(self, arm: ArmConfig, gripper: GripperDevice | None) -> None:
        self._arm = arm
        self._gripper = None if gripper is None else GripperWorker(gripper)
        self._servo_s = 1.0 / arm.servo_rate_hz
        self._enable = True
        self._fci: Fci | None = None
        self._watch: Watch | None = None
        self._tracking: Tracking | None = None

    def connect(self, *, enable: bool = True) -> None:
        """Connect to controller and gripper, and hold.

        A controller that is in a reflex or was stopped by its user stop is no error here: `read` says so, and
        `clear_fault` takes control. Without `enable` nothing is changed but what every connection of franky's
        sets, the collision thresholds (to the rig's).

        Raises:
            RigError: no franky, no controller, another model, no gripper; names the address and what to do.
        """
        self._enable = enable
        try:
            self._open()
            self._begin("")
            if self._gripper is not None:
                self._gripper.connect(enable=enable)
        except BaseException:
            self.close()
            raise

    def facts(self) -> Mapping[str, str]:
        """Model, address and versions; FCI does not tell serial numbers."""
        if self._fci is None:
            raise RigError(f"arm '{self._arm.name}': not connected")
        return {
            "model": self._fci.robot_name,
            "address": self._arm.address or "",
            "libfranka": franka_fci.libfranka_version() or "unknown",
            **({} if self._gripper is None else {"gripper": self._gripper.name}),
        }

    def read(self) -> ArmReading:
        """The newest measurement, never waited for. Its stamp says how old it is: at most `SLOWEST_LOOK_S`
        while the connection lives and this process is served.
        """
        if self._watch is None:
            raise RigError(f"arm '{self._arm.name}': not connected")
        sample, fault, width = self._watch.sample, self._watch.fault, None
        if self._gripper is not None:
            width, gripper_fault = self._gripper.read()
            fault = "; ".join(filter(None, (fault, gripper_fault)))
        return ArmReading(
            sample.joint_position_rad,
            sample.joint_velocity_rad_s,
            sample.pose_base_tcp,
            width,
            fault,
            sample.stamp_ns,
            sample.wrench_base,
            sample.mode == franka_fci.USER_STOPPED,
        )

    def stream(
        self,
        setpoint: Setpoint,
        joint_position_rad: NDArray[np.float64] | None = None,
        begun_s: float | None = None,
    ) -> None:
        """Give the control loop a new target and the velocity that leads to it; during a fault, nothing.

        Args:
            setpoint: pose of the tool centre point in the base frame, and gripper width.
            joint_position_rad: float64 (7,): on the way home, where they are followed instead of the pose.
            begun_s: see `ArmDriver.stream`.
        """
        if begun_s is not None and time.monotonic() - begun_s > self._arm.watchdog_s:
            return
        if self._gripper is not None and setpoint.gripper_width is not None:
            self._gripper.command(setpoint.gripper_width)
        if self._tracking is not None and self._watch is not None and not self._watch.fault:
            self._tracking.follow(setpoint, joint_position_rad)

    def halt(self, *, halted: bool) -> None:
        """Meanwhile a gripper begins no motion, and a Hand's move becomes no grasp."""
        if self._gripper is not None:
            self._gripper.halted = halted

    def clear_fault(self) -> None:
        """Recover from a reflex or a lost connection, and hold where the arm is.

        Raises:
            RigError: it cannot be cleared; says what a person has to do at the arm.
        """
        if self._watch is None:
            raise RigError(f"arm '{self._arm.name}': not connected")
        self._watch.stop()
        if self._watch.lost:
            self._open()
        fault = self._watch.fault
        try:
            self._recover()
            fault = ""
        finally:
            self._begin(fault)
        if self._gripper is not None:
            self._gripper.clear_fault()

    def close(self) -> None:
        """Ramp the torques down, end control, disconnect. The gripper keeps its grasp."""
        if self._watch is not None:
            self._watch.stop()
        if self._tracking is not None:
            self._tracking.end()
        if self._gripper is not None:
            self._gripper.close()
        self._tracking = self._fci = self._watch = None

    def _open(self) -> None:
        """A new connection, in place of the one that was lost."""
        franky = franka_fci.load_franky()
        franka_fci.check_model(self._arm, franka_fci.libfranka_version())
        self._tracking = self._fci = None
        self._fci = Fci(franky, self._arm)

    def _recover(self) -> None:
        if self._enable and self._fci is not None and not self._fci.in_control:
            self._fci.recover()

    def _begin(self, fault: str) -> None:
        """Hold, unless there is a fault or nothing may be enabled, and look at the arm from now on."""
        fci = self._fci
        assert fci is not None
        with fci.errors_named():
            if self._enable and not fci.in_control:
                self._tracking = None
                sample = fci.sample()
                fault = fault or sample.complaint
                if not fault:
                    fci.set_up()
                    self._tracking = self._track(fci, sample.joint_position_rad)
            look_s = min(max(self._servo_s, FASTEST_LOOK_S), SLOWEST_LOOK_S)
            controlled = self._tracking is not None
            self._watch = Watch(fci, look_s, controlled=controlled, fault=fault, on_look=self._on_look)

    def _track(self, fci: Fci, joints_rad: NDArray[np.float64]) -> Tracking:
        home_rad = np.array(self._arm.homing.joints_rad)
        return Tracking(fci, joints_rad, home_rad, self._servo_s, self._on_refusal)

    def _on_refusal(self, reason: str) -> None:
        if self._watch is not None:
            self._watch.latch(reason)

    def _on_look(self) -> None:
        if self._tracking is not None and self._watch is not None and not self._watch.fault:
            self._tracking.look()


def make(rig: RigConfig, task: TaskConfig, arm: ArmConfig) -> FrankaArm:
    """The driver of one arm of a rig.

    Raises:
        RigError: a gripper that needs a port and has none.
    """
    return FrankaArm(arm, _gripper(rig, arm))


def _gripper(rig: RigConfig, arm: ArmConfig) -> GripperDevice | None:
    if arm.gripper is None:
        return None
    if arm.gripper.kind == "franka_hand":
        return FrankaHand(arm.address or "", arm.gripper)
    if arm.gripper.port is None:
        raise RigError(
            f"rig {rig.name}: arm '{arm.name}': gripper.port: null; a Franka has no connector for a Robotiq: "
            "name the serial device of its RS-485 adapter, such as /dev/ttyUSB0"
        )
    return SerialRobotiq(arm.gripper.port, arm.gripper)
