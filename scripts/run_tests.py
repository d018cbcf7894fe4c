#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All tests, as `make test` runs them: two runs of pytest side by side.

Tests that drive simulated devices, graphs and browsers in real time mostly wait; the others compute. The
second kind runs beside the first and takes what would be idle.
With arguments, it is one run of pytest with them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from zprl_core.supervisor import end_with_parent

TESTS = Path(__file__).resolve().parents[1] / "tests"
REAL_TIME = ("bringup", "cameras", "cli", "hardware", "panel", "policy", "ros", "teleop")
PYTEST = (sys.executable, "-m", "pytest")
LOWEST, PATIENCE_S = 19, 30.0
AUTOGROUP = Path("/proc/self/autogroup")
NOTHING_FAILED = 0


def give_way() -> None:
    """This process and what it starts run where nothing else would.

    Where Linux shares the processors out to sessions first (CONFIG_SCHED_AUTOGROUP), a priority counts within
    one only. So this becomes a session of its own, and the least of all. It ends with its parent.
    """
    os.setsid()
    end_with_parent()
    os.nice(LOWEST)
    with contextlib.suppress(OSError):  # no such kernel, or another process has just asked for the same
        AUTOGROUP.write_text(str(LOWEST))


def end(beside: subprocess.Popen[bytes]) -> None:
    """With all that it has started in its session."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(beside.pid, number)
            beside.wait(PATIENCE_S)


def main(arguments: list[str]) -> int:
    """Run them; the exit code of what failed, 0 where nothing did."""
    if arguments:
        return subprocess.call([*PYTEST, *arguments])
    folders = sorted(path for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("test_*.py")))
    unknown = set(REAL_TIME) - {path.name for path in folders}
    assert not unknown, f"no tests in {sorted(unknown)}"
    assert not list(TESTS.glob("test_*.py")), "a test outside of all folders would not be run"
    waiting = [str(path) for path in folders if path.name in REAL_TIME]
    computing = [str(path) for path in folders if path.name not in REAL_TIME]
    with tempfile.TemporaryFile("w+") as told:
        beside = subprocess.Popen(
            [*PYTEST, "-p", "no:cacheprovider", *computing],
            stdout=told,
            stderr=subprocess.STDOUT,
            preexec_fn=give_way,
        )
        try:
            codes = [subprocess.call([*PYTEST, *waiting])]
            print("run_tests: what ran beside it:", flush=True)
            codes.append(beside.wait())
        finally:
            end(beside)
            told.seek(0)
            sys.stdout.write(told.read())
    return next((code for code in codes if code != NOTHING_FAILED), NOTHING_FAILED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
