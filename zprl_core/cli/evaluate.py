# SPDX-License-Identifier: Apache-2.0
"""zprl evaluate: success rate of a checkpoint or a run over fresh layouts."""

from __future__ import annotations

import argparse
from pathlib import Path

from zprl_core import panel_address, start
from zprl_core.cli import arguments

NAME = "evaluate"
HELP = "measure a base policy or a trained run, on a rig"
DESCRIPTION = """\
Starts the rig's node graph without a learner and runs N episodes on random layouts. A base checkpoint is
measured on both its paths, through c and through z; a run is measured with its last actor. Writes
OUT/episodes.jsonl and OUT/summary.json, with success rates and Wilson 95 % intervals.
"""
EXAMPLE = """\
  zprl evaluate --rig sim_xarm6 --task place_orange_demo --policy runs/my/run --out runs/my/eval
"""
EVALUATION_SEED = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser)
    arguments.add_task(parser)
    parser.add_argument(
        "--policy",
        required=True,
        type=Path,
        metavar="CKPT_OR_RUN",
        help="a base checkpoint from `zprl pretrain`, or the folder of a `zprl train`",
    )
    parser.add_argument(
        "--episodes", type=arguments.positive, metavar="N", help="episodes on each path (default: the task's)"
    )
    parser.add_argument(
        "--checkpoint",
        type=arguments.positive,
        metavar="CHUNKS",
        help="of a run: measure the state that it kept after so many training chunks (default: its last one)",
    )
    arguments.add_out(parser, "folder of the result, new or empty", "DIR")
    arguments.add_seed(parser, EVALUATION_SEED, ": layouts that no training with a smaller seed has seen")
    arguments.add_session(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.cli.running import run_session

    prepared = start.evaluation(
        rig=args.rig,
        task=args.task,
        policy=args.policy,
        out=args.out,
        episodes=args.episodes,
        checkpoint=args.checkpoint,
        seed=args.seed,
        lockstep=False if args.realtime else None,
        shadow=args.shadow,
        operator=args.operator,
        panel=panel_address.wanted(args.panel),
        record=args.record,
        teleop=args.teleop,
    )
    return run_session(prepared, verbose=args.verbose)
