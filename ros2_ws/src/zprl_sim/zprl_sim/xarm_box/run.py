# SPDX-License-Identifier: Apache-2.0
"""A box as a process: from a model's name to open ports, until a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

from zprl_sim.xarm_box.bench_channel import BenchChannel
from zprl_sim.xarm_box.box import Box
from zprl_sim.xarm_box.protocol import BENCH_PORT
from zprl_sim.xarm_box.server import BoxServer

_SWITCH_S = 0.0005  # how long a thread may keep the interpreter: the plant must not make replies wait


def serve(
    address: str,
    model: str,
    scene: str,
    gripper: str | None,
    ready: Callable[[str], None],
    *,
    serial: str | None = None,
) -> None:
    """Be a box until SIGINT or SIGTERM.

    Args:
        address: where to listen.
        model, scene, gripper, serial: see `Box`.
        ready: called with one line once every port listens.

    Raises:
        RigError: what cannot be simulated, or an address that cannot be had.
    """
    sys.setswitchinterval(_SWITCH_S)
    box = Box(model, scene, gripper, serial)
    tool = gripper or "no gripper"
    text = f"{model} in scene {scene} with {tool} on {address}, test bench on port {BENCH_PORT}"
    asyncio.run(_serve(box, address, lambda: ready(text)))


async def _serve(box: Box, address: str, ready: Callable[[], None]) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    server = BoxServer(box, address)
    channel = BenchChannel(box, server)
    try:
        await server.open()
        await channel.open(address)
        box.start()
        ready()
        await ended.wait()
        box.close()
    finally:
        channel.close()
        server.close()
