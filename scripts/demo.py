"""`make demo`: from nothing to a robot that gets better, with the commands that a user would type.

Collects demonstrations, trains a base policy, improves it with ZPRL in a graph of real ROS 2 processes, draws
the learning curve, and films base policy and trained policy side by side. Each step is a `zprl` command that
is printed before it runs; steps whose result is there already are skipped, and an interrupted run is resumed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from zprl_core.plots import learning_curve
from zprl_core.records import read_records

RIG, TASK = "sim_xarm6", "place_orange_demo"
INTERRUPTED = 130


def module(*words: str) -> int:
    """Run a module to its end, which a terminal's Ctrl-C reaches too, however long it takes to end cleanly.

    Raises:
        KeyboardInterrupt: it has ended, and one of the two was interrupted.
    """
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        code = subprocess.run([sys.executable, "-m", *words], check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if heard or code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    return code


def zprl(*arguments: str) -> None:
    """Run a zprl command, printing it first; ends this process if it fails."""
    print(f"\n$ zprl {shlex.join(arguments)}", flush=True)
    if code := module("zprl_core.cli", *arguments):
        sys.exit(code)


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder; everything goes into OUT/seed<seed>"
    )
    parser.add_argument("--seed", type=int, default=0, help="of demonstrations, base policy and training run")
    return parser.parse_args()


def main() -> int:
    """Make the demo; the exit code is 130 after Ctrl-C."""
    args = parse()
    try:
        make(args)
    except KeyboardInterrupt:
        given = f" ARGS={shlex.quote(shlex.join(sys.argv[1:]))}" if sys.argv[1:] else ""
        print(f"demo: interrupted; run `make demo{given}` again to go on", file=sys.stderr)
        return INTERRUPTED
    return 0


def make(args: argparse.Namespace) -> None:
    """Make what is missing of the demo."""
    began = time.monotonic()
    folder, seed = args.out / f"seed{args.seed}", str(args.seed)
    data, base, run = folder / "demonstrations", folder / "base.ckpt", folder / "zprl"
    folder.mkdir(parents=True, exist_ok=True)
    if not (data / "dataset.json").exists():
        zprl("collect", "--rig", RIG, "--task", TASK, "--out", str(data), "--seed", seed, "--overwrite")
    if not base.exists():
        zprl("pretrain", "--task", TASK, "--data", str(data), "--out", str(base), "--seed", seed)
    train = ["train", "--rig", RIG, "--task", TASK, "--base", str(base), "--out", str(run)]
    zprl(*train, "--seed", seed, *(["--resume"] if run.exists() else []))
    episodes, name = read_records(run / "episodes.jsonl"), f"seed {seed}"
    learning_curve({name: episodes}, run / "learning_curve.png", f"{TASK}, {name}")
    film = str(folder / "before_after.mp4")
    module("scripts.film", "--run", str(run), "--out", film)  # says so where nothing was cured
    report(json.loads((run / "summary.json").read_text()))
    print(f"{run / 'learning_curve.png'}\n{(time.monotonic() - began) / 60:.1f} minutes")


def report(summary: dict[str, Any]) -> None:
    """Print both success rates with their intervals."""
    for name, key in (("base policy", "base"), ("after ZPRL", "final")):
        low, high = summary[f"wilson95_{key}"]
        rate = summary[f"{key}_success_rate"]
        print(f"{name:12} {rate:.0%}  (95 %: {low:.0%} to {high:.0%}) of {summary['eval_episodes']} episodes")


if __name__ == "__main__":
    sys.exit(main())
