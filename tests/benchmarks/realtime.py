"""The demo task in real time: does the policy keep its 30 Hz with the cameras and the learner at work?

    python tests/benchmarks/realtime.py --base runs/demo/seed0/base.ckpt --out runs/realtime
    python tests/benchmarks/realtime.py --rig xarm6_place_orange_sim --base ... --out runs/box

The second one drives the twin through the vendor's SDK and a simulated control box.
Trains for some chunks on the wall clock and prints what the nodes measured: how late ticks and setpoints
were, how long a plan took, how chunks joined, how many waypoints were skipped and how many chunks waited for
their actor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from zprl_core.config import load_task
from zprl_core.records import read_records

TASK, RIG = "place_orange_demo", "sim_xarm6"
SHOWN = 90
ROWS = (
    ("policy_node", "tick_error_ms", "policy tick, late by, ms"),
    ("policy_node", "inference_ms", "snapshot to plan, ms"),
    ("arm_bridge", "control_period_ms", "period between setpoints, ms"),
    ("arm_bridge", "servo_late_ms", "setpoint, late by, ms"),
    ("arm_bridge", "seam_gap_ms", "gap between chunks, ms"),
    ("arm_bridge", "seam_velocity_jump_m_s", "change of velocity between chunks, m/s"),
)
COUNTS = (
    ("arm_bridge", "skipped_steps", "waypoints skipped"),
    ("arm_bridge", "missed_servo_periods", "servo periods missed"),
    ("policy_node", "stalls", "chunks that waited for their actor"),
    ("learner_node", "updates", "updates meanwhile"),
)


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
    stats = {file.stem: json.loads(file.read_text()) for file in (args.out / "stats").glob("*.json")}
    print(f"{'':42} {'p50':>9} {'p99':>9}")
    for node, key, label in ROWS:
        found = stats[node][key]
        print(f"{label:42} {found['p50']:9.3f} {found['p99']:9.3f}")
    task = load_task(TASK)
    lead_ms = 1e3 * task.observation.lead_steps * task.tick_s
    late = stats["arm_bridge"]["servo_late_ms"]
    p50, p99 = (lead_ms + late[key] for key in ("p50", "p99"))
    print(f"{'observation to first motion (L), ms':42} {p50:9.3f} {p99:9.3f}")
    for node, key, label in COUNTS:
        print(f"{label:42} {stats[node][key]:9}")
    episodes = read_records(args.out / "episodes.jsonl")
    void = [episode for episode in episodes if episode.void]
    print(f"{'episodes':42} {len(episodes):9}\n{'void episodes':42} {len(void):9}")
    for episode in void:
        print(f"  episode {episode.episode}: {episode.reason[:SHOWN]}")


if __name__ == "__main__":
    main()
