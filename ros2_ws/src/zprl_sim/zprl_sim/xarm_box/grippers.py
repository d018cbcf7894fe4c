# SPDX-License-Identifier: Apache-2.0
"""Grippers on the tool connector, by their registers. Time comes in with `step`; widths in m."""

from __future__ import annotations

from typing import Protocol

from zprl_core.errors import RigError
from zprl_sim.xarm_box.rtu import Registers

_THERE_M, _HELD_M = 1e-6, 0.002  # nearer to what was asked for: there; farther away, at rest: held
_STILL_M_S = 0.005  # slower than this is at rest


class Gripper(Registers, Protocol):
    """A gripper: registers for the bus, widths for the plant.

    Attributes:
        baud: at which it listens.
    """

    baud: int

    def step(self, period_s: float, measured_m: float) -> float:
        """The width that the fingers are driven to after one period; `measured_m` is where they are."""


class _Fingers:
    """Drives a width towards a goal at a speed."""

    def __init__(self, max_width_m: float) -> None:
        self.max_width_m = max_width_m
        self.goal_m = self.driven_m = self.measured_m = max_width_m
        self.speed_m_s = 0.1
        self._rests = True

    def step(self, period_s: float, measured_m: float) -> float:
        """The width after one period."""
        most = self.speed_m_s * period_s
        still = abs(measured_m - self.measured_m) < _STILL_M_S * period_s
        self._rests = still and abs(self.goal_m - self.driven_m) < _THERE_M
        self.measured_m = measured_m
        self.driven_m += min(max(self.goal_m - self.driven_m, -most), most)
        return self.driven_m

    @property
    def arrived(self) -> bool:
        """Whether it drives no further, and the fingers are still."""
        return self._rests and abs(self.goal_m - self.driven_m) < _THERE_M

    @property
    def held(self) -> bool:
        """Whether something between the fingers keeps them from where they were sent."""
        return self.arrived and abs(self.measured_m - self.goal_m) > _HELD_M


class Robotiq2F85:
    """Robotiq's registers: three to write from 0x3E8, three to read from 0x7D0."""

    slave, baud = 9, 115200
    _ACTION, _STATUS = 0x3E8, 0x7D0
    _ACTIVATION_S = 0.8  # assumption; and that the fingers stay where they are
    _SLOWEST_M_S, _FASTEST_M_S = 0.02, 0.15

    def __init__(self, max_width_m: float) -> None:
        self._fingers = _Fingers(max_width_m)
        self._action = self._position = 0
        self._active_s: float | None = None

    def step(self, period_s: float, measured_m: float) -> float:
        """The width after one period."""
        if self._active_s is not None:
            self._active_s += period_s
        return self._fingers.step(period_s, measured_m)

    def write(self, address: int, values: list[int]) -> None:
        """Action and position request; speed and force."""
        if address != self._ACTION or len(values) != 3:
            return
        self._action, position = values[0] >> 8, values[1] & 0xFF
        if not self._action & 0x01:
            self._active_s = None
        elif self._active_s is None:
            self._active_s = 0.0
        if self._activated and self._action & 0x08:
            self._position = position
            self._fingers.goal_m = self._fingers.max_width_m * (1.0 - position / 255.0)
            share = (values[2] >> 8) / 255.0
            self._fingers.speed_m_s = self._SLOWEST_M_S + share * (self._FASTEST_M_S - self._SLOWEST_M_S)

    def read(self, address: int, count: int) -> list[int]:
        """Status, fault and echo, position and current."""
        fingers = self._fingers
        measured = round(255 * (1.0 - min(max(fingers.measured_m / fingers.max_width_m, 0.0), 1.0)))
        registers = [self._status << 8, self._position, measured << 8]
        start = address - self._STATUS
        return [registers[i] if 0 <= i < 3 else 0 for i in range(start, start + count)]

    @property
    def _activated(self) -> bool:
        return self._active_s is not None and self._active_s >= self._ACTIVATION_S

    @property
    def _status(self) -> int:
        activation = 0 if self._active_s is None else 3 if self._activated else 1
        contact = (2 if self._fingers.held else 3) if self._fingers.arrived else 0
        return contact << 6 | activation << 4 | self._action & 0x09


class XArmGripper:
    """UFACTORY's gripper: 850 pulses from closed to open."""

    slave, baud = 8, 2_000_000
    _PULSES, _SPEED_M_S = 850, 2e-5  # when open; speed of the width for a speed of 1: assumption
    _STATUS, _ERROR, _ENABLE, _SPEED, _RESET = 0x0000, 0x000F, 0x0100, 0x0303, 0x0109
    _GOAL, _POSITION, _VERSION = 0x0700, 0x0702, 0x0801

    def __init__(self, max_width_m: float) -> None:
        self._fingers = _Fingers(max_width_m)
        self._pulse_m = max_width_m / self._PULSES
        self._enabled = False

    def step(self, period_s: float, measured_m: float) -> float:
        """The width after one period."""
        return self._fingers.step(period_s, measured_m)

    def write(self, address: int, values: list[int]) -> None:
        """Enable, speed, goal."""
        if address == self._ENABLE:
            self._enabled = bool(values[0])
        elif address == self._SPEED:
            self._fingers.speed_m_s = values[0] * self._SPEED_M_S
        elif address == self._GOAL and len(values) == 2 and self._enabled:
            pulses = int.from_bytes((values[0] << 16 | values[1]).to_bytes(4, "big"), "big", signed=True)
            self._fingers.goal_m = min(max(pulses * self._pulse_m, 0.0), self._fingers.max_width_m)

    def read(self, address: int, count: int) -> list[int]:
        """Position, status, version; there is never an error."""
        pulses = round(self._fingers.measured_m / self._pulse_m) & 0xFFFFFFFF
        moving = 2 if self._fingers.held else 0 if self._fingers.arrived else 1
        registers = {
            self._STATUS: moving,
            self._ERROR: 0,
            self._POSITION: pulses >> 16,
            self._POSITION + 1: pulses & 0xFFFF,
            self._VERSION: 3,
            self._VERSION + 1: 4,
            self._VERSION + 2: 3,
        }
        return [registers.get(address + i, 0) for i in range(count)]


GRIPPERS: dict[str, type[Robotiq2F85] | type[XArmGripper]] = {
    "robotiq_2f85": Robotiq2F85,
    "xarm_gripper": XArmGripper,
}


def make_gripper(name: str | None, max_width_m: float) -> Gripper | None:
    """The gripper of that name; None where there is none.

    Raises:
        RigError: an unknown name.
    """
    if name is None:
        return None
    if name not in GRIPPERS:
        raise RigError(f"gripper '{name}': unknown, allowed: {', '.join(GRIPPERS)}")
    return GRIPPERS[name](max_width_m)
