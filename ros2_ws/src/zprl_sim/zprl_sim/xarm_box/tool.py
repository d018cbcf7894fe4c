# SPDX-License-Identifier: Apache-2.0
"""The tool connector: its baud rate, and the Modbus device at its end."""

from __future__ import annotations

from zprl_sim.xarm_box import rtu
from zprl_sim.xarm_box.grippers import Gripper

HOST = 9
BAUDS = (
    4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600,
    1_000_000, 1_500_000, 2_000_000, 2_500_000,
)  # fmt: skip
_BAUD_REGISTER, _BAUD_WRITE = 0x0A0B, 0x1A0B
_BITS_A_BYTE, _TURNAROUND_S = 11, 0.003  # assumption: how long the connector takes for a transaction


class ToolConnector:
    """What hangs on the arm's tool connector.

    Attributes:
        unplugged: nothing hangs there, for the time being.

    Args:
        gripper: None: nothing ever does.
    """

    def __init__(self, gripper: Gripper | None) -> None:
        self._gripper = gripper
        self._baud_index = BAUDS.index(2_000_000)
        self.unplugged = False

    def read_register(self, address: int) -> int:
        """A register of the connector itself."""
        return self._baud_index if address == _BAUD_REGISTER else 0

    def write_register(self, address: int, value: float) -> None:
        """Set a register of the connector itself."""
        if address == _BAUD_WRITE and 0 <= value < len(BAUDS):
            self._baud_index = int(value)

    def transact(self, frame: bytes) -> bytes | None:
        """A frame for the device; None where nobody answers: none there, another address or baud rate."""
        if self._gripper is None or self.unplugged or self._gripper.baud != BAUDS[self._baud_index]:
            return None
        return rtu.answer(self._gripper, frame)

    def transaction_s(self, size: int) -> float:
        """How long a transaction of `size` bytes, both ways together, takes."""
        return _TURNAROUND_S + size * _BITS_A_BYTE / BAUDS[self._baud_index]

    def step(self, period_s: float, measured_m: float) -> float:
        """The width that the fingers are driven to after one period, m."""
        return measured_m if self._gripper is None else self._gripper.step(period_s, measured_m)
