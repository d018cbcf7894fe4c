# SPDX-License-Identifier: Apache-2.0
"""zprl collect: demonstrations of a task, by a person, or by a simulated rig's scripted expert."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from zprl_core import panel_address, resuming, start
from zprl_core.cli import arguments
from zprl_core.config import RigConfig, TaskConfig, check_pair, load_rig, load_task
from zprl_core.errors import ConfigError
from zprl_core.session_options import SessionOptions

if TYPE_CHECKING:
    from zprl_sim.collect import CollectConfig

NAME = "collect"
HELP = "collect demonstrations: a person's, or a simulated rig's scripted expert's"
DESCRIPTION = """\
By a person (--teleop; always on a real rig): starts the rig's graph and serves a page for a headset, a
gamepad or a keyboard, with which a person moves the arms. Each demonstration becomes a bag in OUT/bags, kept
as a success, kept all the same, or discarded; `zprl dataset build OUT/bags/* --task T --out DIR` makes a
dataset of them. A collection that was interrupted goes on with --resume.

By the scripted expert (a simulated rig without --teleop): does the task on random layouts, with flaws like a
person's, and keeps every episode, the failed ones too. OUT is the dataset then, and appears when it is whole.
"""
EXAMPLE = """\
  zprl collect --rig xarm6_place_orange --task place_orange --teleop 192.0.2.10:8771 --out runs/my/demos
  zprl collect --resume --out runs/my/demos
  zprl collect --rig sim_xarm6 --task place_orange_demo --episodes 200 --out runs/my/data
"""


FIXED = ("task", "limit_s", "seed")
"""What a collection keeps."""
BY_A_PERSON = ("panel", "limit_s")
"""What the scripted expert has no use for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser, required=False)
    arguments.add_task(parser, required=False)
    parser.add_argument(
        "--episodes",
        type=arguments.positive,
        metavar="N",
        help="demonstrations (default: the task's budget)",
    )
    arguments.add_out(parser, "folder to write, new or empty", "OUT")
    arguments.add_seed(parser, None, " (default 0)")
    parser.add_argument(
        "--workers",
        type=arguments.positive,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="processes; the data does not depend on it (default: the number of processors)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the expert's dataset in OUT")
    parser.add_argument(
        "--teleop",
        nargs="?",
        const=panel_address.DEFAULT_TELEOP,
        metavar="HOST:PORT",
        help="a person demonstrates, on a page that is served there "
        f"(HOST:PORT {panel_address.DEFAULT_TELEOP} where none is given)",
    )
    parser.add_argument(
        "--panel",
        metavar="HOST:PORT",
        help=f"where the operator's page is served beside it (default: {panel_address.DEFAULT}); "
        f"'{panel_address.NONE}' for no page",
    )
    parser.add_argument(
        "--limit-s",
        type=arguments.scale,
        metavar="S",
        help=f"a person's longest demonstration, s (default {start.LIMIT_S:g})",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the collection of a person in OUT")
    parser.add_argument(
        "--verbose", action="store_true", help="show what the nodes print; it is in OUT/logs anyway"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.resume:
        return _by_a_person(args)
    missing = [f"--{name}" for name in ("rig", "task") if getattr(args, name) is None]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: required unless --resume goes on with a collection")
    rig, task = load_rig(args.rig), load_task(args.task)
    check_pair(rig, task)
    if args.teleop is not None or rig.simulation is None:
        return _by_a_person(args)
    if alone := [f"--{name.replace('_', '-')}" for name in BY_A_PERSON if getattr(args, name) is not None]:
        raise ConfigError(
            f"{', '.join(alone)}: only where a person demonstrates; add --teleop, or leave it out"
        )
    return _by_the_expert(args, rig, task)


def _by_a_person(args: argparse.Namespace) -> int:
    from zprl_core.cli.running import run_session

    options = SessionOptions.of_demonstrations(panel_address.wanted(args.panel), args.teleop or "")
    if args.resume:
        fixed = [f"--{name.replace('_', '-')}" for name in FIXED if getattr(args, name) is not None]
        if fixed:
            raise ConfigError(
                f"{', '.join(fixed)}: a collection keeps what it was started with; leave it out"
            )
        prepared = resuming.resume_collection(args.out, rig=args.rig, episodes=args.episodes, options=options)
    else:
        prepared = start.collection(
            rig=args.rig,
            task=args.task,
            out=args.out,
            episodes=args.episodes,
            seed=args.seed or 0,
            limit_s=args.limit_s or start.LIMIT_S,
            options=options,
        )
    return run_session(prepared, verbose=args.verbose)


def _by_the_expert(args: argparse.Namespace, rig: RigConfig, task: TaskConfig) -> int:
    from zprl_sim.collect import collect

    episodes = args.episodes or task.budget.demonstrations
    with _Bar() as bar:
        index = collect(
            args.out,
            episodes,
            args.seed or 0,
            _config(rig, task),
            workers=args.workers,
            overwrite=args.overwrite,
            progress=bar,
        )
    _print_result(args.out, index)
    return 0


def _config(rig: RigConfig, task: TaskConfig) -> CollectConfig:
    from zprl_sim.collect import CollectConfig

    return CollectConfig(
        cameras={view.name: (view.height, view.width) for view in task.observation.cameras},
        horizon_steps=task.horizon_steps,
        task=task.name,
        rig=rig.name,
        lead_steps=task.observation.lead_steps,
    )


class _Bar:
    """Progress with the share of successes; nothing is shown before the first call."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done: int, total: int, successes: int) -> None:
        from zprl_core.cli.progress import bar

        if self._bar is None:
            self._bar = bar("demonstrations", total, "ep")
        if not done:
            return
        self._bar.set_postfix_str(f"success {successes / done:.2f}", refresh=False)
        self._bar.update(done - self._bar.n)


def _print_result(out: object, index: dict[str, Any]) -> None:
    from zprl_core.cli.progress import percent
    from zprl_core.stats import Proportion

    episodes = index["episodes"]
    successes = sum(bool(episode["success"]) for episode in episodes)
    print(f"demonstrations that succeed: {percent(Proportion(successes, len(episodes)))}\ndataset: {out}")
