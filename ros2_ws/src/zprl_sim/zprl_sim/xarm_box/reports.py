# SPDX-License-Identifier: Apache-2.0
"""Report frames of the four report ports. Sizes and places are those that the SDK 1.18 reads."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from zprl_sim.xarm_box import wire
from zprl_sim.xarm_box.controller import Controller
from zprl_sim.xarm_box.protocol import pack_floats, padded


class ReportPort(NamedTuple):
    """One report port.

    Attributes:
        rate_hz: reports per second.
        size: bytes of one.
        pack: makes one.
    """

    rate_hz: float
    size: int
    pack: Callable[[Controller], bytes]


def pack(port: ReportPort, controller: Controller) -> bytes:
    """One report: its size, its content, and zeros for what the box does not measure."""
    content = port.pack(controller)
    return struct.pack(">I", port.size) + content.ljust(port.size - 4, b"\0")


def _state(box: Controller) -> bytes:
    return struct.pack(">BH", box.mode << 4 | box.state, 0)


def _motion(box: Controller) -> bytes:
    joints = padded(box.now.measured.joints_rad)
    return _state(box) + pack_floats((*joints, *wire.rpy_from_pose(box.tcp), *[0.0] * 7))


def _force(box: Controller) -> bytes:
    return _motion(box) + pack_floats([0.0] * 12)


def _normal(box: Controller) -> bytes:
    settings = box.settings
    motors = sum(1 << index for index, on in enumerate(box.enabled) if on)
    status = bytes((motors, motors, box.error, box.warning))
    numbers = pack_floats((*settings.tcp_offset, *settings.load))
    sensitivities = bytes((settings.collision_sensitivity, settings.teach_sensitivity))
    return _motion(box) + status + numbers + sensitivities + pack_floats(settings.gravity)


def _rich(box: Controller) -> bytes:
    model, now, reduced = box.model, box.now, box.settings.reduced
    data = bytearray(587 - 4)

    def put(offset: int, content: bytes) -> None:
        data[offset - 4 : offset - 4 + len(content)] = content

    put(4, _normal(box))
    put(145, bytes((model.device_type, model.joints, 1, 0, 0, 0)))
    put(151, model.version.encode()[:30])
    put(181, pack_floats((1000.0, 1.0, 50000.0, 0.1, 1000.0)))  # tool: jerk, acceleration, speed
    put(201, pack_floats((20.0, 0.01, 20.0, 0.0001, model.joint_speed_rad_s)))  # joints: the same
    put(221, pack_floats((2.3, 2.7)))  # rotation: jerk, acceleration
    put(245, bytes([30] * model.joints))  # degrees Celsius
    put(252, pack_floats((now.speed_m_s * wire.MM, *padded(now.measured.joint_velocities_rad_s))))
    put(315, b"\1")  # self-collision check
    put(482, pack_floats(wire.aa_from_pose(box.tcp)[3:]))
    put(494, bytes((reduced.on | reduced.fence_on << 1, reduced.on)))
    put(496, struct.pack(">6h", *reduced.box_mm))
    put(508, pack_floats((reduced.tcp_speed_mm_s, reduced.joint_speed_rad_s, *reduced.joint_range_rad)))
    put(572, bytes((reduced.fence_on, reduced.rebound)))
    return bytes(data)


def _fast(box: Controller) -> bytes:
    now, nothing = box.now, [0.0] * 7
    measured = now.measured
    head = struct.pack(">Q", now.stamp_ns // 1000) + _state(box) + bytes(17)
    joints = (*padded(now.target.joints_rad), *nothing, *nothing, *padded(measured.joints_rad))
    velocities = (*padded(measured.joint_velocities_rad_s), *nothing, *nothing, *nothing)
    tcp = (*wire.aa_from_pose(now.target.tcp), *[0.0] * 6, *wire.aa_from_pose(box.tcp))
    return head + pack_floats((*joints, *velocities, *[0.0] * 42, *tcp))


REPORT_PORTS: dict[int, ReportPort] = {
    30000: ReportPort(250.0, 804, _fast),
    30001: ReportPort(5.0, 145, _normal),
    30002: ReportPort(5.0, 587, _rich),
    30003: ReportPort(100.0, 135, _force),
}
