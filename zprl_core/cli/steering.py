# SPDX-License-Identifier: Apache-2.0
"""zprl steering: what the perturbation does to latents, features and actions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from zprl_core.cli import arguments

NAME = "steering"
HELP = "what a run's steering does to latents, features and actions (the paper's Fig. 11)"
DESCRIPTION = """\
Takes each kept checkpoint of a run and its last one, steers observations with it as in an evaluation, and
compares with not steering: how far z~ lies from the offline latents (Mahalanobis, Ledoit-Wolf), how far the
decoded feature moves, how large the perturbation is beside z, and where features and actions lie on a map
(UMAP). Says whether the paper's guidelines for lambda are kept.

The observations are those that the run made while it learned (RUN/transitions.log), or of bags, or a dataset.
"""
EXAMPLE = """\
  zprl steering runs/my/run --out runs/my/steering
  zprl steering runs/lambda_01 runs/lambda_03 --data runs/my/data --out runs/my/lambdas
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of `zprl train`")
    arguments.add_out(parser, "folder of the result, new or empty", "DIR")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--bag", nargs="+", type=Path, metavar="BAG", help="states of bags that hold plans, or pictures"
    )
    source.add_argument(
        "--data", type=Path, metavar="DIR", help="states of a dataset: the paper's 0.8 is about these"
    )
    arguments.add_rig(parser, required=False)
    arguments.add_seed(parser, 0)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.arithmetic import use_threads
    from zprl_core.bags.named import bags_named
    from zprl_core.run_folder import make_folder, refuse_used, write_text
    from zprl_core.steering import study

    refuse_used(args.out, "remove it")
    use_threads(1)
    runs = study.open_runs(args.runs)
    if args.bag:
        states = study.of_bags(bags_named(args.bag), runs[0], args.rig or "")
    elif args.data:
        states = study.of_dataset(args.data, runs[0])
    else:
        states = study.visited(runs)
    make_folder(args.out)
    print(f"{len(states.c)} states: {states.source}", file=sys.stderr)
    found = [study.studied(each, states, args.seed) for each in runs]
    method = study.draw(found, args.out / "steering.png", args.seed)
    text = study.written(found, states, method)
    write_text(args.out / "steering.md", text)
    data = {"states": states.source, "map": method, "seed": args.seed, "runs": study.plain(found)}
    write_text(args.out / "steering.json", json.dumps(data, indent=2, allow_nan=False) + "\n")
    study.write_table(found, args.out / "steering.csv")
    print(text)
    return 0
