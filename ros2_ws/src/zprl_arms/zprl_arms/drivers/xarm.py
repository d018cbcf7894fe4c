"""UFACTORY's arms (Lite 6, xArm 5, 6, 7 and 850) by the vendor's SDK, in servo mode.

Threads: the SDK's own read the report channel; one of the driver's hands setpoints to the SDK and looks up
error codes; one more, on a connection of its own, has the gripper. The bridge's calls touch what these leave.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_arms.driver import ArmReading
from zprl_arms.drivers import xarm_poses, xarm_sdk, xarm_setup
from zprl_arms.drivers.xarm_gripper import XArmGripperLink
from zprl_arms.drivers.xarm_pace import Pace
from zprl_arms.drivers.xarm_reports import Reported, Reports
from zprl_arms.drivers.xarm_stream import NewestFirst
from zprl_arms.drivers.xarm_watch import FaultLatch, ForeignMotion, state_problem
from zprl_core.config import ArmConfig, RigConfig, TaskConfig
from zprl_core.config.arm import XArmConfig
from zprl_core.errors import RigError
from zprl_core.rotation import Vector
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

_FIRST_REPORT_S = 3.0
_SLOW_COMMANDS_S = 2.0  # for everything but the stream
_STOPPED = 4


class _Command(NamedTuple):
    setpoint: Setpoint
    joints_rad: NDArray[np.float64] | None
    begun_s: float


class XArm:
    """`ArmDriver` for one control box.

    Args:
        arm: its configuration.
    """

    def __init__(self, arm: ArmConfig) -> None:
        self._arm = arm
        self.streams_joints = (arm.xarm or XArmConfig()).streaming == "joint"
        self._latch = FaultLatch()
        self._enabled, self._first, self._stop_pressed = False, True, False
        self._api: Any = None
        self._reports = Reports(arm.joints, arm.watchdog_s)
        self._reading: ArmReading | None = None
        self._gripper: XArmGripperLink | None = None
        self._sender: NewestFirst[_Command] | None = None

    def connect(self, *, enable: bool = True) -> None:
        """Connect, check, set up as the rig says, and hold; see `ArmDriver.connect`.

        Raises:
            RigError: the box is not there, is another model, reports an error, or refuses a setting.
        """
        try:
            self._open(enable)
        except BaseException:
            self._close(stop=False)
            raise

    def facts(self) -> Mapping[str, str]:
        """Model, serial numbers, firmware, SDK, setpoints that were overtaken by newer ones."""
        api = self._api
        return {
            "model": self._arm.model,
            "serial number": str(api.sn),
            "control box": str(api.control_box_sn),
            "firmware": ".".join(map(str, api.version_number)),
            "SDK": xarm_sdk.sdk_version(),
            "setpoints overtaken": str(self._sender.overtaken if self._sender else 0),
        }

    def read(self) -> ArmReading:
        """What the last report says, and whether anything is wrong."""
        report = self._reports.newest
        if report is None:
            raise RigError(f"{self._name}: read before connect")
        self._check_link()
        if self._reading is None or self._reading.stamp_ns != report.stamp_ns:
            pose = xarm_poses.pose_from_rpy(report.pose_mm_rpy)
            velocities, stamp_ns = self._reports.velocities_rad_s(), report.stamp_ns
            self._reading = ArmReading(report.joints_rad, velocities, pose, None, stamp_ns=stamp_ns)
        width = self._gripper.width_m if self._gripper else None
        return self._reading._replace(
            gripper_width_m=width, fault=self._latch.text, hardware_stop=self._stop_pressed
        )

    def stream(
        self,
        setpoint: Setpoint,
        joint_position_rad: NDArray[np.float64] | None = None,
        begun_s: float | None = None,
    ) -> None:
        """Hand a setpoint to the sending thread; nothing is sent while there is a fault."""
        if self._sender is None or self._latch.text:
            return
        if self._first and (problem := self._jump(setpoint)):
            self._complain(problem)
            return
        self._first = False
        begun_s = time.monotonic() if begun_s is None else begun_s
        self._sender.put(_Command(setpoint, joint_position_rad, begun_s))
        if self._gripper is not None and setpoint.gripper_width is not None:
            self._gripper.command(setpoint.gripper_width)

    def halt(self, *, halted: bool) -> None:
        """Nothing goes on by itself: its gripper is told widths in steps, as the arm is told poses."""

    def clear_fault(self) -> None:
        """Clear errors and warnings, and go back to servo mode from where the arm is; see `ArmDriver`.

        Raises:
            RigError: it cannot be cleared; says what a person has to do.
        """
        if not self._api.connected or self._reports.stale_s(time.time_ns()):
            self._close(stop=False)
            self.connect(enable=self._enabled)
            return
        if self._enabled:
            with self._slow_commands():
                xarm_setup.clear_errors(self._api, self._arm)
                if self._gripper is not None:
                    self._gripper.clear_fault()
                xarm_setup.enter_servo_mode(self._api, self._arm, self._reports)
        self._start_over()

    def close(self) -> None:
        """Stop the arm if it was enabled, and disconnect."""
        self._close(stop=self._enabled)

    @property
    def _name(self) -> str:
        return f"arm '{self._arm.name}' at {self._arm.address}"

    def _open(self, enable: bool) -> None:
        arm = self._arm
        self._enabled = enable
        self._api = xarm_sdk.open_api(str(arm.address), report_type="real")
        self._reports = Reports(arm.joints, arm.watchdog_s, self._reports.newest)
        xarm_setup.check_model(self._api, arm)
        xarm_setup.check_serial(self._api, arm)
        self._api.register_report_callback(self._on_report)
        self._await_report(time.time_ns())
        xarm_setup.check_idle(self._api, arm)
        if enable:
            xarm_setup.configure(self._api, arm)
        if arm.gripper is not None:  # where it changes the connector's baud rate, the box is set back too
            self._gripper = XArmGripperLink(str(arm.address), arm.gripper, enable=enable)
        if enable:
            xarm_setup.enter_servo_mode(self._api, arm, self._reports)
        self._await_report(time.time_ns())
        self._start_over()
        if enable:
            self._api.set_timeout(max(arm.watchdog_s, 2.0 / arm.servo_rate_hz))
            self._sender = NewestFirst(f"setpoints {arm.address}", self._send, self._explain)

    def _start_over(self) -> None:
        """From here on the arm is ours, where it is now."""
        report = self._newest()
        measured = self._measured()
        self._foreign = ForeignMotion(measured)
        self._pace = Pace(self._arm, measured, report.joints_rad)
        self._rotvec: Vector | None = None
        self._first, self._stop_pressed = True, False
        if self._sender is not None:
            self._sender.drop()
        self._latch.clear()

    def _close(self, *, stop: bool) -> None:
        if self._sender is not None:
            self._sender.close(self._arm.watchdog_s)
            self._sender = None
        if self._gripper is not None:
            self._gripper.close()
            self._gripper = None
        if self._api is not None:
            if stop and self._api.connected:
                self._api.set_state(_STOPPED)
            self._api.release_report_callback(self._on_report)
            self._api.disconnect()

    def _await_report(self, since_ns: int) -> None:
        while (time.time_ns() - since_ns) / 1e9 < _FIRST_REPORT_S:
            report = self._reports.newest
            if report is not None and report.stamp_ns > since_ns:
                return
            time.sleep(0.005)
        raise RigError(f"{self._name}: it sends no reports on port 30003: restart the control box")

    def _on_report(self, report: dict[str, Any]) -> None:
        """In the SDK's thread."""
        api = self._api
        if not all(map(math.isfinite, (*report["joints"], *report["cartesian"]))):
            self._complain("it reports joint angles or a pose that are not finite; restart the control box")
            return
        added = self._reports.add(
            time.time_ns(), report["joints"], report["cartesian"], api.mode, report["state"]
        )
        if self._sender is not None and not self._latch.text:
            self._check_report(added)

    def _check_report(self, report: Reported) -> None:
        problem = state_problem(report)
        if problem:
            self._complain(problem, final=False)
            if self._sender is not None:
                self._sender.nudge()
        elif self._foreign.due(report.stamp_ns):
            away = self._foreign.problem(xarm_poses.pose_from_rpy(report.pose_mm_rpy))
            if away:
                self._complain(away)

    def _check_link(self) -> None:
        if not self._api.connected:
            self._complain("the connection broke: is the control box switched on and its cable in?")
        elif age_s := self._reports.stale_s(time.time_ns()):
            self._complain(f"no report for {age_s:.2f} s, allowed {self._arm.watchdog_s:g} s")
        elif self._gripper is not None and self._gripper.fault:
            self._complain(self._gripper.fault)

    def _send(self, command: _Command) -> None:
        """In the sending thread."""
        if self._latch.text:
            return
        try:
            code = self._send_joints(command) if self.streams_joints else self._send_pose(command)
        except Exception as error:  # the SDK raises what it likes when its socket ends
            self._complain(f"the setpoint could not be sent: {error}")
            return
        if code:
            self._complain(f"a setpoint was refused: {xarm_sdk.result_text(code)}", final=code in (3, 8))
            self._explain()

    def _send_pose(self, command: _Command) -> int:
        sent = self._pace.pose(command.setpoint, time.monotonic())
        self._rotvec = xarm_poses.continuous_rotvec(sent.quaternion, self._rotvec)
        position = (sent.position * xarm_poses.MM).tolist()
        if self._late(command):
            return 0
        self._foreign.sent(time.time_ns(), sent.pose)
        return int(self._api.set_servo_cartesian_aa([*position, *self._rotvec]))

    def _send_joints(self, command: _Command) -> int:
        if command.joints_rad is None:
            raise ValueError("no joint angles came with it, and the rig says streaming: joint")
        sent = self._pace.joints(command.joints_rad, time.monotonic())
        caught_up = sent is command.joints_rad
        if self._late(command):
            return 0
        self._foreign.sent(time.time_ns(), command.setpoint.pose if caught_up else self._measured())
        return int(self._api.set_servo_angle_j(sent.tolist()))

    def _late(self, command: _Command) -> bool:
        """Looked at last of all: what is sent from here on cannot be held back when this process stands."""
        return time.monotonic() - command.begun_s > self._arm.watchdog_s

    def _explain(self) -> None:
        """In the sending thread: the error behind a complaint, if there is one."""
        with contextlib.suppress(Exception):
            code, (error, _) = self._api.get_err_warn_code()
            if code == 0 and error:
                self._stop_pressed |= error in xarm_sdk.HARDWARE_STOPS
                self._complain(xarm_sdk.error_text(error))

    def _complain(self, problem: str, *, final: bool = True) -> None:
        self._latch.set(f"{self._name}: {problem}", final=final)

    def _measured(self) -> Pose:
        return xarm_poses.pose_from_rpy(self._newest().pose_mm_rpy)

    def _newest(self) -> Reported:
        report = self._reports.newest
        if report is None:
            raise RigError(f"{self._name}: no report yet")
        return report

    def _jump(self, setpoint: Setpoint) -> str:
        """What is wrong with the first setpoint after a start; later ones are the bridge's to bound."""
        gap_m, turn_rad = self._measured().distance(setpoint.pose)
        limits = self._arm.limits
        if gap_m <= limits.jump_m and turn_rad <= limits.jump_rad:
            return ""
        return (
            f"the first setpoint is {gap_m:.3f} m and {turn_rad:.2f} rad from the arm, "
            f"allowed {limits.jump_m} m and {limits.jump_rad} rad"
        )

    @contextlib.contextmanager
    def _slow_commands(self) -> Any:
        """Commands in here may take longer than a setpoint may."""
        usual = self._api.set_timeout(_SLOW_COMMANDS_S)
        try:
            yield usual
        finally:
            self._api.set_timeout(max(self._arm.watchdog_s, 2.0 / self._arm.servo_rate_hz))


def make(rig: RigConfig, task: TaskConfig, arm: ArmConfig) -> XArm:
    """The driver of one arm of a rig."""
    return XArm(arm)
