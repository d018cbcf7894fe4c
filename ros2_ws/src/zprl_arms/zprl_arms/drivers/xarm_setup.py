"""What the controller is told when the bridge connects: tool, load, sensitivity, fence, servo mode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from zprl_arms.drivers import xarm_poses, xarm_sdk
from zprl_arms.drivers.xarm_reports import Reports
from zprl_arms.drivers.xarm_watch import SERVO_MODE, state_problem
from zprl_core.config import ArmConfig
from zprl_core.config.arm import XArmConfig
from zprl_core.errors import RigError
from zprl_core.transforms import Pose, quaternion_from_rotvec

MODELS = {
    "lite6": (6, 9),
    "xarm5": (5, 5),
    "xarm6": (6, 6),
    "xarm7": (7, 7),
    "xarm850": (6, 12),
}
"""Axes and the vendor's device type of each model."""
_XARM7_TYPES = (3, 7, 13)
_FENCE_MARGIN_MM = 20.0  # the controller's fence lies outside ours, so that ours acts first
_SPEED_MARGIN = 1.25  # its speed limits too
_MOST_MM_S, _MOST_RAD_S = 1000.0, math.pi
_NOT_READY = 9  # the SDK's code
_STOPPED = 4  # states from here on follow nothing
_READY_S = 2.0
_STEADY_S = 0.3  # settings may take effect a moment after they were accepted


def check_model(api: Any, arm: ArmConfig) -> None:
    """That the arm is the one that the rig names.

    Raises:
        RigError: it is another one.
    """
    axes, device = MODELS[arm.model]
    same = api.device_type == device or (arm.model == "xarm7" and api.device_type in _XARM7_TYPES)
    if api.axis == axes and same:
        return
    kinds = {numbers: name for name, numbers in MODELS.items()}
    found = kinds.get((api.axis, api.device_type), f"{api.axis} axes, device type {api.device_type}")
    raise RigError(
        f"arm '{arm.name}' at {arm.address}: it is {found}, the rig says model: {arm.model}. "
        "Correct the model or the address in the rig file"
    )


def check_serial(api: Any, arm: ArmConfig) -> None:
    """That the box or its arm has the serial number in the rig, if there is one in it.

    Raises:
        RigError: another one.
    """
    found = (str(api.sn), str(api.control_box_sn))
    if arm.serial is not None and arm.serial not in found:
        raise RigError(
            f"arm '{arm.name}' at {arm.address}: serial numbers {found[0]} (arm) and {found[1]} (box), "
            f"the rig says serial: {arm.serial}. Correct the serial number or the address in the rig file"
        )


def check_idle(api: Any, arm: ArmConfig) -> None:
    """That the controller has no error.

    Raises:
        RigError: it has one.
    """
    code, (error, _) = api.get_err_warn_code()
    _accept(arm, "reading its errors", code)
    if error:
        raise RigError(
            f"arm '{arm.name}' at {arm.address}: the controller reports {xarm_sdk.error_text(error)}. "
            "Look at the arm, clear the error in UFACTORY Studio, and start again"
        )


def clear_errors(api: Any, arm: ArmConfig) -> None:
    """Clear errors and warnings.

    Raises:
        RigError: the box does not answer or refuses.
    """
    code, _ = api.get_err_warn_code()
    _accept(arm, "reading its errors", code)
    _accept(arm, "clearing errors", api.clean_error())
    _accept(arm, "clearing warnings", api.clean_warn())


def configure(api: Any, arm: ArmConfig) -> None:
    """Power the motors; tell the controller its tool, how easily it takes a current for a collision, and its
    fence.

    Load, tool offset and sensitivity each take it back to mode 0 and state 5 (the vendor, xArm-Python-SDK
    issue 107), where the SDK takes no load: so they come before servo mode, and state 0 after each.

    Raises:
        RigError: it refuses something.
    """
    tool = arm.tool
    offset = Pose(np.zeros(3))
    if tool is not None:
        offset = Pose(np.array(tool.position_m), quaternion_from_rotvec(tool.rotvec_rad))
    mass_kg, com_m = (0.0, (0.0, 0.0, 0.0)) if tool is None else (tool.mass_kg, tool.com_m)
    hardware = arm.xarm or XArmConfig()
    ready = ("setting state 0", lambda: _made_ready(api, arm))
    steps: list[tuple[str, Callable[[], int]]] = [
        ("clearing warnings", api.clean_warn),
        ("powering the motors", lambda: api.motion_enable(True)),
        ("setting mode 0", lambda: api.set_mode(0)),
        ready,
        ("setting the load", lambda: _taken(api.set_tcp_load(mass_kg, [value * 1000.0 for value in com_m]))),
        ready,
        (
            "setting the tool's offset",
            lambda: api.set_tcp_offset(xarm_poses.rpy_from_pose(offset), wait=False),
        ),
        ready,
        (
            f"setting the collision sensitivity {hardware.collision_sensitivity}",
            lambda: api.set_collision_sensitivity(hardware.collision_sensitivity),
        ),
        *_reduced_mode(api, arm, on=hardware.reduced_mode),
    ]
    for what, step in steps:
        _accept(arm, what, step())


def enter_servo_mode(api: Any, arm: ArmConfig, reports: Reports) -> None:
    """Servo mode, ready, holding where the arm is, and still so after `_STEADY_S`.

    By way of mode 0: in servo mode, state 0 alone would follow a setpoint that came while the box was paused
    (the vendor, xArm-Python-SDK issue 80).

    Raises:
        RigError: it does not get ready; says why.
    """
    for what, step in (
        ("powering the motors", lambda: api.motion_enable(True)),
        ("setting mode 0", lambda: api.set_mode(0)),
        ("setting mode 1 (servo)", lambda: api.set_mode(SERVO_MODE)),
        ("setting state 0 (ready)", lambda: api.set_state(0)),
    ):
        _accept(arm, what, step())
    asked_ns, problem = time.time_ns(), "no report came"
    ready_ns: int | None = None
    while (time.time_ns() - asked_ns) / 1e9 < _READY_S:
        report = reports.newest
        if report is not None and report.stamp_ns > asked_ns:
            problem = state_problem(report)
            if problem:
                ready_ns = None
            elif ready_ns is None:
                ready_ns = report.stamp_ns
            elif report.stamp_ns - ready_ns >= _STEADY_S * 1e9:
                return
        time.sleep(0.01)
    raise _not_ready(api, arm, problem)


def _reduced_mode(api: Any, arm: ArmConfig, *, on: bool) -> list[tuple[str, Callable[[], int]]]:
    """The box keeps it until it is restarted: where the rig wants none, an older run's is switched off."""
    if not on:
        return [
            ("switching the fence off", lambda: _first(api.set_fence_mode(False))),
            ("switching reduced mode off", lambda: api.set_reduced_mode(False)),
        ]
    space, limits = arm.workspace, arm.limits
    fence = []
    for low, high in zip(space.min_m, space.max_m, strict=True):
        fence += [high * xarm_poses.MM + _FENCE_MARGIN_MM, low * xarm_poses.MM - _FENCE_MARGIN_MM]
    speed_mm_s = min(limits.linear_velocity_m_s * xarm_poses.MM * _SPEED_MARGIN, _MOST_MM_S)
    joint_rad_s = min(limits.joint_velocity_rad_s * _SPEED_MARGIN, _MOST_RAD_S)
    return [
        ("setting the tool's largest speed", lambda: api.set_reduced_max_tcp_speed(speed_mm_s)),
        ("setting the joints' largest speed", lambda: api.set_reduced_max_joint_speed(joint_rad_s)),
        ("setting the fence", lambda: api.set_reduced_tcp_boundary(fence)),
        ("switching the fence on", lambda: _first(api.set_fence_mode(True))),
        ("switching reduced mode on", lambda: api.set_reduced_mode(True)),
    ]


def _first(result: Any) -> int:
    """`set_fence_mode` gives the raw answer, whose first number is the code."""
    return int(result[0]) if isinstance(result, list) else int(result)


def _made_ready(api: Any, arm: ArmConfig) -> int:
    """State 0, and wait until it holds: a setting takes effect a moment after it was answered."""
    end_s = time.monotonic() + _READY_S
    while True:
        code = int(api.set_state(0))
        answer, state = api.get_state()
        if code not in (0, 2) or (answer == 0 and state < _STOPPED):
            return code
        if time.monotonic() > end_s:
            raise _not_ready(api, arm, f"state {state}")
        time.sleep(0.05)


def _not_ready(api: Any, arm: ArmConfig, problem: str) -> RigError:
    _, (error, _) = api.get_err_warn_code()
    reason = xarm_sdk.error_text(error) if error else problem
    return RigError(
        f"arm '{arm.name}' at {arm.address}: not ready to be streamed to: {reason}. Look at the arm: "
        "release its emergency stop, free it, or restart the control box"
    )


def _taken(code: int) -> int:
    """Of a setting that the SDK takes for a motion: that the box is not ready any more is what it led to."""
    return 0 if code == _NOT_READY else code


def _accept(arm: ArmConfig, what: str, code: int) -> None:
    if code not in (0, 2):
        raise RigError(f"arm '{arm.name}' at {arm.address}: {what}: {xarm_sdk.result_text(code)}")
