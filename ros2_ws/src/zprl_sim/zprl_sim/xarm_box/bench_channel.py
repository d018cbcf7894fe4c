# SPDX-License-Identifier: Apache-2.0
"""The test bench's own port: JSON, one object a line, beside the vendor's protocol.

A request names what to do, `{"do": "inject", "error": 31}`; the answer is `{"ok": true, ...}` or
`{"ok": false, "error": "..."}`. After `{"do": "states"}` the connection carries states only.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from zprl_core.config import CaseConfig, loader
from zprl_core.errors import ConfigError, RigError
from zprl_sim.xarm_box import wire
from zprl_sim.xarm_box.box import Box
from zprl_sim.xarm_box.controller import Snapshot
from zprl_sim.xarm_box.protocol import BENCH_PORT
from zprl_sim.xarm_box.server import BoxServer, listen

_UNREAD_STATES = 64
_ARMS = ("keep", "home")


class BenchChannel:
    """Serves tests and the node that owns the simulated world.

    Args:
        box, server: what it acts on.
    """

    def __init__(self, box: Box, server: BoxServer) -> None:
        self._box, self._server = box, server
        self._listening: asyncio.Server | None = None
        self._does: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "reset": self._reset,
            "status": self._status,
            "trace": self._trace,
        }

    async def open(self, address: str) -> None:
        """Listen.

        Raises:
            RigError: the port cannot be had.
        """
        self._listening = await listen(address, BENCH_PORT, self._serve)

    def close(self) -> None:
        """Listen no longer."""
        if self._listening is not None:
            self._listening.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async for line in reader:
                request = json.loads(line)
                if request.get("do") == "states":
                    await self._send_states(float(request["rate_hz"]), reader, writer)
                    return
                _write(writer, await self._answer(request))
        except (ValueError, KeyError, AttributeError) as error:
            _write(writer, {"ok": False, "error": f"{type(error).__name__}: {error}"})
        finally:
            writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            if request.get("do") == "inject":
                return {"ok": True, **await self._inject(request)}
            does = self._does.get(request.get("do", ""))
            if does is None:
                known = ", ".join((*self._does, "inject", "states"))
                raise RigError(f"do: {request.get('do')!r}, allowed: {known}")
            return {"ok": True, **does(request)}
        except (RigError, ConfigError, KeyError, TypeError, ValueError) as error:
            return {"ok": False, "error": str(error)}

    def _reset(self, request: dict[str, Any]) -> dict[str, Any]:
        arm = request.get("arm", "keep")
        if arm not in _ARMS:
            raise RigError(f"arm: {arm!r}, allowed: {', '.join(_ARMS)}")
        asked = request.get("case")
        case = None if asked is None else loader.from_data(CaseConfig, asked, loader.Place(lambda _: "case"))
        with self._box.lock:
            world = self._box.controller.reset_world(
                int(request["seed"]), home=arm == "home", now_ns=time.time_ns(), case=case
            )
        return {
            "layout": world.layout,
            "scene": world.scene,
            "position_m": world.home.position.tolist(),
            "quaternion": world.home.quaternion.tolist(),
            "width_m": world.home_width_m,
        }

    def _status(self, _request: dict[str, Any]) -> dict[str, Any]:
        with self._box.lock:
            box = self._box.controller
            return {
                "mode": box.mode,
                "state": int(box.state),
                "error": box.error,
                "warning": box.warning,
                "enabled": box.enabled,
                "joints_rad": box.now.measured.joints_rad.tolist(),
                "width_m": box.now.measured.width_m,
                "pose_mm_aa": wire.aa_from_pose(box.tcp),
                "tcp_offset": box.settings.tcp_offset,
                "load": box.settings.load,
                "collision_sensitivity": box.settings.collision_sensitivity,
                "reduced": vars(box.settings.reduced),
            }

    def _trace(self, request: dict[str, Any]) -> dict[str, Any]:
        since_ns = int(request["since_ns"])
        with self._box.lock:
            trace = self._box.controller.trace
            return {"steps": trace.steps_since(since_ns), "setpoints": trace.setpoints_since(since_ns)}

    async def _inject(self, request: dict[str, Any]) -> dict[str, Any]:
        """Only what the request names changes. Gives the time at which it did."""
        link, stamp_ns = self._box.link, time.time_ns()
        with self._box.lock:
            if "error" in request:
                self._box.controller.fail(int(request["error"]))
            if "drop_tool" in request:
                self._box.controller.tool.unplugged = bool(request["drop_tool"])
            if request.get("disable_motors"):
                self._box.controller.enable(8, False)
        link.reply_delay_s = float(request.get("reply_delay_s", link.reply_delay_s))
        link.drop_replies = bool(request.get("drop_replies", link.drop_replies))
        link.freeze_reports = bool(request.get("freeze_reports", link.freeze_reports))
        if "refuse" in request and bool(request["refuse"]) != link.refuse:
            link.refuse = bool(request["refuse"])
            if link.refuse:
                self._server.refuse()
            else:
                await self._server.open()
        if request.get("cut"):
            self._server.cut()
        return {"stamp_ns": stamp_ns}

    async def _send_states(
        self, rate_hz: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Every n-th step, n the nearest to the rate that is asked for, until the client goes."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Snapshot] = asyncio.Queue()
        every, count = max(1, round(self._box.rate_hz / rate_hz)), 0

        def put(now: Snapshot) -> None:
            if queue.qsize() < _UNREAD_STATES:
                queue.put_nowait(now)

        def watcher(now: Snapshot) -> None:
            nonlocal count
            count += 1
            if count % every == 0:
                loop.call_soon_threadsafe(put, now)

        self._box.watch(watcher)
        try:
            _write(writer, {"ok": True, "rate_hz": self._box.rate_hz / every})
            while not reader.at_eof():
                _write(writer, _world_state(await queue.get()))
                await writer.drain()
        finally:
            self._box.unwatch(watcher)


def _world_state(now: Snapshot) -> dict[str, Any]:
    measured = now.measured
    return {"stamp_ns": now.stamp_ns, "qpos": measured.qpos.tolist(), "qvel": measured.qvel.tolist()}


def _write(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
