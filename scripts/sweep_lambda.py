"""Success of ZPRL over the perturbation scale, on seeds and layouts that no reported run uses.

python -m scripts.sweep_lambda --base runs/demo/seed0/base.ckpt --lambdas 0.25 0.5 1.0 --chunks 8000
python -m scripts.sweep_lambda --base runs/demo/seed0/base.ckpt --lambdas 0.3 --rl extra_utd=2 --chunks 2000
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import yaml

from scripts.experiment import Experiment, text

FIRST_SEED = 500  # reported runs use seeds from 0 on
RECENT = 100


def train(
    base: Path, lambda_: float, seed: int, chunks: int, episodes: int, settings: dict[str, object]
) -> dict[str, object]:
    """One training run; its result as plain data."""
    experiment, began = Experiment(base, lambda_, seed, settings), time.monotonic()
    done = 0
    wins: list[bool] = []
    while done < chunks:
        wins.append(experiment.run("explore", "training", len(wins)))
        done += experiment.last.chunks
        if len(wins) % RECENT == 0:
            rate = sum(wins[-RECENT:]) / RECENT
            print(
                f"lambda {lambda_}, seed {seed}: {done} chunks, last {RECENT} episodes {rate:.2f}", flush=True
            )
    experiment.take_actor()
    final = experiment.measure("steer", episodes)
    print(f"lambda {lambda_}, seed {seed}: {text(final)} after {len(wins)} episodes", flush=True)
    return {
        "lambda": lambda_,
        "rl": settings,
        "seed": seed,
        "chunks": done,
        "training_episodes": len(wins),
        "updates": experiment.learner.counters.updates,
        "training_success_last100": sum(wins[-RECENT:]) / min(RECENT, len(wins)),
        "final": final.rate,
        "wilson95": final.wilson(),
        "episodes": episodes,
        "wall_s": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Run the sweep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--base", type=Path, required=True, help="checkpoint of the base policy")
    parser.add_argument("--lambdas", type=float, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--chunks", type=int, default=8000)
    parser.add_argument("--episodes", type=int, default=100, help="of each measurement")
    parser.add_argument("--rl", nargs="*", default=[], metavar="KEY=VALUE", help="of the task's rl section")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    settings = {key: yaml.safe_load(value) for key, _, value in (pair.partition("=") for pair in args.rl)}
    results = [
        train(args.base, value, FIRST_SEED + number, args.chunks, args.episodes, settings)
        for value in args.lambdas
        for number in range(args.seeds)
    ]
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
