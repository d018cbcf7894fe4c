"""The registers of a Robotiq 2F-85, and Modbus RTU frames for them. Pure: bytes in, bytes out.

Source: Robotiq, 2F-85 and 2F-140 instruction manual, "Control": register map, and the worked example of
Modbus RTU. Three registers of two bytes are written at 0x03E8 and three read at 0x07D0; slave 9; 115200 baud,
8N1. How a count of the position relates to a width depends on the fingertips; the manual gives the ends of
the range only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from zprl_core.errors import RigError

SLAVE = 9
BAUD = 115_200
COMMAND_REGISTER = 0x03E8
STATUS_REGISTER = 0x07D0
REGISTERS = 3
READ, WRITE = 0x03, 0x10
WRITE_ANSWER_BYTES = 8
STATUS_ANSWER_BYTES = 5 + 2 * REGISTERS
ERROR_ANSWER_BYTES = 5

STROKE_M = 0.085
OPEN_COUNT, CLOSED_COUNT = (
    3,
    230,
)  # where a 2F-85 with its own fingertips stops; the manual's range is 0 to 255
SLOWEST_M_S, FASTEST_M_S = 0.02, 0.15
WEAKEST_N, STRONGEST_N = 20.0, 235.0

FAULTS = {
    0x05: "an action waits for the end of the activation",
    0x07: "it is not activated",
    0x08: "it is too hot: let it cool down",
    0x0A: "its supply voltage is too low",
    0x0B: "it is releasing automatically",
    0x0C: "internal fault: ask Robotiq's support",
    0x0D: "its activation failed: is something between or at the fingers?",
    0x0E: "overcurrent",
    0x0F: "it has released automatically",
}
"""gFLT. Not among them: 0x09, no communication for a second, which communicating ends."""


class Activation(IntEnum):
    """gSTA."""

    RESET = 0
    RUNNING = 1
    DONE = 3


class Object(IntEnum):
    """gOBJ: what stopped the fingers."""

    MOVING = 0
    WHILE_OPENING = 1
    WHILE_CLOSING = 2
    AT_POSITION = 3


@dataclass(frozen=True)
class Command:
    """What is written.

    Attributes:
        activate: rACT; a rising edge starts the activation, in which the fingers move.
        go: rGTO; move to the position.
        position: rPR, 0 open to 255 closed.
        speed: rSP, 0 slowest to 255.
        force: rFR, 0 weakest to 255.
    """

    activate: bool
    go: bool = False
    position: int = 0
    speed: int = 0
    force: int = 0


@dataclass(frozen=True)
class Status:
    """What is read.

    Attributes:
        activated: gACT, the echo of rACT.
        going: gGTO, the echo of rGTO.
        activation: gSTA.
        object: gOBJ; means something while `going`.
        fault: gFLT.
        requested: gPR, the echo of rPR.
        position: gPO, 0 open to 255 closed.
        current_a: gCU, of the motor.
    """

    activated: bool
    going: bool
    activation: int
    object: Object
    fault: int
    requested: int
    position: int
    current_a: float

    @property
    def complaint(self) -> str:
        """What is wrong with it; empty: nothing."""
        return FAULTS.get(self.fault, "")

    @property
    def ready(self) -> bool:
        """Whether it moves when told to."""
        return self.activated and self.activation == Activation.DONE


def position_of(width_m: float) -> int:
    """rPR for a width between the fingertips; widths beyond the stroke are its ends."""
    share = min(max(width_m / STROKE_M, 0.0), 1.0)
    return round(CLOSED_COUNT + share * (OPEN_COUNT - CLOSED_COUNT))


def width_of(position: int) -> float:
    """Width in m between the fingertips for gPO."""
    share = (CLOSED_COUNT - position) / (CLOSED_COUNT - OPEN_COUNT)
    return STROKE_M * min(max(share, 0.0), 1.0)


def speed_of(speed_m_s: float) -> int:
    """rSP for a speed of the width; what it cannot do is the nearest that it can."""
    return _byte((speed_m_s - SLOWEST_M_S) / (FASTEST_M_S - SLOWEST_M_S))


def force_of(force_n: float) -> int:
    """rFR for a force; what it cannot do is the nearest that it can."""
    return _byte((force_n - WEAKEST_N) / (STRONGEST_N - WEAKEST_N))


def encode(command: Command) -> bytes:
    """The three command registers, 6 bytes."""
    action = command.activate | command.go << 3
    return bytes((action, 0, 0, command.position, command.speed, command.force))


def decode(registers: bytes) -> Status:
    """A status from the three status registers, 6 bytes."""
    action, _, fault, requested, position, current = registers
    return Status(
        activated=bool(action & 1),
        going=bool(action >> 3 & 1),
        activation=action >> 4 & 3,
        object=Object(action >> 6),
        fault=fault & 0x0F,
        requested=requested,
        position=position,
        current_a=current * 0.01,
    )


def write_request(command: Command) -> bytes:
    """The frame that writes a command."""
    registers = encode(command)
    return _framed(
        struct.pack(">BBHHB", SLAVE, WRITE, COMMAND_REGISTER, REGISTERS, len(registers)) + registers
    )


def status_request() -> bytes:
    """The frame that asks for the status."""
    return _framed(struct.pack(">BBHH", SLAVE, READ, STATUS_REGISTER, REGISTERS))


def check_write_answer(frame: bytes) -> None:
    """Whether a command was taken.

    Raises:
        RigError: the frame says otherwise or is damaged.
    """
    body = _unframed(frame, WRITE)
    if body != struct.pack(">HH", COMMAND_REGISTER, REGISTERS):
        raise RigError(f"answer {frame.hex(' ')}: another register than {COMMAND_REGISTER:#06x} was written")


def status_answer(frame: bytes) -> Status:
    """The status that a frame brings.

    Raises:
        RigError: it brings none or is damaged.
    """
    body = _unframed(frame, READ)
    if len(body) != 1 + 2 * REGISTERS or body[0] != 2 * REGISTERS:
        raise RigError(f"answer {frame.hex(' ')}: not {REGISTERS} registers")
    return decode(body[1:])


def crc16(data: bytes) -> bytes:
    """Modbus's check sum, 2 bytes, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


def _framed(body: bytes) -> bytes:
    return body + crc16(body)


def _unframed(frame: bytes, function: int) -> bytes:
    if len(frame) < ERROR_ANSWER_BYTES or crc16(frame[:-2]) != frame[-2:]:
        raise RigError(f"answer {frame.hex(' ') or '(none)'}: too short, or its check sum is wrong")
    if frame[0] != SLAVE or frame[1] & 0x7F != function:
        raise RigError(f"answer {frame.hex(' ')}: not slave {SLAVE}'s to function {function}")
    if frame[1] & 0x80:
        raise RigError(f"answer {frame.hex(' ')}: refused with Modbus exception {frame[2]}")
    return frame[2:-2]


def _byte(share: float) -> int:
    return round(255 * min(max(share, 0.0), 1.0))
