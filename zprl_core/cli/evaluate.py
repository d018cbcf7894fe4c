# SPDX-License-Identifier: Apache-2.0
"""zprl evaluate: success rate of a checkpoint or a run over fresh layouts."""

from __future__ import annotations

import argparse
from pathlib import Path

from zprl_core import resuming, start
from zprl_core.cli import arguments
from zprl_core.config import ALL_CASES
from zprl_core.errors import ConfigError
from zprl_core.prepared import Prepared
from zprl_core.wanted_evaluation import ERROR_RATE, ONLY, SEED

NAME = "evaluate"
HELP = "measure a base policy or a trained run, on a rig"
DESCRIPTION = """\
Starts the rig's node graph without a learner and measures two policies on the same N random layouts, trial by
trial, in an order that the seed draws: of a run its base policy and the steered one, of a base checkpoint its
two paths, through c and through z. Until the end nobody is told which one drives. Writes OUT/episodes.jsonl
and OUT/summary.json: rates with Wilson 95 % intervals, the paired difference and McNemar's test.
docs/evaluation.md says what each number means.
"""
EXAMPLE = """\
  zprl evaluate --rig sim_xarm6 --task place_orange_demo --policy runs/my/run --out runs/my/eval
  zprl evaluate --rig sim_xarm6 --task place_orange_demo --policy runs/my/run --case all --out runs/my/cases
  zprl evaluate --resume --out runs/my/eval
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser, required=False)
    arguments.add_task(parser, required=False)
    parser.add_argument(
        "--policy",
        type=Path,
        metavar="CKPT_OR_RUN",
        help="a base checkpoint from `zprl pretrain`, or the folder of a `zprl train`",
    )
    parser.add_argument(
        "--episodes",
        type=arguments.positive,
        metavar="N",
        help="layouts that each policy gets (default: the task's)",
    )
    parser.add_argument(
        "--checkpoint",
        type=arguments.positive,
        metavar="CHUNKS",
        help="of a run: measure the state that it kept after so many training chunks (default: its last one)",
    )
    parser.add_argument("--only", choices=tuple(ONLY), help="one policy, openly, instead of two in turns")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="a robustness case of the task instead of plain layouts, as often as its trials say; can be "
        f"given several times; '{ALL_CASES}' for all of them",
    )
    parser.add_argument(
        "--layouts",
        type=Path,
        metavar="FILE",
        help="layouts that somebody chose, in the task's region (default: the seed draws them)",
    )
    parser.add_argument(
        "--open", action="store_true", help="tell people which policy drives while it is measured"
    )
    parser.add_argument(
        "--stop-early",
        action="store_true",
        help="end as soon as the layouts so far show which policy is better",
    )
    parser.add_argument(
        "--error-rate",
        type=arguments.share,
        default=ERROR_RATE,
        metavar="A",
        help="with --stop-early: largest probability of ever ending early where both are equally good "
        f"(default {ERROR_RATE:g})",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the evaluation in DIR")
    arguments.add_out(parser, "folder of the result, new or empty", "DIR")
    note = f" (default {SEED}: layouts that no training with a smaller seed has seen)"
    arguments.add_seed(parser, None, note)
    arguments.add_session(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.cli.running import run_session

    prepared = _resumed(args) if args.resume else _new(args)
    return run_session(prepared, verbose=args.verbose)


def _new(args: argparse.Namespace) -> Prepared:
    missing = [f"--{name}" for name in ("rig", "task", "policy") if getattr(args, name) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: required unless --resume goes on with an evaluation")
    return start.evaluation(
        rig=args.rig,
        task=args.task,
        policy=args.policy,
        out=args.out,
        episodes=args.episodes,
        checkpoint=args.checkpoint,
        only=args.only,
        cases=args.case,
        error_rate=args.error_rate if args.stop_early else None,
        open_=args.open,
        layouts=args.layouts,
        seed=SEED if args.seed is None else args.seed,
        options=arguments.session_options(args),
    )


def _resumed(args: argparse.Namespace) -> Prepared:
    """What it was started with is read from its folder; only what may change is taken from here."""
    given = {name: getattr(args, name) for name in ("rig", "task", "seed") if getattr(args, name) is not None}
    fixed = ("policy", "episodes", "checkpoint", "only", "case", "layouts", "open", "stop_early")
    unwanted = [f"--{name.replace('_', '-')}" for name in fixed if getattr(args, name)]
    if unwanted:
        raise ConfigError(
            f"{', '.join(unwanted)}: stands in the evaluation that --resume goes on with; leave it out"
        )
    return resuming.resume(args.out, mode="evaluate", options=arguments.session_options(args), **given)
