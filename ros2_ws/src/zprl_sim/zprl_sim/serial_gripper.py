"""A Robotiq 2F-85 at the other end of a pseudo-terminal, for arms without a connector for it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import time
import tty
from pathlib import Path

from zprl_core.errors import RigError
from zprl_sim.xarm_box.grippers import Robotiq2F85
from zprl_sim.xarm_box.rtu import answer

_READ, _SHORT_BYTES, _WRITE_BYTES, _COUNT_AT = 0x03, 8, 9, 6  # of requests, checksum included
_LOOK_S = 0.05


def is_there(port: str) -> bool:
    """Whether the device exists; a link that leads nowhere does not."""
    return Path(port).exists()


class SerialGripper:
    """Answers at `port` in a thread of its own until `close`; nothing is between its fingers.

    Args:
        port: path of the link that it makes to its pseudo-terminal.
        max_width_m: open.

    Raises:
        RigError: something stands at `port`, or no link can be made there.
    """

    def __init__(self, port: str, max_width_m: float) -> None:
        self._link, self._gripper = Path(port), Robotiq2F85(max_width_m)
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        try:
            self._make_link()
        except OSError as error:
            os.close(self._master)
            os.close(self._slave)
            raise RigError(
                f"gripper.port: {port}: no simulated gripper can be put there: {error}; name another path"
            ) from error
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="gripper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, and take the link away."""
        self._ending.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self._link.unlink()
        os.close(self._master)
        os.close(self._slave)

    def _make_link(self) -> None:
        self._link.parent.mkdir(parents=True, exist_ok=True)
        if self._link.is_symlink() and not self._link.exists():
            self._link.unlink()  # of one that was killed
        self._link.symlink_to(os.ttyname(self._slave))

    def _serve(self) -> None:
        buffer, before_s, width_m = b"", time.monotonic(), self._gripper.step(0.0, 0.0)
        while not self._ending.is_set():
            if not select.select([self._master], [], [], _LOOK_S)[0]:
                buffer = b""  # a pause ends a frame
                continue
            buffer += os.read(self._master, 256)
            now_s = time.monotonic()
            width_m = self._gripper.step(now_s - before_s, width_m)
            before_s = now_s
            if len(buffer) >= _length(buffer):
                self._reply(buffer[: _length(buffer)])
                buffer = b""

    def _reply(self, request: bytes) -> None:
        body = request[:-2]
        said = answer(self._gripper, body) if crc16(body) == request[-2:] else None
        if said is not None:
            os.write(self._master, said + crc16(said))


def crc16(data: bytes) -> bytes:
    """Modbus's checksum, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


def _length(buffer: bytes) -> int:
    """How long the request is that begins like this."""
    if len(buffer) <= _COUNT_AT or buffer[1] == _READ:
        return _SHORT_BYTES
    return _WRITE_BYTES + buffer[_COUNT_AT]
