# SPDX-License-Identifier: Apache-2.0
"""Raw images of three cameras to one Python process: the project's DDS profile beside Fast DDS as it comes.

Four processes each time (`zprl_bringup.image_stream`), all cameras at the same instants. The peer is rclpy as
its tutorials have it: no profile, a queue of 10, `bytes` into the message, `rclpy.spin`. It is kept on this
host, so that it does not load the network it would otherwise be on; the transports are the same.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from zprl_core import single_host
from zprl_core.bench.rows import AtMost, Row
from zprl_core.errors import RigError, ZprlError
from zprl_core.stats import percentile

CAMERAS, RATE_HZ = 3, 30.0
SIZES = ((240, 320), (480, 640))
OURS, PEER = "profile single_host_shm", "default Fast DDS"
WAYS = {OURS: "project", PEER: "usual"}
WANTED_P99_MS, WANTED_LOST = 10.0, 0
NEEDED = ("rclpy", "sensor_msgs", "zprl_bringup", "zprl_interfaces")
INSTALL = "make setup, or pip install the project and ros2_ws/src/zprl_interfaces"
PATIENCE_S, LATE_S = 60.0, 0.5
"""How long a process may take to answer, and an image that was sent to arrive."""
_THEIRS = ("ROS_", "RMW_", "FASTDDS_", "FASTRTPS_")


@dataclass(frozen=True)
class Arrived:
    """What became of the images of one way and size.

    Attributes:
        latency_ms: from stamp to array, of those that arrived. sent: how many there were.
        cpu_ms: of all four processes, all images together.
    """

    latency_ms: Sequence[float]
    sent: int
    cpu_ms: float

    def __add__(self, other: Arrived) -> Arrived:
        """Both together."""
        return Arrived(
            [*self.latency_ms, *other.latency_ms], self.sent + other.sent, self.cpu_ms + other.cpu_ms
        )

    @property
    def costs(self) -> tuple[float, float, float, float]:
        """Latency p50 and p99, ms; images lost; CPU time of an image that arrived, ms."""
        count = len(self.latency_ms)
        p50, p99 = (percentile(self.latency_ms, share) if count else math.inf for share in (50, 99))
        return p50, p99, float(self.sent - count), self.cpu_ms / count if count else math.inf


def rows(seconds: float, turns: int, notice: Callable[[str], None]) -> Iterator[Row]:
    """Both sizes, each way for so many seconds over so many turns; `notice` is told what cannot be had."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        notice(f"transport: {', '.join(missing)}: not installed: {INSTALL}")
    once = cache(notice)  # both sizes lack the same
    for size in SIZES:
        yield from compared(size, {} if missing else _measured(size, seconds, turns, once))


def compared(size: tuple[int, int], arrived: Mapping[str, Arrived]) -> Iterator[Row]:
    """Rows of a size, of what each way gave; what is not there is "not here"."""
    nothing = (math.nan,) * 4
    ours, peer = (arrived[way].costs if way in arrived else nothing for way in (OURS, PEER))
    sent = max((each.sent for each in arrived.values()), default=0)
    told = f"transport, {CAMERAS} cameras of {size[0]}x{size[1]} at {RATE_HZ:g} Hz"
    lost = f"images lost of {sent}" if sent else "images lost"
    kinds = (
        ("latency p50", None, "ms"),
        ("latency p99", AtMost(WANTED_P99_MS), "ms"),
        (lost, AtMost(WANTED_LOST), "lost"),
        ("CPU time an image", None, "ms"),
    )
    for (what, wanted, unit), own, other in zip(kinds, ours, peer, strict=True):
        yield Row(f"{told}, {what}", OURS, own, PEER, other, wanted, unit=unit)


def environments(domain: int, logs: Path, base: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Of each way's processes. What the caller has set for ROS and DDS is left out: it would be measured."""
    clean = {name: value for name, value in base.items() if not name.startswith(_THEIRS)}
    ours = single_host.environment(single_host.dds_profile("single_host_shm"), domain, logs, clean)
    peer = {name: value for name, value in ours.items() if name != "FASTDDS_DEFAULT_PROFILES_FILE"}
    return {OURS: ours, PEER: peer | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}}


def _measured(
    size: tuple[int, int], seconds: float, turns: int, notice: Callable[[str], None]
) -> dict[str, Arrived]:
    found: dict[str, Arrived] = {}
    failed: set[str] = set()
    others = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}
    for _ in range(turns):
        for way in WAYS:
            if way in failed:
                continue
            try:
                more = _turn(way, size, round(RATE_HZ * seconds / turns), others)
            except ZprlError as error:
                failed.add(way)
                found.pop(way, None)
                notice(f"transport: {way}: {error}")
            else:
                found[way] = found[way] + more if way in found else more
    return found


def _turn(way: str, size: tuple[int, int], images: int, base: Mapping[str, str]) -> Arrived:
    """One way for so many images of each camera.

    Raises:
        RigError: a process ended, or did not answer.
    """
    with single_host.free_domain(base) as domain, tempfile.TemporaryDirectory() as folder:
        environment = environments(domain, Path(folder), base)[way]
        try:
            with contextlib.ExitStack() as stack:
                start = _Starter(stack, WAYS[way], environment, Path(folder))
                return _arrived(start, size, images)
        finally:
            single_host.clean_shared_memory()


def _arrived(start: _Starter, size: tuple[int, int], images: int) -> Arrived:
    subscriber = start("subscriber", "--cameras", str(CAMERAS))
    numbers = [
        ("--number", str(k), "--size", *map(str, size), "--rate", str(RATE_HZ)) for k in range(CAMERAS)
    ]
    cameras = [start("camera", *number, "--images", str(images)) for number in numbers]
    try:
        subscriber.answer(PATIENCE_S)
    except RigError:
        for camera in cameras:
            camera.check()
        raise
    for process in (subscriber, *cameras):
        process.tell()
    sent = [json.loads(camera.answer(images / RATE_HZ + PATIENCE_S)) for camera in cameras]
    time.sleep(LATE_S)
    subscriber.tell()
    heard = json.loads(subscriber.answer(PATIENCE_S))
    cpu_s = heard["cpu_s"] + sum(each["cpu_s"] for each in sent)
    return Arrived(heard["latency_ms"], sum(each["sent"] for each in sent), 1e3 * cpu_s)


class _Starter:
    """Starts processes that end with a stack."""

    def __init__(
        self, stack: contextlib.ExitStack, way: str, environment: Mapping[str, str], logs: Path
    ) -> None:
        self._stack, self._way, self._environment, self._logs = stack, way, environment, logs
        self._count = 0

    def __call__(self, role: str, *arguments: str) -> _Process:
        self._count += 1
        log = self._stack.enter_context((self._logs / f"{self._count}_{role}.log").open("w+"))
        command = (sys.executable, "-m", "zprl_bringup.image_stream", role, self._way, *arguments)
        process = _Process(role, command, self._environment, log)
        self._stack.callback(process.end)
        return process


class _Process:
    """One that is told by lines what to do, and answers by lines."""

    def __init__(
        self, role: str, command: Sequence[str], environment: Mapping[str, str], log: IO[str]
    ) -> None:
        self._role, self._log = role, log
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=dict(environment)
        )

    def tell(self) -> None:
        """Go on."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its answer will be missed
            self._process.stdin.write("\n")
            self._process.stdin.flush()

    def answer(self, patience_s: float) -> str:
        """Its next line.

        Raises:
            RigError: none came.
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience_s)[0]:
            raise RigError(f"{self._role}: no answer within {patience_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        return line

    def check(self) -> None:
        """Go on only while it lives.

        Raises:
            RigError: it has ended.
        """
        if self._process.poll() is not None:
            raise self._ended()

    def _ended(self) -> RigError:
        self._log.seek(0)
        said = self._log.read().strip().rpartition("\n")[2]
        return RigError(f"{self._role} ended: {said or 'it said nothing'}")

    def end(self) -> None:
        """End it by the end of its input, or else by force."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
