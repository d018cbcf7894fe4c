#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All tests, as `make test` runs them: first those that compute, then those that drive things in real time.

Folders of the first kind run side by side, one on each processor. Tests of the second kind drive simulated
devices, graphs and browsers, mostly wait, and fail where something else keeps them waiting: they have the
machine to themselves. With arguments, it is one run of pytest with them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zprl_core.supervisor import end_with_parent

TESTS = Path(__file__).resolve().parents[1] / "tests"
REAL_TIME = ("bringup", "cameras", "cli", "hardware", "panel", "policy", "ros", "teleop")
PYTEST = (sys.executable, "-m", "pytest")
NOTHING_FAILED = 0


def main(arguments: list[str]) -> int:
    """Run them; the exit code of what failed, 0 where nothing did."""
    if arguments:
        return subprocess.call([*PYTEST, *arguments])
    folders = [path for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))]
    unknown = set(REAL_TIME) - {path.name for path in folders}
    assert not unknown, f"no tests in {sorted(unknown)}"
    assert not list(TESTS.glob("test_*.py")), "a test outside of all folders would not be run"
    computing = [path for path in folders if path.name not in REAL_TIME]
    computing = sorted(computing, key=size, reverse=True)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        codes = dict(zip((path.name for path in computing), pool.map(beside_others, computing), strict=True))
    codes["in real time"] = subprocess.call([*PYTEST, *(str(TESTS / name) for name in REAL_TIME)])
    failed = {name: code for name, code in codes.items() if code != NOTHING_FAILED}
    print(f"run_tests: failed, with pytest's exit codes: {failed}" if failed else "run_tests: all passed")
    return next(iter(failed.values()), NOTHING_FAILED)


def size(folder: Path) -> int:
    """Of its tests, bytes: about how long they take, so that the last ones to begin are short."""
    return sum(path.stat().st_size for path in folder.rglob("*.py"))


def beside_others(folder: Path) -> int:
    """Run a folder's tests, and print what they say when they are over; their exit code."""
    begun = time.monotonic()
    done = subprocess.run(
        [*PYTEST, "-p", "no:cacheprovider", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=end_with_parent,
    )
    print(f"{done.stdout}run_tests: {folder.name} took {time.monotonic() - begun:.0f} s", flush=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
