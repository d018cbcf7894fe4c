# SPDX-License-Identifier: Apache-2.0
"""The test bench of a box, from another process: reset its world, follow it, break things, measure motion."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedRWPair
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zprl_core.config import CaseConfig, loader
from zprl_core.errors import RigError
from zprl_core.transforms import Pose
from zprl_sim.xarm_box.protocol import BENCH_PORT

Array = NDArray[np.float64]


class BoxState(NamedTuple):
    """The world behind a box at one instant.

    Attributes:
        stamp_ns: of the system clock.
        qpos, qvel: float64, as its physics orders them.
    """

    stamp_ns: int
    qpos: Array
    qvel: Array


class BoxReset(NamedTuple):
    """What a reset gives.

    Attributes:
        layout: where the objects lie, YAML.
        home: where an episode starts: tool centre point in the base frame (scene bench: the flange).
        home_width_m: the gripper's opening there.
        scene: what differs from the usual scene, YAML, empty for nothing.
    """

    layout: str
    home: Pose
    home_width_m: float
    scene: str


@dataclass(frozen=True, eq=False)
class BoxTrace:
    """Motion of the tool, one row a step of the plant (120 Hz in place_orange, 250 Hz on the bench).

    Attributes:
        stamp_ns: int64 (n,), of the system clock.
        position_m: float64 (n, 3), tool centre point in the base frame.
        speed_m_s: float64 (n,).
        setpoint_ns: int64 (m,), when setpoints came.
    """

    stamp_ns: NDArray[np.int64]
    position_m: Array
    speed_m_s: Array
    setpoint_ns: NDArray[np.int64]


class BoxClient:
    """One connection to a box's bench port.

    Args:
        address: of the box.
        timeout_s: for an answer.

    Raises:
        RigError: no box answers there.
    """

    def __init__(self, address: str = "127.0.0.2", timeout_s: float = 5.0) -> None:
        self.address, self._timeout_s = address, timeout_s
        self._socket, self._file = self._connect()

    def reset(self, layout_seed: int, *, arm: str = "keep", case: CaseConfig | None = None) -> BoxReset:
        """Lay out the objects anew.

        Args:
            layout_seed: names the layout.
            arm: "keep" leaves the arm where it is, to be moved home by who commands it; "home" puts it there,
                and is refused unless the box is stopped.
            case: robustness case that the scene stages.
        """
        request = {"do": "reset", "seed": layout_seed, "arm": arm}
        request |= {} if case is None else {"case": loader.to_data(case)}
        answer = self._ask(request)
        home = Pose(np.array(answer["position_m"]), np.array(answer["quaternion"]))
        return BoxReset(answer["layout"], home, answer["width_m"], answer["scene"])

    def states(self, rate_hz: float = 30.0) -> Iterator[BoxState]:
        """States from now on, at the rate of steps that is nearest to `rate_hz`. Ends with the box."""
        connection, file = self._connect()
        with connection, file:
            _send(file, {"do": "states", "rate_hz": rate_hz})
            self._checked(file.readline())
            connection.settimeout(None)
            for line in file:
                state = json.loads(line)
                yield BoxState(state["stamp_ns"], np.array(state["qpos"]), np.array(state["qvel"]))

    def inject(
        self,
        *,
        error: int | None = None,
        reply_delay_s: float | None = None,
        drop_replies: bool | None = None,
        freeze_reports: bool | None = None,
        refuse: bool | None = None,
        drop_tool: bool | None = None,
        cut: bool = False,
        disable_motors: bool = False,
    ) -> int:
        """Break something. What is not named stays as it is; False or 0.0 mends it.

        Args:
            error: a code of the controller, 31 for a collision.
            reply_delay_s: every reply comes that much later.
            drop_replies: commands are carried out, replies get lost.
            freeze_reports: connections stay, reports stop.
            refuse: nobody can connect.
            drop_tool: the gripper no longer answers.
            cut: end all connections, once.
            disable_motors: take the power off all motors, once.

        Returns:
            When it happened, ns of the system clock.
        """
        lasting = {
            "error": error,
            "reply_delay_s": reply_delay_s,
            "drop_replies": drop_replies,
            "freeze_reports": freeze_reports,
            "refuse": refuse,
            "drop_tool": drop_tool,
        }
        named = {key: value for key, value in lasting.items() if value is not None}
        answer = self._ask({"do": "inject", "cut": cut, "disable_motors": disable_motors, **named})
        return int(answer["stamp_ns"])

    def trace(self, since_ns: int) -> BoxTrace:
        """Motion after a time (ns of the system clock), at most the last two minutes."""
        answer = self._ask({"do": "trace", "since_ns": since_ns})
        steps = answer["steps"]
        numbers = np.array([step[1:] for step in steps], dtype=np.float64).reshape(-1, 4)
        stamps = np.array([step[0] for step in steps], dtype=np.int64)
        setpoints = np.array(answer["setpoints"], dtype=np.int64)
        return BoxTrace(stamps, numbers[:, :3], numbers[:, 3], setpoints)

    def status(self) -> dict[str, Any]:
        """The controller's own view: mode, state, error, settings, joint angles."""
        return self._ask({"do": "status"})

    def close(self) -> None:
        """Disconnect."""
        self._file.close()
        self._socket.close()

    def _connect(self) -> tuple[socket.socket, BufferedRWPair]:
        try:
            connection = socket.create_connection((self.address, BENCH_PORT), self._timeout_s)
        except OSError as error:
            raise RigError(
                f"{self.address}:{BENCH_PORT}: no simulated box answers ({error}). "
                f"Start one: zprl sim-xarm --address {self.address}"
            ) from error
        return connection, connection.makefile("rwb")

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        _send(self._file, request)
        return self._checked(self._file.readline())

    def _checked(self, line: bytes) -> dict[str, Any]:
        if not line:
            raise RigError(f"{self.address}:{BENCH_PORT}: the simulated box has ended")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise RigError(f"{self.address}:{BENCH_PORT}: {answer['error']}")
        return answer


def _send(file: BufferedRWPair, request: dict[str, Any]) -> None:
    file.write(json.dumps(request).encode() + b"\n")
    file.flush()
