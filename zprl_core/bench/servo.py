# SPDX-License-Identifier: Apache-2.0
"""Setpoints to an xArm's control box at 100 Hz: the driver's loop beside the vendor's SDK alone.

The box is a simulated one, a process of its own (`zprl sim-xarm`); the loops take turns in this one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from zprl_core.bench.rows import AtMostMore, Row
from zprl_core.config import ArmConfig, load_rig
from zprl_core.errors import RigError, ZprlError
from zprl_core.stats import percentile

if TYPE_CHECKING:
    from zprl_sim.xarm_box.client import BoxClient

RIG, RATE_HZ = "xarm6_place_orange_sim", 100.0
PATIENT_S = 1.5
"""The driver's watchdog here: other processes of the machine are not what is measured."""
OURS, PEER = "driver", "SDK alone"
WANTED = AtMostMore(1.0)
END_S = 15.0


def rows(seconds: float, turns: int, notice: Callable[[str], None]) -> Iterator[Row]:
    """Each loop for so many seconds over so many turns; `notice` is told why it cannot be had."""
    try:
        ours, peer = _off_by_ms(seconds, turns)
    except (ZprlError, ImportError, OSError) as error:  # the box's connection may end
        notice(f"servo: {error}")
        ours, peer = [], []
    for share, wanted in ((50, None), (99, WANTED)):
        path = f"servo, setpoints at {RATE_HZ:g} Hz, period off by, p{share}"
        yield Row(path, OURS, percentile(ours, share), PEER, percentile(peer, share), wanted)


def _off_by_ms(seconds: float, turns: int) -> tuple[Sequence[float], Sequence[float]]:
    """Of the driver and of the SDK."""
    from zprl_arms.drivers.xarm_sdk import sdk_version
    from zprl_arms.servo_jitter import Loop, measure

    sdk_version()  # before a box is started for nothing
    arm = _arm()
    found: dict[bool, list[float]] = {True: [], False: []}
    with _box(arm) as client:
        for _ in range(turns):
            for driver in (False, True):
                turn = measure(client, arm, Loop(driver, "cartesian", RATE_HZ), seconds / turns)
                found[driver] += turn.off_by.tolist()
    return found[True], found[False]


def _arm() -> ArmConfig:
    """The Place Orange cell's, at an address that no other process of this machine uses."""
    (arm,) = load_rig(RIG).arms
    pid = os.getpid()
    address = f"127.{200 + (pid >> 16) % 50}.{(pid >> 8) % 256}.{pid % 256}"
    return replace(arm, address=address, gripper=None, watchdog_s=PATIENT_S)


@contextlib.contextmanager
def _box(arm: ArmConfig) -> Iterator[BoxClient]:
    """The box behind an arm, while the context lasts.

    Raises:
        RigError: it does not start; with what it said.
    """
    from zprl_sim.stand_ins import controller_of
    from zprl_sim.xarm_box.client import BoxClient

    simulation = load_rig(RIG).simulation
    assert simulation is not None and arm.address is not None
    command = controller_of(arm, replace(simulation, scene="bench")).command
    environment, pipe = {**os.environ, "OMP_NUM_THREADS": "1"}, subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            if not process.stdout.readline():
                said = process.stderr.read().strip().rpartition("\n")[2]
                raise RigError(f"the simulated control box did not start: {said}")
            with contextlib.closing(BoxClient(arm.address)) as client:
                yield client
        finally:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
