"""What holds for all tests."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A deadline per example measures how busy the machine is; pytest's time-out catches what hangs.
settings.register_profile("zprl", deadline=None)
settings.load_profile("zprl")

# A shell without job control starts background jobs with SIGINT ignored, and their children inherit that. The
# tests press Ctrl-C on their own processes, so they need it whoever started them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """Sessions that a failed test started end with its file."""
    yield
    if training := sys.modules.get("tests.ros.training"):
        training.end_all()
