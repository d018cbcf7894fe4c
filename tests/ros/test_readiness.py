"""A session that waits for somebody in vain says whom it did find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zprl_core import single_host

SCRIPT = """
import sys, time
import rclpy
from zprl_bringup.node import Node
from zprl_session.readiness import Readiness

rclpy.init()
node, said = Node("session_node"), []
others = [rclpy.create_node(name) for name in sys.argv[1:]]
Readiness(node, {"node /lost": lambda: False}, lambda: None, said.append, patience_s=1.0)
end = time.monotonic() + 20.0
while not said and time.monotonic() < end:
    rclpy.spin_once(node, timeout_sec=0.1)
print(*said)
"""


@pytest.mark.parametrize(
    ("others", "seen"), [(("camera", "bridge"), "/bridge, /camera"), ((), "no other node at all")]
)
def test_whom_it_found_is_said_beside_whom_it_misses(
    tmp_path: Path, others: tuple[str, ...], seen: str
) -> None:
    pytest.importorskip("rclpy")
    profile = single_host.dds_profile("single_host_shm")
    with single_host.free_domain({}) as domain:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *others],
            env=single_host.environment(profile, domain, tmp_path, os.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.strip() == f"missing after 1 s: node /lost; seen: {seen}; see the logs"
