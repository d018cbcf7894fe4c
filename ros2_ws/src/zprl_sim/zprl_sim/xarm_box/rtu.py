# SPDX-License-Identifier: Apache-2.0
"""Modbus RTU without its checksum, as the tool connector carries it."""

from __future__ import annotations

import struct
from typing import Protocol

_READ, _WRITE_ONE, _WRITE = 0x03, 0x06, 0x10
_HEAD = struct.Struct(">BBHH")


class Registers(Protocol):
    """A device on the bus.

    Attributes:
        slave: its address.
    """

    slave: int

    def read(self, address: int, count: int) -> list[int]:
        """Values of registers, 16 bits each."""

    def write(self, address: int, values: list[int]) -> None:
        """Set registers."""


def answer(device: Registers, frame: bytes) -> bytes | None:
    """What the device says to a frame; None where the frame is for another one, or is none."""
    if len(frame) < _HEAD.size:
        return None
    slave, function, address, count = _HEAD.unpack_from(frame)
    if slave != device.slave:
        return None
    if function == _READ:
        values = device.read(address, count)
        return struct.pack(f">BBB{count}H", slave, function, 2 * count, *values)
    if function == _WRITE_ONE:
        device.write(address, [count])
        return frame[: _HEAD.size]
    if function == _WRITE and len(frame) >= _HEAD.size + 1 + 2 * count:
        device.write(address, list(struct.unpack_from(f">{count}H", frame, _HEAD.size + 1)))
        return frame[: _HEAD.size]
    return None
