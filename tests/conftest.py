"""What holds for all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# A deadline per example measures how busy the machine is; pytest's time-out catches what hangs.
settings.register_profile("zprl", deadline=None)
settings.load_profile("zprl")

EXPECTED = (
    "GPU",
    "no instructions for bf16",
    "no real-time priority is permitted",
    "no groups by session",
    "at the lowest priority already",
    "ros2 launch exists only where ROS was installed with apt",
    "scripts/format_readers.sh",
    "ray is not installed",
)
"""What reasons for a skip have in them where everything is installed that `make setup` installs."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where ZPRL_NO_SKIPS is set, a test that is skipped for another reason fails the run."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("ZPRL_NO_SKIPS") or reporter is None:
        return
    for report in reporter.stats.get("skipped", ()):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(each in reason for each in EXPECTED):
            reporter.write_line(f"{report.nodeid} must not be skipped: {reason}", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Task file and base checkpoint that are small enough to train on in seconds."""
    from tests.ros import training  # needs torch

    folder = tmp_path_factory.mktemp("tiny")
    task = training.tiny_task(folder)
    return str(task), str(training.tiny_base(folder, task))


# A shell without job control starts background jobs with SIGINT ignored, and their children inherit that. The
# tests press Ctrl-C on their own processes, so they need it whoever started them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """Sessions that a failed test started end with its file."""
    yield
    if training := sys.modules.get("tests.ros.training"):
        training.end_all()
