"""How long Python's collector holds up a node when it looks through everything, as it comes up and as `run`
leaves it.

    python -m tests.benchmarks.collector

Each node's modules are imported in a process of its own. Prints medians of five full collections, ms.
"""

from __future__ import annotations

import subprocess
import sys

NODES = (
    "zprl_arms.arm_bridge",
    "policy_node.policy_node",
    "learner_node.learner_node",
    "zprl_session.session_node",
)
PROBE = """
import gc, importlib, statistics, sys, time
from zprl_bringup.node import _spare_collector

def full_ms():
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        gc.collect()
        times.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(times)

importlib.import_module(sys.argv[1])
gc.collect()
before, objects = full_ms(), len(gc.get_objects())
_spare_collector()
print(f"{sys.argv[1]}: {objects} objects, {before:.1f} ms, spared {full_ms():.3f} ms")
"""


def main() -> None:
    """Measure each."""
    for node in NODES:
        subprocess.run([sys.executable, "-c", PROBE, node], check=True)


if __name__ == "__main__":
    main()
