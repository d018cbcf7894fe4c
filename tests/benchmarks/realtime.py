"""The demo task in real time: does the policy keep its 30 Hz with the cameras and the learner at work?

    python -m tests.benchmarks.realtime --base runs/demo/seed0/base.ckpt --out runs/realtime
    python -m tests.benchmarks.realtime --rig xarm6_place_orange_sim --base ... --out runs/box

The second one drives the twin through the vendor's SDK and a simulated control box.
Trains for some chunks on the wall clock and prints what the nodes measured: how late ticks and setpoints
were, how long a plan took, how chunks joined, how many waypoints were skipped and how many chunks waited for
their actor.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.session_table import print_session
from zprl_core.config import load_task

TASK, RIG = "place_orange_demo", "sim_xarm6"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rig", default=RIG, help=f"rig (default {RIG})")
    parser.add_argument("--base", required=True, help="checkpoint of the base policy")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, new")
    parser.add_argument("--chunks", type=int, default=400, help="training chunks, warm-up included")
    args = parser.parse_args()
    words = ["train", "--rig", args.rig, "--task", TASK, "--base", args.base, "--out", str(args.out)]
    words += ["--chunks", str(args.chunks), "--eval-episodes", "0", "--realtime"]
    subprocess.run([sys.executable, "-m", "zprl_core.cli", *words], check=True)
    task = load_task(TASK)
    print_session(args.out, 1e3 * task.observation.lead_steps * task.tick_s)


if __name__ == "__main__":
    main()
