"""The gripper at an xArm's tool connector, on a connection and a thread of its own.

The SDK sends one command at a time over a connection, and one to the gripper takes about 10 ms: on the arm's
own connection each would make a setpoint late. The newest width wins; what the fingers measure is polled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from zprl_arms.drivers import xarm_sdk
from zprl_arms.drivers.xarm_stream import NewestFirst
from zprl_core.config.arm import GripperConfig
from zprl_core.errors import RigError

_POLL_S = 0.03
_FAILURES = 5  # in a row, until it is a fault
_CLOSE_S = 1.0


class _Device(Protocol):
    def activate(self) -> int:
        """Make it ready; gives the SDK's code. Waits until it is."""

    def look(self) -> tuple[int, bool]:
        """The SDK's code, and whether it can be read and moved as it is. Changes nothing."""

    def move(self, share: float) -> int:
        """Drive the fingers: 0 is closed, 1 is open. Gives the SDK's code, at once."""

    def measure(self) -> tuple[int, float]:
        """The SDK's code, and where the fingers are: 0 is closed, 1 is open."""


class _Robotiq2F85:
    _STEPS = 255
    _SLOWEST_M_S, _FASTEST_M_S = 0.02, 0.15
    _WEAKEST_N, _STRONGEST_N = 20.0, 235.0

    def __init__(self, api: Any, config: GripperConfig) -> None:
        self._api = api
        self._speed = _byte(config.speed_m_s, self._SLOWEST_M_S, self._FASTEST_M_S)
        self._force = _byte(config.force_n, self._WEAKEST_N, self._STRONGEST_N)

    def activate(self) -> int:
        code, _ = self._api.robotiq_get_status()
        if code or self._active:
            return int(code)
        self._api.robotiq_reset()
        code, _ = self._api.robotiq_set_activate(wait=True, timeout=5)
        return int(code)

    def look(self) -> tuple[int, bool]:
        code, baud = self._api.get_rs485_baudrate()
        if code or baud != self._api.get_checkset_default_baud(3)[1]:
            return int(code), False
        code, _ = self._api.robotiq_get_status(check_baud=False)
        return int(code), not code and self._active

    def move(self, share: float) -> int:
        position = round(self._STEPS * (1.0 - share))
        code, _ = self._api.robotiq_set_position(
            position, speed=self._speed, force=self._force, wait=False, wait_motion=False, auto_enable=False
        )
        return int(code)

    def measure(self) -> tuple[int, float]:
        code, _ = self._api.robotiq_get_status(check_baud=False)
        if not code and not self._active:
            return 102, 0.0
        return int(code), 1.0 - self._api.robotiq_status["gPO"] / self._STEPS

    @property
    def _active(self) -> bool:
        """Activated and without a fault; 9 is that nobody spoke to it for a second."""
        status = self._api.robotiq_status
        return bool(status["gSTA"] == 3 and status["gFLT"] in (0, 9))


class _XArmGripper:
    _PULSES = 850
    _FASTEST_M_S, _FASTEST = 0.1, 5000

    def __init__(self, api: Any, config: GripperConfig) -> None:
        self._api = api
        self._speed = max(1, round(self._FASTEST * min(config.speed_m_s / self._FASTEST_M_S, 1.0)))

    def activate(self) -> int:
        steps = (
            lambda: self._api.set_gripper_enable(True),
            lambda: self._api.set_gripper_mode(0),
            lambda: self._api.set_gripper_speed(self._speed),
        )
        return next((int(code) for code in (step() for step in steps) if code), 0)

    def look(self) -> tuple[int, bool]:
        code, baud = self._api.get_rs485_baudrate()
        if code or baud != self._api.get_checkset_default_baud(1)[1]:
            return int(code), False
        code, _ = self.measure()
        return code, not code

    def move(self, share: float) -> int:
        return int(self._api.set_gripper_position(round(self._PULSES * share), wait=False, wait_motion=False))

    def measure(self) -> tuple[int, float]:
        code, pulses = self._api.get_gripper_position()
        return int(code), (pulses or 0) / self._PULSES


_DEVICES: dict[str, Callable[[Any, GripperConfig], _Device]] = {
    "robotiq_2f85": _Robotiq2F85,
    "xarm_gripper": _XArmGripper,
}


class XArmGripperLink:
    """A gripper that never makes anyone wait.

    Args:
        address: of the control box.
        config: of the gripper.
        enable: False reads the width if the gripper is ready as it is, and changes nothing; one that does not
            answer is then a fault.

    Raises:
        RigError: no connection, or the gripper does not answer.
    """

    def __init__(self, address: str, config: GripperConfig, *, enable: bool) -> None:
        self._config = config
        self._low, self._span = config.min_width_m, config.max_width_m - config.min_width_m
        self._api = xarm_sdk.open_api(address, enable_report=False)
        self._device: _Device = _DEVICES[config.kind](self._api, config)
        self._width: float | None = None
        self._sent: float | None = None
        self._failures, self._fault = 0, ""
        try:
            readable = self._start(address) if enable else self._look()
        except RigError:
            self._api.disconnect()
            raise
        if readable:
            self._poll()
        idle = self._poll if readable else _nothing
        self._thread = NewestFirst(f"gripper {address}", self._move, idle, _POLL_S if readable else None)

    @property
    def width_m(self) -> float | None:
        """Between the fingers, measured; None where it cannot be read."""
        return self._width

    @property
    def fault(self) -> str:
        """Empty, or what is wrong with it."""
        return self._fault

    def command(self, width_m: float) -> None:
        """Drive the fingers to a width, m, brought into what they can do. Returns at once."""
        if self._sent is None or abs(width_m - self._sent) > 1e-5:
            self._sent = width_m
            self._thread.put(width_m)

    def clear_fault(self) -> None:
        """Activate it again if it needs that, and forget the complaint.

        Raises:
            RigError: it does not get ready.
        """
        self._start("the tool connector")
        self._failures, self._fault, self._sent = 0, "", None

    def close(self) -> None:
        """Leave it as it is and disconnect."""
        self._thread.close(_CLOSE_S)
        self._api.disconnect()

    def _start(self, address: str) -> bool:
        code = self._device.activate()
        if code:
            raise RigError(
                f"gripper {self._config.kind} at {address}: {xarm_sdk.result_text(code)}. Is it at the "
                "arm's tool connector, powered, and the one that the rig names?"
            )
        return True

    def _look(self) -> bool:
        readable = False

        def look() -> int:
            nonlocal readable
            code, readable = self._device.look()
            return code

        if code := self._call(look):
            self._fault = f"gripper {self._config.kind} does not answer: {xarm_sdk.result_text(code)}"
        return readable

    def _move(self, width_m: float) -> None:
        share = min(max((width_m - self._low) / self._span, 0.0), 1.0)
        self._note(self._call(lambda: self._device.move(share)))
        self._poll()

    def _poll(self) -> None:
        share = 0.0

        def measure() -> int:
            nonlocal share
            code, share = self._device.measure()
            return code

        code = self._call(measure)
        self._note(code)
        if not code:
            self._width = self._low + share * self._span

    def _call(self, command: Callable[[], int]) -> int:
        try:
            return command()
        except Exception:  # the SDK raises what it likes when its socket ends
            return -1

    def _note(self, code: int) -> None:
        self._failures = self._failures + 1 if code else 0
        if self._failures >= _FAILURES:
            self._fault = f"gripper {self._config.kind}: {xarm_sdk.result_text(code)}"
            time.sleep(_POLL_S)


def _nothing() -> None:
    """There is nothing to poll."""


def _byte(value: float, low: float, high: float) -> int:
    return round(255 * min(max((value - low) / (high - low), 0.0), 1.0))
