"""One connection to a Franka controller through franky and libfranka. Nobody else knows franky.

libfranka runs the 1 kHz control loop in a thread of its own, outside Python: it takes the newest target, and
nobody has to tick it. Opening a connection gives the thread that does it the highest real-time priority where
the system permits that, and the control loop inherits the priority of the thread that starts it; both are
therefore done in threads made for it, and Python's stay as they were.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from zprl_arms.drivers.franka_tool import flange_to_tcp, missing_load, nominal_to_tcp
from zprl_core.config import ArmConfig, FrankaConfig
from zprl_core.errors import RigError, UnreachableError
from zprl_core.trajectory import Setpoint
from zprl_core.transforms import Pose

T = TypeVar("T")
FER_ONLY_BELOW = (0, 10)
"""libfranka spoke to the Panda (FER) before this version, and to the FR3 since."""
SET_UP_S = 1.0  # in which a new end effector must show in the measured pose
SAME_M, SAME_RAD = 0.003, 0.01
RECOVERY_S = 5.0  # an arm that recovers from a reflex is given this long
MAX_DELTA_TAU_NM = (
    0.95  # per control cycle; the controller stops at 1, and well below that stiff tracking oscillates
)
ELBOW_STIFFNESS_NM_RAD = 30.0  # keeps the posture, in the directions that do not move the tool
ELBOW_TORQUE_NM = 5.0  # the most it pulls: the damping that goes with the stiffness leaves 0.5 rad/s
JOINT_STIFFNESS_SHARES = np.array([1.0, 1.0, 1.0, 1.0, 0.4, 0.25, 0.1])
"""Of the stiffness on the way home, joint by joint: as small as what each has to carry and to accelerate."""
USER_STOPPED = "UserStopped"
MODES = {
    "Other": "its brakes are locked or FCI is off: unlock the joints and activate FCI in Desk",
    "Guiding": "it is guided by hand: let go of the guiding buttons, and set Desk to execution",
    USER_STOPPED: "it was stopped by its user stop or enabling device: release that",
    "AutomaticErrorRecovery": "it is recovering from an error",
}
"""What a robot mode other than idle and moving means for whoever stands there."""


class Sample(NamedTuple):
    """What the arm measured.

    Attributes:
        stamp_ns: when, ns of the system clock, late by at most a control cycle.
        robot_ms: the same in the controller's time.
        joint_position_rad, joint_velocity_rad_s: float64 (7,).
        pose_base_tcp: tool centre point in the base frame.
        wrench_base: force (N) and torque (Nm) on the tool, at its centre point, in the base frame, float64
            (6,).
        mode: robot mode as libfranka names it.
        errors: what stops the arm, as libfranka names it; empty while nothing does.
    """

    stamp_ns: int
    robot_ms: int
    joint_position_rad: NDArray[np.float64]
    joint_velocity_rad_s: NDArray[np.float64]
    pose_base_tcp: Pose
    wrench_base: NDArray[np.float64]
    mode: str
    errors: str

    @property
    def complaint(self) -> str:
        """Why the arm does not follow; empty while nothing keeps it from that."""
        if self.mode == "Reflex" or self.errors:
            return f"reflex: {self.errors or 'the controller gives no reason'}"
        return MODES.get(self.mode, "")


def load_franky() -> Any:
    """The module franky.

    Raises:
        RigError: it is not installed.
    """
    try:
        return importlib.import_module("franky")
    except ImportError as error:
        raise RigError(
            f"driver franka: franky-control cannot be imported ({error}); it is in the extra 'real': "
            "pip install -e '.[real]'"
        ) from error


def libfranka_version() -> str:
    """Version of the libfranka that the installed franky-control brings; empty where that cannot be told."""
    try:
        files = importlib.metadata.files("franky-control") or []
    except importlib.metadata.PackageNotFoundError:
        return ""
    found = [re.search(r"libfranka-[^/]*\.so\.([\d.]+)$", str(file)) for file in files]
    return next((match.group(1) for match in found if match), "")


def check_model(arm: ArmConfig, version: str) -> None:
    """Whether a libfranka of this version speaks to the rig's arm; an unknown version has to be tried.

    Raises:
        RigError: it does not; says which wheel does.
    """
    if not version:
        return
    for_fer = tuple(int(part) for part in version.split(".")[:2]) < FER_ONLY_BELOW
    if for_fer != (arm.model == "fer"):
        wheel = "libfranka 0.9.2" if arm.model == "fer" else "the newest libfranka"
        raise RigError(
            f"arm '{arm.name}': model {arm.model}: the installed franky-control brings libfranka {version}, "
            f"which speaks to the {'FER (Panda)' if for_fer else 'FR3'} only. Install its wheel for {wheel}: "
            "franky's installation guide says from where; PyPI has the one for the FR3 only"
        )


class Fci:
    """A connection to the controller of one arm.

    Args:
        franky: the module.
        arm: which arm, and how it is set up.

    Raises:
        RigError: it is not there, or it speaks another version.
    """

    def __init__(self, franky: Any, arm: ArmConfig) -> None:
        self._franky, self._arm = franky, arm
        self._config = arm.franka or FrankaConfig()
        self._robot = _in_realtime_thread(self._open)
        urdf = getattr(self._robot, "model_urdf", None)  # libfranka before 0.15 has none
        self._model = None if urdf is None else ElementTree.fromstring(urdf)
        ee_to_tcp = self._pose(self._robot.state.F_T_EE).inverse().compose(flange_to_tcp(arm.tool))
        self._ee_to_tcp: Pose | None = ee_to_tcp  # None: set up, they are one

    @property
    def in_control(self) -> bool:
        """Whether the 1 kHz loop runs."""
        return bool(self._robot.is_in_control)

    @property
    def robot_name(self) -> str:
        """What the controller calls its arm."""
        return "" if self._model is None else self._model.get("name", "")

    @contextlib.contextmanager
    def errors_named(self) -> Iterator[None]:
        """What franky raises within becomes a RigError that names the arm."""
        try:
            yield
        except self._franky.Exception as error:
            raise RigError(f"arm '{self._arm.name}' at {self._arm.address}: {one_line(error)}") from error

    def sample(self) -> Sample:
        """The newest state: from the control loop while that runs, else the next one to arrive (1 ms; 1 s
        where none does).

        Raises:
            franky.Exception: the connection is lost.
        """
        state = self._robot.state
        stamp_ns = time.time_ns()
        pose = self._pose(state.O_T_EE)
        wrench = -np.asarray(state.O_F_ext_hat_K)  # theirs is what the arm exerts
        if self._ee_to_tcp is not None:
            ee, pose = pose, pose.compose(self._ee_to_tcp)
            wrench[3:] += np.cross(ee.position - pose.position, wrench[:3])
        mode = state.robot_mode.name
        errors = _names(state.current_errors)
        if mode == "Reflex":
            errors = errors or _names(state.last_motion_errors)
        return Sample(
            stamp_ns,
            round(state.time.to_sec() * 1e3),
            np.asarray(state.q),
            np.asarray(state.dq),
            pose,
            wrench,
            mode,
            errors,
        )

    def set_up(self) -> None:
        """Tell the controller tool, load and collision thresholds, as the rig says. The arm is idle.

        Raises:
            RigError: the load contradicts Desk, or the tool does not show.
            franky.Exception: it refuses.
        """
        robot, state, arm = self._robot, self._robot.state, self._arm
        load = missing_load(arm.name, arm.tool, state.m_ee, np.asarray(state.F_x_Cee))
        tcp = nominal_to_tcp(self._pose(state.F_T_NE), arm.tool)
        robot.set_collision_behavior(self._config.collision_torque_nm, self._config.collision_force_n)
        robot.set_ee(tcp.matrix().ravel(order="F"))
        robot.set_load(load.mass_kg, load.com_m, load.inertia_kg_m2)
        flange = self._pose(state.O_T_EE).compose(self._pose(state.F_T_EE).inverse())
        self._await_pose(flange.compose(flange_to_tcp(arm.tool)))
        self._ee_to_tcp = None

    def _await_pose(self, expected: Pose) -> None:
        """The controller takes some cycles to measure the new end effector; a target taken from before would
        make the arm jump by the length of the tool.
        """
        end = time.monotonic() + SET_UP_S
        while True:
            off_m, off_rad = self._pose(self._robot.state.O_T_EE).distance(expected)
            if off_m < SAME_M and off_rad < SAME_RAD:
                return
            if time.monotonic() > end:
                raise RigError(
                    f"arm '{self._arm.name}' at {self._arm.address}: measures its tool centre point "
                    f"{off_m:.3f} m and {off_rad:.3f} rad from where tool puts it, {SET_UP_S:g} s after it "
                    "was told. Is it moving?"
                )

    def target(self, setpoint: Setpoint, twist: NDArray[np.float64]) -> tuple[Any, Any]:
        """For franky's tracker: a setpoint and its velocity, float64 (6,), m/s and rad/s, base frame."""
        pose = self._franky.Affine(setpoint.position, np.roll(setpoint.quaternion, -1))
        return pose, self._franky.Twist(twist[:3], twist[3:])

    def track(self, posture_rad: NDArray[np.float64]) -> Any:
        """Start the Cartesian impedance, or replace the one that runs, holding the present pose.

        Args:
            posture_rad: joint angles, float64 (7,), to which the elbow is drawn.

        Returns:
            franky's tracker: `set_target`, `stop`.

        Raises:
            franky.Exception: the controller does not let us.
        """
        if self.in_control:
            return self._track(posture_rad)
        return _in_realtime_thread(lambda: self._track(posture_rad))

    def track_joints(self) -> Any:
        """Replace the impedance that runs by one of the joints, holding the present angles.

        Returns:
            franky's tracker: `set_target`, `stop`.

        Raises:
            franky.Exception: the controller does not let us.
        """
        return self._franky.JointImpedanceTracker(
            self._robot,
            stiffness=self._config.homing_stiffness * JOINT_STIFFNESS_SHARES,
            max_delta_tau=MAX_DELTA_TAU_NM,
            **self._joint_limits(),
        )

    def stop(self, tracker: Any) -> None:
        """Ramp the torques down and end control. An arm whose control ended otherwise has stopped already."""
        try:
            tracker.stop()
        except self._franky.Exception:
            return

    def end_of_control(self) -> str:
        """Why the control loop ended."""
        try:
            self._robot.join_motion(timeout=0.0)
        except self._franky.Exception as error:
            return one_line(error)
        return "the control loop ended"

    def recover(self) -> None:
        """Clear a reflex, and wait until the arm is idle.

        Raises:
            RigError: it does not become idle; says what a person has to do.
        """
        where = f"arm '{self._arm.name}' at {self._arm.address}"
        try:
            self._robot.recover_from_errors()
        except self._franky.Exception as error:
            hint = self.sample().complaint
            raise RigError(f"{where}: does not recover: {one_line(error)}{hint and f'; {hint}'}") from error
        end = time.monotonic() + RECOVERY_S
        while (sample := self.sample()).mode != "Idle" or sample.errors:
            if time.monotonic() > end:
                raise RigError(
                    f"{where}: not ready after {RECOVERY_S:g} s: {sample.complaint or sample.mode}"
                )
            time.sleep(0.01)

    def _open(self) -> Any:
        franky, arm, config = self._franky, self._arm, self._config
        realtime = (
            franky.RealtimeConfig.Enforce if config.realtime == "enforce" else franky.RealtimeConfig.Ignore
        )
        try:
            return franky.Robot(
                arm.address,
                default_torque_threshold=config.collision_torque_nm,
                default_force_threshold=config.collision_force_n,
                realtime_config=realtime,
            )
        except franky.RealtimeException as error:
            raise RigError(
                f"arm '{arm.name}': franka.realtime: enforce: {one_line(error)} Boot a PREEMPT_RT kernel and "
                "permit rtprio, or set ignore"
            ) from error
        except franky.IncompatibleVersionException as error:
            raise RigError(
                f"arm '{arm.name}' at {arm.address}: {one_line(error)}; the controller needs another "
                f"libfranka than {libfranka_version() or 'this'}: franky's installation guide has wheels"
            ) from error
        except franky.CommandException as error:
            raise RigError(
                f"arm '{arm.name}' at {arm.address}: the controller refuses to be set up: {one_line(error)} "
                "Release the user stop, and in Desk unlock the joints and recover from its error"
            ) from error
        except franky.Exception as error:
            raise UnreachableError(
                f"arm '{arm.name}': no Franka controller at {arm.address}: {one_line(error)} Check address "
                "and cable, and in Desk that joints are unlocked, FCI is active and no other client has it"
            ) from error

    def _track(self, posture_rad: NDArray[np.float64]) -> Any:
        return self._franky.CartesianImpedanceTracker(
            self._robot,
            translational_stiffness=self._config.translational_stiffness,
            rotational_stiffness=self._config.rotational_stiffness,
            translational_error_clip=np.full(3, self._config.translational_clip_m),
            rotational_error_clip=np.full(3, self._config.rotational_clip_rad),
            posture_task=self._franky.PostureTask(posture_rad, ELBOW_STIFFNESS_NM_RAD, None, ELBOW_TORQUE_NM),
            max_delta_tau=MAX_DELTA_TAU_NM,
            **self._joint_limits(),
        )

    def _joint_limits(self) -> dict[str, NDArray[np.float64]]:
        """What keeps the elbow from the joints' ends, rad, where the controller tells them."""
        if self._model is None:
            return {}
        limits = [
            joint.find("limit") for joint in self._model.iter("joint") if joint.get("type") == "revolute"
        ]
        ends = [
            (float(each.get("lower", "")), float(each.get("upper", "")))
            for each in limits
            if each is not None
        ]
        low, high = np.array(ends[: self._arm.joints]).T
        return {"lower_joint_limits": low, "upper_joint_limits": high}

    def _pose(self, affine: Any) -> Pose:
        return Pose(affine.translation, np.roll(affine.quaternion, 1))


def one_line(error: Exception) -> str:
    """What an exception says, without line breaks."""
    return " ".join(str(error).split())


def _names(errors: Any) -> str:
    return ", ".join(re.findall(r"\w+", str(errors)))


def _in_realtime_thread(function: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1, "fci", initializer=_highest_priority) as pool:
        return pool.submit(function).result()


def _highest_priority() -> None:
    """As libfranka would for itself: without the right to it, everything runs with normal priority."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_max(os.SCHED_FIFO)))
    except PermissionError:
        return
