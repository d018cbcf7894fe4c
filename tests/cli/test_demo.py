# SPDX-License-Identifier: Apache-2.0
"""`make demo` and Ctrl-C, which a terminal sends to the whole process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = """
import sys, time
from pathlib import Path

here = Path(sys.argv[1])
try:
    (here / "up").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    (here / "ended").touch()
"""


def interrupted(command: list[str], ready: Callable[[], bool], **environment: str) -> tuple[int, str]:
    """The exit code, and what it said, of a command that gets Ctrl-C when it is ready."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 60
    try:
        while not ready():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):  # nothing is left of it
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said


def test_a_step_has_the_time_that_it_needs_to_end(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    code = "import sys; from scripts.demo import module; module('slow', sys.argv[1])"
    up = (tmp_path / "up").exists
    _, said = interrupted(["-c", code, str(tmp_path)], up, PYTHONPATH=str(tmp_path))
    assert (tmp_path / "ended").exists()
    assert said.endswith("KeyboardInterrupt\n")


def test_the_demo_says_how_to_go_on(tmp_path: Path) -> None:
    pytest.importorskip("zprl_sim")

    def ready() -> bool:
        return any(
            path.stat().st_size > 1000 for path in tmp_path.glob("seed3/.demonstrations.*/image_*.npy")
        )

    code, said = interrupted(["scripts/demo.py", "--out", str(tmp_path), "--seed", "3"], ready)
    assert code == 130
    assert "Traceback" not in said
    *_, collect, demo = said.splitlines()
    assert collect.endswith("zprl collect: interrupted")
    assert demo == f"demo: interrupted; run `make demo ARGS='--out {tmp_path} --seed 3'` again to go on"
    assert list((tmp_path / "seed3").iterdir()) == []
