# SPDX-License-Identifier: Apache-2.0
"""Frames of the command channel: requests, replies, and the numbers in them.

A request is a header (transaction, protocol, length), a function and its payload; the reply puts one byte of
flags between the two. Floats are little-endian, integers big-endian where not said otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import NamedTuple

COMMAND_PORTS = (502, 503)  # the SDK uses the second one, if asked to, for the tool's Modbus alone
BENCH_PORT = 30900  # not the vendor's: `bench_channel`
HEADER = struct.Struct(">HHH")
_PRIVATE = (2, 3)  # protocol numbers of commands; heartbeats have 1


class Flag(IntFlag):
    """What the second byte of a reply says."""

    OK = 0
    INVALID = 0x08
    NOT_READY = 0x10
    WARNING = 0x20
    ERROR = 0x40


class Function(IntEnum):
    """The commands that the box knows."""

    VERSION = 1
    SERIAL_NUMBER = 2
    CHECK_VERIFY = 3
    GET_REPORT_CURRENT = 5
    SYSTEM_CONTROL = 10
    MOTION_ENABLE = 11
    SET_STATE = 12
    GET_STATE = 13
    COMMAND_COUNT = 14
    GET_ERROR = 15
    CLEAN_ERROR = 16
    CLEAN_WARNING = 17
    SET_BRAKE = 18
    SET_MODE = 19
    SERVO_JOINTS = 29
    SERVO_POSE = 30
    SET_TCP_OFFSET = 35
    SET_LOAD = 36
    SET_COLLISION_SENSITIVITY = 37
    SET_TEACH_SENSITIVITY = 38
    CLEAN_CONFIG = 39
    SAVE_CONFIG = 40
    GET_POSE = 41
    GET_JOINTS = 42
    GET_IK = 43
    GET_FK = 44
    SET_REDUCED_TCP_SPEED = 47
    SET_REDUCED_JOINT_SPEED = 48
    GET_REDUCED_MODE = 49
    SET_REDUCED_MODE = 50
    SET_GRAVITY = 51
    SET_FENCE_BOX = 52
    GET_REDUCED_STATE = 53
    GET_TORQUES = 55
    SET_REDUCED_JOINT_RANGE = 58
    SET_FENCE = 59
    SET_COLLISION_REBOUND = 60
    SET_WORLD_OFFSET = 73
    SET_SELF_COLLISION_CHECK = 77
    GET_POSE_AA = 91
    SERVO_POSE_AA = 93
    SERVO_MESSAGES = 106
    TOOL_MODBUS_TIMEOUT = 123
    TOOL_MODBUS = 124
    TOOL_ERROR = 125
    TOOL_WRITE = 127
    TOOL_READ = 128


class Request(NamedTuple):
    """One command of a client."""

    transaction: int
    protocol: int
    function: int
    payload: bytes


def parse(header: bytes, body: bytes) -> Request | None:
    """A frame as a command; None for a heartbeat and for anything that is not the vendor's own protocol."""
    transaction, protocol, _ = HEADER.unpack(header)
    if protocol not in _PRIVATE or not body:
        return None
    return Request(transaction, protocol, body[0], body[1:])


def reply(request: Request, flags: Flag, payload: bytes = b"") -> bytes:
    """The answer to a command."""
    head = HEADER.pack(request.transaction, request.protocol, len(payload) + 2)
    return head + bytes((request.function, flags)) + payload


def floats(payload: bytes, count: int) -> list[float]:
    """The first `count` floats.

    Raises:
        struct.error: the payload is shorter.
    """
    return list(struct.unpack_from(f"<{count}f", payload))


def pack_floats(values: Iterable[float]) -> bytes:
    """Floats for a reply."""
    numbers = [float(value) for value in values]
    return struct.pack(f"<{len(numbers)}f", *numbers)


def padded(values: Iterable[float], count: int = 7) -> list[float]:
    """`values` filled up with zeros, as the box does for joints that an arm does not have."""
    numbers = [float(value) for value in values]
    return numbers + [0.0] * (count - len(numbers))
