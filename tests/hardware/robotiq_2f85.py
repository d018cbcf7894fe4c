"""A fake Robotiq 2F-85 at the other end of a pseudo-terminal: its registers, its activation, its fingers."""

from __future__ import annotations

import os
import pty
import select
import struct
import threading
import time
import tty

from zprl_arms.grippers.robotiq import crc16

COUNTS_PER_S = 227 / 0.56  # the stroke at its full speed


class Fake2F85:
    """Answers in a thread of its own from `port` until `close`.

    Attributes:
        port: device to open.
        fault: gFLT that it reports.
        obstacle: count of the position at which closing fingers meet an object; None: there is none.
        answers: whether it answers at all.
        delay_s: before each answer.
        requests: positions it was sent to.
        activations: how often it was told to activate while it was not.
    """

    def __init__(self, *, activated: bool = True) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.fault, self.obstacle, self.answers, self.delay_s = 0, None, True, 0.0
        self.requests: list[int] = []
        self.activations = 0
        self._command = bytes((1, 0, 0, 0, 0, 0)) if activated else bytes(6)
        self._ready_s = 0.0 if activated else float("inf")
        self._from, self._since_s = 3.0, time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """The adapter is pulled out."""
        self._ending.set()
        self._thread.join()
        os.close(self._master)

    def close(self) -> None:
        """End it."""
        if not self._ending.is_set():
            self.unplug()
        os.close(self._slave)

    @property
    def position(self) -> int:
        """gPO."""
        goal = float(max(3, min(230, self._command[3])))
        if self.obstacle is not None and goal > self.obstacle:
            goal = max(self._from, float(self.obstacle))
        way = (time.monotonic() - self._since_s) * COUNTS_PER_S
        return round(min(self._from + way, goal) if goal > self._from else max(self._from - way, goal))

    def _serve(self) -> None:
        buffer = b""
        while not self._ending.is_set():
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            buffer += os.read(self._master, 64)
            length = 8 if buffer[1:2] == b"\x03" else 15
            if len(buffer) >= length:
                request, buffer = buffer[:length], buffer[length:]
                self._answer(request)

    def _answer(self, request: bytes) -> None:
        if crc16(request[:-2]) != request[-2:] or not self.answers:
            return
        time.sleep(self.delay_s)
        if request[1] == 0x03:
            body = request[:2] + b"\x06" + self._status()
        else:
            self._take(request[7:13])
            body = request[:6]
        os.write(self._master, body + crc16(body))

    def _take(self, command: bytes) -> None:
        if command[0] & 1 and not self._command[0] & 1:
            self.activations += 1
            self._ready_s = time.monotonic() + 0.1
            self.fault = 0
        if command[0] & 8:
            self.requests.append(command[3])
        self._from, self._since_s = float(self.position), time.monotonic()
        self._command = command

    def _status(self) -> bytes:
        action, position = self._command[0], self.position
        ready = bool(action & 1) and time.monotonic() >= self._ready_s
        goal = max(3, min(230, self._command[3]))
        met = self.obstacle is not None and goal > self.obstacle and position >= self.obstacle
        stopped = 2 if met else 3 if position == goal else 0
        state = action & 9 | (3 if ready else action & 1) << 4 | (stopped << 6 if action & 8 else 0)
        return struct.pack("6B", state, 0, self.fault, self._command[3], position, 0)
