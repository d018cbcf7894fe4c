# SPDX-License-Identifier: Apache-2.0
"""Puts the calling process on the processors, and at the priority, that its rig names."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.errors import ConfigError

if TYPE_CHECKING:
    from zprl_core.config.processes import ProcessConfig

_THREADS, _AUTOGROUP = Path("/proc/self/task"), Path("/proc/self/autogroup")
PERMIT = "add `@realtime - rtprio 99` to /etc/security/limits.conf, join the group, log in again"


def missing_cpus(settings: ProcessConfig) -> str:
    """Which processors are asked for that this process may not use, in a line; empty where there are none."""
    known = os.sched_getaffinity(0)
    missing = sorted(set(settings.cpus) - known)
    return f"{settings.name}: cpus {missing}: this machine gives {sorted(known)}" if missing else ""


def apply(settings: ProcessConfig) -> str:
    """Every thread that this process has, and with them those that they start.

    Returns:
        In one line, what is not permitted and left as it was; empty where all could be had.

    Raises:
        ConfigError: a processor that this machine does not have, or that this process may not use.
    """
    if problem := missing_cpus(settings):
        raise ConfigError(f"compute.processes: {problem}; change the rig file")
    try:
        for thread in (int(entry.name) for entry in _THREADS.iterdir()):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                _move(thread, settings)
        if settings.nice and os.getsid(0) == os.getpid() and _AUTOGROUP.exists():
            _AUTOGROUP.write_text(str(settings.nice))  # between sessions Linux knows their groups' only
    except PermissionError:
        return f"realtime_priority {settings.realtime_priority} is not permitted: {PERMIT}"
    return ""


def _move(thread: int, settings: ProcessConfig) -> None:
    if settings.cpus:
        os.sched_setaffinity(thread, settings.cpus)
    if settings.realtime_priority is not None:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(settings.realtime_priority))
    elif settings.nice:
        os.setpriority(os.PRIO_PROCESS, thread, settings.nice)
