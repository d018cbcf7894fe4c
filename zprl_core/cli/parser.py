# SPDX-License-Identifier: Apache-2.0
"""The commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType

import zprl_core
from zprl_core.cli import (
    bag,
    bench,
    collect,
    dataset,
    doctor,
    evaluate,
    experiment,
    lambda_,
    launch,
    pretrain,
    replay,
    report,
    session,
    sim_xarm,
    smoothness,
    steering,
    train,
)

COMMANDS: tuple[ModuleType, ...] = (
    collect,
    pretrain,
    lambda_,
    train,
    evaluate,
    replay,
    steering,
    report,
    experiment,
    launch,
    session,
    bag,
    dataset,
    smoothness,
    sim_xarm,
    doctor,
    bench,
)
_EXAMPLE = """\
from nothing to a robot that gets better:
  zprl doctor
  zprl collect --rig sim_xarm6 --task place_orange_demo --out runs/my/data
  zprl pretrain --task place_orange_demo --data runs/my/data --out runs/my/base.ckpt
  zprl train --rig sim_xarm6 --task place_orange_demo --base runs/my/base.ckpt --out runs/my/run
  zprl evaluate --rig sim_xarm6 --task place_orange_demo --policy runs/my/run --out runs/my/eval

`zprl COMMAND --help` explains one command.
"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments; `launch` takes those, too, that come after an option or look like one."""
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if args.command == launch.NAME:
        args.settings += rest
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def build_parser() -> argparse.ArgumentParser:
    """The parser of the `zprl` command; `args.run(args)` runs the chosen command."""
    parser = argparse.ArgumentParser(
        prog="zprl",
        description="Z-Perturbation Reinforcement Learning: take a robot policy trained from demonstrations, "
        "freeze it, and let it get better by steering its bottleneck latent.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"zprl {zprl_core.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in COMMANDS:
        sub = commands.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=f"example:\n{module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(sub)
        sub.set_defaults(run=module.run)
    return parser
