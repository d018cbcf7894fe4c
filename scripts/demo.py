"""`make demo`: from nothing to a robot that gets better, with the commands that a user would type.

Collects demonstrations, trains a base policy, improves it with ZPRL in a graph of real ROS 2 processes, and
draws the learning curve. Each step is a `zprl` command that is printed before it runs; steps whose result is
there already are skipped, and an interrupted training run is resumed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from zprl_core.plots import learning_curve
from zprl_core.records import read_records

RIG, TASK = "sim_xarm6", "place_orange_demo"


def zprl(*arguments: str) -> None:
    """Run a zprl command, printing it first; ends this process if it fails."""
    print(f"\n$ zprl {shlex.join(arguments)}", flush=True)
    code = subprocess.run([sys.executable, "-m", "zprl_core.cli", *arguments], check=False).returncode
    if code:
        sys.exit(code)


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder; everything goes into OUT/seed<seed>"
    )
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations, base policy and training run")
    return parser.parse_args()


def main() -> None:
    """Make the demo."""
    args = parse()
    began = time.monotonic()
    folder, seed = args.out / f"seed{args.seed}", str(args.seed)
    data, base, run = folder / "demonstrations", folder / "base.ckpt", folder / "zprl"
    folder.mkdir(parents=True, exist_ok=True)
    if not (data / "dataset.json").exists():
        zprl("collect", "--rig", RIG, "--task", TASK, "--out", str(data), "--seed", seed)
    if not base.exists():
        zprl("pretrain", "--task", TASK, "--data", str(data), "--out", str(base), "--seed", seed)
    train = ["train", "--rig", RIG, "--task", TASK, "--base", str(base), "--out", str(run)]
    zprl(*train, "--seed", seed, *(["--resume"] if run.exists() else []))
    summary = json.loads((run / "summary.json").read_text())
    learning_curve(
        [read_records(run / "episodes.jsonl")], run / "learning_curve.png", f"{TASK}, seed {args.seed}"
    )
    low, high = summary["wilson95_base"]
    final_low, final_high = summary["wilson95_final"]
    print(
        f"\nbase policy  {summary['base_success_rate']:.0%}  (95 %: {low:.0%} to {high:.0%})\n"
        f"after ZPRL   {summary['final_success_rate']:.0%}  (95 %: {final_low:.0%} to {final_high:.0%}), "
        f"{summary['eval_episodes']} episodes each\n"
        f"{run / 'learning_curve.png'}\n{(time.monotonic() - began) / 60:.1f} minutes"
    )


if __name__ == "__main__":
    main()
