"""The best constant perturbation: what could be had without a policy that looks at the scene.

Searches dz in [-1, 1]^d by the cross-entropy method with as many episodes as a training run has, then
measures the result on the layouts of that run's measurement. If a constant does as well, the task only had
an offset.

    python -m scripts.constant_dz --base runs/demo/seed0/base.ckpt --lambda 0.5 --episodes 700 --seed 0
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from scripts.experiment import Experiment, text
from zprl_core.rl import weights
from zprl_core.rl.actor import Actor

CANDIDATES, TRIALS, ELITE = 14, 10, 4
"""Per round: constants tried, episodes for each (the same layouts), and how many shape the next round."""
LIMIT = 0.999


def constant_actor(actor: Actor, dz: np.ndarray) -> bytes:
    """Weights with which tanh(mean) is dz whatever the actor sees."""
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.zero_()
        list(actor.parameters())[-1][: actor.dim] = torch.atanh(torch.from_numpy(dz).float())
    return weights.to_bytes(actor)


def search(experiment: Experiment, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """The mean of the last round's distribution."""
    dim = experiment.runtime.steering.dim
    mean, spread = np.zeros(dim), np.full(dim, 0.5)
    rounds = max(1, episodes // (CANDIDATES * TRIALS))
    for number in range(rounds):
        tried = np.clip(mean + spread * rng.standard_normal((CANDIDATES, dim)), -LIMIT, LIMIT)
        tried[0] = mean
        scores = [_score(experiment, dz, number) for dz in tried]
        best = tried[np.argsort(scores)[::-1][:ELITE]]
        mean, spread = best.mean(axis=0), 0.3 * spread + 0.7 * best.std(axis=0)
        print(f"round {number + 1}/{rounds}: best {max(scores):.2f}, mean {np.mean(scores):.2f}", flush=True)
    return np.clip(mean, -LIMIT, LIMIT)


def _score(experiment: Experiment, dz: np.ndarray, number: int) -> float:
    _use(experiment, dz)
    return experiment.measure("steer", TRIALS, "training", number * TRIALS).rate


def _use(experiment: Experiment, dz: np.ndarray) -> None:
    version = experiment.runtime.actor_version + 1
    experiment.runtime.set_actor(version, constant_actor(experiment.runtime.actor, dz))


def main() -> None:
    """Search and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--base", type=Path, required=True, help="checkpoint of the base policy")
    parser.add_argument("--lambda", dest="lambda_", type=float, required=True)
    parser.add_argument("--episodes", type=int, default=700, help="of the search")
    parser.add_argument("--measure", type=int, default=100, help="episodes of the measurement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    experiment = Experiment(args.base, args.lambda_, args.seed)
    base = experiment.measure("base_z", args.measure)
    dz = search(experiment, args.episodes, np.random.default_rng(args.seed))
    _use(experiment, dz)
    found = experiment.measure("steer", args.measure)
    print(f"base through z {text(base)}\nbest constant  {text(found)}")
    if args.out:
        result = {"seed": args.seed, "lambda": args.lambda_, "base_z": base.rate, "constant": found.rate}
        result |= {"wilson95": found.wilson(), "episodes": args.measure, "dz": dz.round(4).tolist()}
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
