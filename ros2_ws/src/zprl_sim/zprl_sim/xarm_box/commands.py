# SPDX-License-Identifier: Apache-2.0
"""Functions of the command channel: payloads in, calls of the controller, payloads out."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from zprl_core.errors import DataError
from zprl_sim.xarm_box import wire
from zprl_sim.xarm_box.controller import Controller
from zprl_sim.xarm_box.limits import Error
from zprl_sim.xarm_box.protocol import Flag, Function, Request, floats, pack_floats, padded
from zprl_sim.xarm_box.tool import HOST

_VERSION_SIZE = 40


class Answer(NamedTuple):
    """What to reply.

    Attributes:
        flags, payload: of the reply.
        after_s: how long it takes.
    """

    flags: Flag
    payload: bytes = b""
    after_s: float = 0.0


Handler = Callable[[bytes, int], Answer]
Reader = Callable[[bytes], object]


_SETS_BACK = ("load", "collision_sensitivity")
"""Settings that take the controller back to mode 0 and state 5, see the package's assumptions."""


class Commands:
    """Answers commands of all clients; every handler gets the payload and the time.

    Args:
        controller: whose commands they are.
    """

    def __init__(self, controller: Controller) -> None:
        self._box = controller
        self._handlers: dict[int, Handler] = {
            Function.VERSION: self._version,
            Function.SERIAL_NUMBER: self._serial_number,
            Function.MOTION_ENABLE: self._enable,
            Function.SET_STATE: self._set_state,
            Function.GET_STATE: self._get_state,
            Function.GET_ERROR: self._get_error,
            Function.CLEAN_ERROR: self._clean_error,
            Function.CLEAN_WARNING: self._clean_warning,
            Function.SET_MODE: self._set_mode,
            Function.SERVO_JOINTS: self._servo_joints,
            Function.SERVO_POSE: self._servo_pose,
            Function.SERVO_POSE_AA: self._servo_pose_aa,
            Function.SET_TCP_OFFSET: self._set_tcp_offset,
            Function.GET_POSE: self._get_pose,
            Function.GET_POSE_AA: self._get_pose_aa,
            Function.GET_JOINTS: self._get_joints,
            Function.GET_IK: self._inverse,
            Function.GET_FK: self._forward,
            Function.GET_REDUCED_MODE: self._get_reduced_mode,
            Function.GET_REDUCED_STATE: self._get_reduced,
            Function.TOOL_MODBUS: self._tool_modbus,
            Function.TOOL_READ: self._tool_read,
            Function.TOOL_WRITE: self._tool_write,
            **self._setters(),
            **self._constants(),
        }

    def answer(self, request: Request, now_ns: int) -> Answer:
        """The answer to a command; an unknown function and a payload that is too short are invalid."""
        handler = self._handlers.get(request.function)
        if handler is None:
            return Answer(self._box.flags | Flag.INVALID)
        try:
            return handler(request.payload, now_ns)
        except (struct.error, IndexError, DataError):  # assumption: also for what is not finite
            return Answer(self._box.flags | Flag.INVALID)

    def _ok(self, payload: bytes = b"") -> Answer:
        return Answer(self._box.flags, payload)

    def _constants(self) -> dict[int, Handler]:
        """Questions with one answer, and commands whose effect nothing here can show."""
        replies = {
            Function.CHECK_VERIFY: b"\0",
            Function.GET_REPORT_CURRENT: b"\0",
            Function.SYSTEM_CONTROL: b"",
            Function.COMMAND_COUNT: b"\0\0",
            Function.SET_BRAKE: b"",
            Function.CLEAN_CONFIG: b"",
            Function.SAVE_CONFIG: b"",
            Function.GET_TORQUES: bytes(28),
            Function.SET_WORLD_OFFSET: b"",
            Function.SET_SELF_COLLISION_CHECK: b"",
            Function.SERVO_MESSAGES: bytes(16),
            Function.TOOL_MODBUS_TIMEOUT: b"",
            Function.TOOL_ERROR: b"\0\0",
        }
        return {function: partial(self._fixed, payload) for function, payload in replies.items()}

    def _setters(self) -> dict[int, Handler]:
        """Settings that are kept as they come: function -> where, name, how to read it."""
        settings, reduced = self._box.settings, self._box.settings.reduced
        kept: dict[int, tuple[object, str, Reader]] = {
            Function.SET_LOAD: (settings, "load", lambda data: floats(data, 4)),
            Function.SET_GRAVITY: (settings, "gravity", lambda data: floats(data, 3)),
            Function.SET_COLLISION_SENSITIVITY: (settings, "collision_sensitivity", lambda data: data[0]),
            Function.SET_TEACH_SENSITIVITY: (settings, "teach_sensitivity", lambda data: data[0]),
            Function.SET_REDUCED_MODE: (reduced, "on", lambda data: bool(data[0])),
            Function.SET_REDUCED_TCP_SPEED: (reduced, "tcp_speed_mm_s", lambda data: floats(data, 1)[0]),
            Function.SET_REDUCED_JOINT_SPEED: (reduced, "joint_speed_rad_s", lambda data: floats(data, 1)[0]),
            Function.SET_REDUCED_JOINT_RANGE: (reduced, "joint_range_rad", lambda data: floats(data, 14)),
            Function.SET_FENCE: (reduced, "fence_on", lambda data: bool(data[0])),
            Function.SET_FENCE_BOX: (reduced, "box_mm", lambda data: list(struct.unpack_from("<6i", data))),
            Function.SET_COLLISION_REBOUND: (reduced, "rebound", lambda data: bool(data[0])),
        }

        handlers: dict[int, Handler] = {
            function: partial(self._keep, *entry) for function, entry in kept.items()
        }
        return handlers

    def _keep(
        self, where: object, name: str, read: Callable[[bytes], object], payload: bytes, _: int
    ) -> Answer:
        if name == "load" and self._box.flags & Flag.NOT_READY:
            return self._ok()
        setattr(where, name, read(payload))
        if name in _SETS_BACK:
            self._box.configured()
        return self._ok()

    def _fixed(self, content: bytes, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(content)

    def _get_reduced_mode(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(bytes([self._box.settings.reduced.on]))

    def _version(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(self._box.model.version.encode().ljust(_VERSION_SIZE, b"\0") + b"\0")

    def _serial_number(self, _payload: bytes, _now_ns: int) -> Answer:
        model = self._box.model
        numbers = f"{model.arm_serial}\0{model.box_serial}\0".encode()
        return self._ok(numbers.ljust(_VERSION_SIZE, b"\0"))

    def _enable(self, payload: bytes, _now_ns: int) -> Answer:
        self._box.enable(payload[0], bool(payload[1]))
        return self._ok()

    def _set_state(self, payload: bytes, _now_ns: int) -> Answer:
        self._box.set_state(payload[0])
        return self._ok()

    def _get_state(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(bytes([self._box.state]))

    def _get_error(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(bytes([self._box.error, self._box.warning]))

    def _clean_error(self, _payload: bytes, _now_ns: int) -> Answer:
        self._box.clear_error()
        return self._ok()

    def _clean_warning(self, _payload: bytes, _now_ns: int) -> Answer:
        self._box.warning = 0
        return self._ok()

    def _set_mode(self, payload: bytes, _now_ns: int) -> Answer:
        self._box.set_mode(payload[0])
        return self._ok()

    def _servo_joints(self, payload: bytes, now_ns: int) -> Answer:
        joints = _finite(floats(payload, 7))
        return Answer(self._box.servo_joints(joints, now_ns))

    def _servo_pose(self, payload: bytes, now_ns: int) -> Answer:
        pose = wire.pose_from_rpy(_finite(floats(payload, 6)))
        return Answer(self._box.servo_pose(pose, now_ns))

    def _servo_pose_aa(self, payload: bytes, now_ns: int) -> Answer:
        """Absolute poses in the base frame only: the tool's frame and relative moves are invalid."""
        pose = wire.pose_from_aa(_finite(floats(payload, 6)))
        tool_frame, relative = struct.unpack_from("<iB", payload, 32)
        if tool_frame or relative:
            return Answer(self._box.flags | Flag.INVALID)
        return Answer(self._box.servo_pose(pose, now_ns))

    def _set_tcp_offset(self, payload: bytes, _now_ns: int) -> Answer:
        self._box.set_tcp_offset(_finite(floats(payload, 6)))
        return self._ok()

    def _get_pose(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(pack_floats(wire.rpy_from_pose(self._box.tcp)))

    def _get_pose_aa(self, _payload: bytes, _now_ns: int) -> Answer:
        return self._ok(pack_floats(wire.aa_from_pose(self._box.tcp)))

    def _get_joints(self, payload: bytes, _now_ns: int) -> Answer:
        """Angles; with a count in the payload also velocities and torques."""
        measured = self._box.now.measured
        columns = (measured.joints_rad, measured.joint_velocities_rad_s, ())
        count = min(payload[0] & 0x0F, 3) if payload else 1
        return self._ok(b"".join(pack_floats(padded(values)) for values in columns[:count]))

    def _inverse(self, payload: bytes, _now_ns: int) -> Answer:
        box = self._box
        flange = wire.pose_from_rpy(_finite(floats(payload, 6))).compose(box.offset.inverse())
        joints, error = box.chain.inverse(flange, box.now.measured.joints_rad)
        flags = box.flags if error < 1e-3 else box.flags | Flag.INVALID
        return Answer(flags, pack_floats(padded(joints)))

    def _forward(self, payload: bytes, _now_ns: int) -> Answer:
        box = self._box
        joints = box.now.measured.joints_rad.copy()
        joints[:] = _finite(floats(payload, 7))[: box.model.joints]
        return self._ok(pack_floats(wire.rpy_from_pose(box.chain.forward(joints).compose(box.offset))))

    def _get_reduced(self, _payload: bytes, _now_ns: int) -> Answer:
        reduced = self._box.settings.reduced
        payload = struct.pack(">B6h", reduced.on, *reduced.box_mm)
        payload += pack_floats((reduced.tcp_speed_mm_s, reduced.joint_speed_rad_s, *reduced.joint_range_rad))
        return self._ok(payload + bytes([reduced.fence_on, reduced.rebound]))

    def _tool_modbus(self, payload: bytes, _now_ns: int) -> Answer:
        tool, frame = self._box.tool, payload[1:]
        said = tool.transact(frame) if payload[0] == HOST else None
        if said is None:  # assumption
            self._box.fail(Error.TOOL_COMMUNICATION)
            return Answer(self._box.flags, payload[:1], tool.transaction_s(len(frame)))
        return Answer(self._box.flags, payload[:1] + said, tool.transaction_s(len(frame) + len(said)))

    def _tool_read(self, payload: bytes, _now_ns: int) -> Answer:
        value = self._box.tool.read_register(int.from_bytes(payload[1:3], "big"))
        return self._ok(struct.pack(">i", value))

    def _tool_write(self, payload: bytes, _now_ns: int) -> Answer:
        self._box.tool.write_register(int.from_bytes(payload[1:3], "big"), floats(payload[3:], 1)[0])
        return self._ok()


def _finite(numbers: list[float]) -> list[float]:
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{numbers}: every number must be finite")
    return numbers
