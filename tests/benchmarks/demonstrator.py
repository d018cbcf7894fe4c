"""Does what a person in a headset teaches become a policy?

`python -m tests.benchmarks.demonstrator --out DIR`: a scripted person in an emulated Quest 3 does Place
Orange in the twin, in real time, through controller, page, node, bridge and physics; what went wrong is
discarded and done again. The bags alone then make a dataset, a base policy and its evaluation. Writes
DIR/result.json and prints a table.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

from tests.ros import training
from tests.teleop import collection, person
from tests.teleop.collection import collecting
from tests.teleop.headset import Headset, headsets
from zprl_core.cli.progress import percent
from zprl_core.measurement import proportion
from zprl_core.records import read_records

TASK = "place_orange_demo"
ENDS = ("Labelled", "Done", "Fault", "Stopped")
LATENCY = re.compile(r"hand to arm (\d+) ms")


def main() -> None:
    """Demonstrate, train, evaluate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="new or empty")
    parser.add_argument("--episodes", type=int, default=10, help="demonstrations")
    parser.add_argument("--evaluate", type=int, default=40, help="episodes of the evaluation, on each path")
    args = parser.parse_args()
    out = args.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    result = demonstrate(out / "demos", args.episodes)
    result |= train(out, args.evaluate)
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    for name, value in result.items():
        print(f"| {name} | {value} |")


def demonstrate(run: Path, episodes: int) -> dict[str, Any]:
    """As many demonstrations as asked for."""
    begun_s, latencies, trips = time.monotonic(), [], []
    with collecting(run, "--episodes", str(episodes)) as cell, headsets() as browser:
        headset = Headset(browser, cell.link)
        headset.enter()
        while sum(not record.void for record in cell.records) < episodes:
            latencies += [int(ms) for ms in LATENCY.findall(demonstrate_once(headset))]
            trips.append(float(headset.text("round-trip").removesuffix(" ms")))
        took_s = time.monotonic() - begun_s
        cell.process.communicate(timeout=60.0)
    records = read_records(run / "episodes.jsonl")
    kept = [record.episode for record in records if not record.void]
    return {
        "demonstrations kept": len(kept),
        "discarded": len(records) - len(kept),
        "of the kept: the half rests on the filter": sum(collection.succeeded(run, one) for one in kept),
        "minutes": round(took_s / 60.0, 1),
        "hand to arm, ms": f"{min(latencies)} to {max(latencies)}",
        "round trip of the page, ms": f"{min(trips):.0f} to {max(trips):.0f}",
    }


def demonstrate_once(headset: Headset) -> str:
    """One demonstration, kept where the arm followed to the end; the arm's line."""
    steps = person.way(headset.begin())
    headset.hold("right", "trigger", steps[0][-1])
    headset.grip()
    headset.walk(steps)
    followed, said = headset.follows, headset.text("arms")
    headset.let_go()
    if headset.text("word") == "Running":
        headset.press(*(("right", "b-button") if followed else ("left", "y-button")))
    headset.until(lambda: headset.text("word").startswith(ENDS), "it is over")
    return said


def train(out: Path, episodes: int) -> dict[str, Any]:
    """From the bags to an evaluated base policy."""
    bags = [str(path) for path in sorted((out / "demos" / "bags").glob("episode_*"))]
    base = out / "base.ckpt"
    steps = {
        "dataset": ("dataset", "build", *bags, "--task", TASK, "--out", str(out / "data")),
        "pretrain": (
            "pretrain",
            "--task",
            TASK,
            "--data",
            str(out / "data"),
            "--out",
            str(out / "base.ckpt"),
        ),
        "evaluate": (
            *("evaluate", "--rig", "sim_xarm6", "--task", TASK, "--policy", str(base)),
            *("--episodes", str(episodes), "--out", str(out / "eval")),
        ),
    }
    for name, words in steps.items():
        print(f"{name} ...", flush=True)
        done = training.zprl(*words, timeout_s=5400.0)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")
    records = read_records(out / "eval" / "episodes.jsonl")
    return {f"success, {block}": percent(proportion(records, block)) for block in ("base_c", "base_z")}


if __name__ == "__main__":
    main()
