# SPDX-License-Identifier: Apache-2.0
"""Puts the calling process on the processors, and at the priority, that its rig names."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.errors import ConfigError

if TYPE_CHECKING:
    from zprl_core.config.processes import ProcessConfig

_THREADS, _AUTOGROUP = Path("/proc/self/task"), Path("/proc/self/autogroup")
_TRIES = 20
PERMIT = "add `@realtime - rtprio 99` to /etc/security/limits.conf, join the group, log in again"


def missing_cpus(settings: ProcessConfig) -> str:
    """Which processors are asked for that this process may not use, in a line; empty where there are none."""
    known = os.sched_getaffinity(0)
    missing = sorted(set(settings.cpus) - known)
    return f"{settings.name}: cpus {missing}: this machine gives {sorted(known)}" if missing else ""


def apply(settings: ProcessConfig) -> list[str]:
    """Every thread that this process has, and with them those that they start.

    Returns:
        A line for each thing that is not permitted and left as it was.

    Raises:
        ConfigError: a processor that this machine does not have, or that this process may not use.
    """
    if problem := missing_cpus(settings):
        raise ConfigError(f"compute.processes: {problem}; change the rig file")
    if settings.cpus:
        _each_thread(lambda thread: os.sched_setaffinity(thread, settings.cpus))
    refused = []
    if (priority := settings.realtime_priority) is not None:
        try:
            _each_thread(
                lambda thread: os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
            )
        except PermissionError:
            refused.append(f"realtime_priority {priority} is not permitted: {PERMIT}")
    return refused + (_be_nice(settings.nice) if settings.nice else [])


def _be_nice(nice: int) -> list[str]:
    try:
        _each_thread(lambda thread: os.setpriority(os.PRIO_PROCESS, thread, nice))
    except PermissionError:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        return [f"nice {nice} is not permitted: started with {now}, which is lower priority"]
    if os.getsid(0) != os.getpid() or not _AUTOGROUP.exists():
        return []
    try:
        _be_nice_as_a_session(nice)
    except OSError as error:
        return [f"nice {nice} counts within this process's session only: {_AUTOGROUP}: {error.strerror}"]
    return []


def as_usual() -> None:
    """The calling thread gives up a real-time priority that it was started with."""
    if os.sched_getscheduler(0) == os.SCHED_FIFO:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def may_use(priority: int) -> bool:
    """Whether this process may have a real-time priority; a thread of its own finds out."""

    def ask() -> bool:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except PermissionError:
            return False
        return True

    with ThreadPoolExecutor(1) as aside:
        return aside.submit(ask).result()


def _each_thread(move: Callable[[int], object]) -> None:
    """Until there is none that was not moved: a thread may be started meanwhile by one that was not yet."""
    moved: set[int] = set()
    while others := {int(entry.name) for entry in _THREADS.iterdir()} - moved:
        for thread in others:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                move(thread)
        moved |= others


def _be_nice_as_a_session(nice: int) -> None:
    """Where Linux shares processors out to sessions first, `nice` of a process counts within its own only.

    Of users who are not root it takes one such request in 0.1 s, on the whole machine.
    """
    for attempt in range(_TRIES):
        try:
            _AUTOGROUP.write_text(str(nice))
            return
        except BlockingIOError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(random.uniform(0.1, 0.3))
