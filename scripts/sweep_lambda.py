"""Success of ZPRL over the perturbation scale and other settings, on seeds and layouts that no report uses.

python -m scripts.sweep_lambda --base runs/demo/seed0/base.ckpt --lambdas 0.25 0.5 1.0 --chunks 8000
python -m scripts.sweep_lambda --base runs/demo/seed0/base.ckpt --lambdas 0.3 --vary extra_utd=0,2 --seeds 3 \
    --chunks 2000 --processes 2
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
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
    name = ", ".join((f"lambda {lambda_}", *(f"{k} {v}" for k, v in settings.items()), f"seed {seed}"))
    done, curve = 0, []
    wins: list[bool] = []
    while done < chunks:
        wins.append(experiment.run("explore", "training", len(wins)))
        done += experiment.last.chunks
        if len(wins) % RECENT == 0:
            curve.append((done, sum(wins[-RECENT:]) / RECENT))
            print(f"{name}: {done} chunks, last {RECENT} episodes {curve[-1][1]:.2f}", flush=True)
    experiment.take_actor()
    final = experiment.measure("steer", episodes)
    print(f"{name}: {text(final)} after {len(wins)} episodes", flush=True)
    return {
        "lambda": lambda_,
        "rl": settings,
        "seed": seed,
        "chunks": done,
        "training_episodes": len(wins),
        "updates": experiment.learner.counters.updates,
        "training_success_last100": sum(wins[-RECENT:]) / min(RECENT, len(wins)),
        "training_curve": curve,
        "final": final.rate,
        "wilson95": final.wilson(),
        "episodes": episodes,
        "wall_s": round(time.monotonic() - began, 1),
    }


def _grid(pairs: list[str]) -> Iterator[dict[str, object]]:
    """Every combination of what KEY=VALUE,VALUE,... names."""
    keys = [pair.partition("=")[0] for pair in pairs]
    values = [[yaml.safe_load(value) for value in pair.partition("=")[2].split(",")] for pair in pairs]
    for chosen in itertools.product(*values):
        yield dict(zip(keys, chosen, strict=True))


def main() -> None:
    """Run the sweep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--base", type=Path, required=True, help="checkpoint of the base policy")
    parser.add_argument("--lambdas", type=float, nargs="+", required=True)
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--chunks", type=int, default=8000)
    parser.add_argument("--episodes", type=int, default=100, help="of each measurement")
    parser.add_argument(
        "--vary", nargs="*", default=[], metavar="KEY=VALUE,...", help="settings of the task's rl section"
    )
    parser.add_argument("--processes", type=int, default=1, help="runs at a time, each on one core")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    cells = [
        (args.base, lambda_, FIRST_SEED + number, args.chunks, args.episodes, settings)
        for lambda_ in args.lambdas
        for settings in _grid(args.vary)
        for number in range(args.seeds)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.processes, mp_context=context) as pool:
        results = list(pool.map(train, *zip(*cells, strict=True)))
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
