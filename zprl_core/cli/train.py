# SPDX-License-Identifier: Apache-2.0
"""zprl train: base evaluations, online learning, final evaluation, in a graph of ROS 2 processes."""

from __future__ import annotations

import argparse
from pathlib import Path

from zprl_core import resuming, start
from zprl_core.cli import arguments
from zprl_core.errors import ConfigError

NAME = "train"
HELP = "improve a frozen base policy online, on a rig"
DESCRIPTION = """\
Starts the rig's node graph and runs: N episodes through c and N through z (the two base paths), online
learning for the task's number of chunks, and N episodes with the last checkpoint. Everything goes into one
folder; OUT/summary.json has the result, `tensorboard --logdir OUT/tb` the curves.

A run that was interrupted, or killed, goes on with --resume; what it was started with is read from OUT.
"""
EXAMPLE = """\
  zprl train --rig sim_xarm6 --task place_orange_demo --base runs/my/base.ckpt --out runs/my/run
  zprl train --resume --out runs/my/run
"""


SETTLED = ("lambda_", "steering")
"""Of a run: it keeps them in its own task file."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser, required=False)
    arguments.add_task(parser, required=False)
    parser.add_argument(
        "--base", type=Path, metavar="CKPT", help="checkpoint of the base policy, from `zprl pretrain`"
    )
    arguments.add_out(parser, "folder of the run, new or empty", "RUN")
    parser.add_argument(
        "--chunks",
        type=arguments.not_negative,
        metavar="N",
        help="training chunks (default: the task's budget)",
    )
    arguments.add_seed(parser, None)
    parser.add_argument(
        "--eval-episodes",
        type=arguments.not_negative,
        metavar="N",
        help="episodes of each evaluation (default: the task's)",
    )
    parser.add_argument(
        "--eval-every",
        type=arguments.positive,
        metavar="CHUNKS",
        help="training chunks between further evaluations (default: the task's)",
    )
    parser.add_argument(
        "--lambda",
        dest="lambda_",
        type=arguments.scale,
        metavar="X",
        help="perturbation scale of eq. (7) (default: the task's, or 15 %% of RMS(z) where it has none)",
    )
    parser.add_argument(
        "--steering",
        choices=("latent", "action_residual"),
        help="what is perturbed: the latent (ZPRL, the default), or the action chunk, averaged over three "
        "steps (the baseline); --lambda is then the residual's scale (default: the task's rl.residual_scale)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in RUN")
    arguments.add_session(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.cli.running import run_session

    given = {
        name: getattr(args, name)
        for name in ("rig", "task", "base", "chunks", "seed", "eval_episodes", "eval_every", *SETTLED)
        if getattr(args, name) is not None
    }
    options = arguments.session_options(args)
    if args.resume:
        prepared = resuming.resume(args.out, options=options, **given)
    else:
        missing = [f"--{name}" for name in ("rig", "task", "base") if name not in given]
        if missing:
            raise ConfigError(f"{', '.join(missing)}: required unless --resume goes on with a run")
        prepared = start.training(out=args.out, options=options, **given)
    return run_session(prepared, verbose=args.verbose)
