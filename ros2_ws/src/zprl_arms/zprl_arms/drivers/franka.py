"""A Franka arm at its controller: Cartesian impedance towards the newest setpoint, by way of FCI.

What happens when something ends: a setpoint that does not come leaves the arm at the last one; `close` ramps
the torques down and ends control; a process that dies is noticed by the controller, which stops the arm by
itself.

The seventh joint: setpoints leave the elbow free. It stays where it is when control begins, and from the
first motion on it is drawn to where it is at home (`homing.joints_rad`), without moving the tool.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zprl_arms.driver import ArmReading
from zprl_arms.drivers import franka_fci
from zprl_arms.drivers.franka_fci import Fci, one_line
from zprl_arms.drivers.franka_watch import Watch
from zprl_arms.grippers.franka_hand import FrankaHand
from zprl_arms.grippers.serial_robotiq import SerialRobotiq
from zprl_arms.grippers.worker import GripperDevice, GripperWorker
from zprl_core.config import ArmConfig, RigConfig, TaskConfig
from zprl_core.errors import RigError
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import quaternion_conjugate, quaternion_multiply, rotvec_from_quaternion

FASTEST_LOOK_S = 0.002  # between two looks at the state
SLOWEST_LOOK_S = 0.01
COAST_PERIODS = 3  # a setpoint's velocity is good for this many servo periods


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
        self._tracker: Any = None
        self._targets = threading.Lock()
        self._last: Setpoint | None = None
        self._last_s, self._moving, self._homeward = 0.0, False, False

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
        )

    def stream(self, setpoint: Setpoint, joint_position_rad: NDArray[np.float64] | None = None) -> None:
        """Give the control loop a new target and the velocity that leads to it; during a fault, nothing."""
        if self._gripper is not None and setpoint.gripper_width is not None:
            self._gripper.command(setpoint.gripper_width)
        with self._targets:
            now_s = time.monotonic()
            twist = self._twist(setpoint, now_s)
            self._last, self._last_s, self._moving = setpoint, now_s, bool(twist.any())
            self._set_target(setpoint, twist)

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
        if self._gripper is not None:
            self._gripper.close()
        if self._tracker is not None and self._fci is not None and self._fci.in_control:
            self._fci.stop(self._tracker)
        self._tracker = self._fci = self._watch = None

    def _open(self) -> None:
        """A new connection, in place of the one that was lost."""
        franky = franka_fci.load_franky()
        franka_fci.check_model(self._arm, franka_fci.libfranka_version())
        self._tracker = self._fci = self._last = None
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
                self._tracker, self._last, self._homeward = None, None, False
                sample = fci.sample()
                fault = fault or sample.complaint
                if not fault:
                    fci.set_up()
                    self._tracker = fci.track(sample.joint_position_rad)
            look_s = min(max(self._servo_s, FASTEST_LOOK_S), SLOWEST_LOOK_S)
            controlled = self._tracker is not None
            self._watch = Watch(fci, look_s, controlled=controlled, fault=fault, on_look=self._on_look)

    def _on_look(self) -> None:
        self._draw_elbow_home()
        with self._targets:
            late = time.monotonic() - self._last_s > COAST_PERIODS * self._servo_s
            if self._moving and late and self._last is not None:  # nobody streams: its velocity is not true
                self._moving = False
                self._set_target(self._last, np.zeros(6))

    def _draw_elbow_home(self) -> None:
        """Once the arm is told to move."""
        if self._homeward or not self._moving or self._fci is None or not self._fci.in_control:
            return
        self._homeward = True
        tracker = self._fci.track(np.array(self._arm.homing.joints_rad))
        with self._targets:
            self._tracker = tracker
            if self._last is not None:
                self._set_target(self._last, np.zeros(6))

    def _twist(self, setpoint: Setpoint, now_s: float) -> NDArray[np.float64]:
        """Velocity between the last two setpoints in the base frame, m/s and rad/s, float64 (6,). They are
        whole servo periods apart, however late they came.
        """
        before, periods = self._last, max(1, round((now_s - self._last_s) / self._servo_s))
        if before is None or periods > COAST_PERIODS:
            return np.zeros(6)
        turn = quaternion_multiply(setpoint.quaternion, quaternion_conjugate(before.quaternion))
        step = np.concatenate((setpoint.position - before.position, rotvec_from_quaternion(turn)))
        return np.asarray(step / (periods * self._servo_s))

    def _set_target(self, setpoint: Setpoint, twist: NDArray[np.float64]) -> None:
        if self._tracker is None or self._fci is None or self._watch is None or self._watch.fault:
            return
        try:
            self._tracker.set_target(*self._fci.target(setpoint, twist))
        except Exception as error:  # nothing may escape into the servo loop
            self._watch.latch(f"refuses a setpoint: {one_line(error)}")


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
