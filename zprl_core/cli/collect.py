# SPDX-License-Identifier: Apache-2.0
"""zprl collect: demonstrations of a task on a simulated rig."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from zprl_core.cli import arguments
from zprl_core.config import RigConfig, TaskConfig, check_pair, load_rig, load_task
from zprl_core.errors import RigError

if TYPE_CHECKING:
    from zprl_sim.collect import CollectConfig

NAME = "collect"
HELP = "make demonstrations with a simulated rig's scripted expert"
DESCRIPTION = """\
Lets the rig's scripted expert, which has flaws like a person's, do the task on random layouts, and keeps
every episode, the failed ones too. DIR appears when all of them are there.
"""
EXAMPLE = """\
  zprl collect --rig sim_xarm6 --task place_orange_demo --episodes 200 --out runs/my/data
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser)
    arguments.add_task(parser)
    parser.add_argument(
        "--episodes",
        type=arguments.positive,
        metavar="N",
        help="demonstrations (default: the task's budget)",
    )
    arguments.add_out(parser, "dataset folder to write", "DIR")
    arguments.add_seed(parser, 0)
    parser.add_argument(
        "--workers",
        type=arguments.positive,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="processes; the data does not depend on it (default: the number of processors)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset that is in DIR")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    rig, task = load_rig(args.rig), load_task(args.task)
    check_pair(rig, task)
    if rig.simulation is None:
        raise RigError(
            f"rig {rig.name} is real: its demonstrations come from a person, not from `zprl collect`"
        )
    from zprl_sim.collect import collect

    episodes = args.episodes or task.budget.demonstrations
    with _Bar(episodes) as bar:
        index = collect(
            args.out,
            episodes,
            args.seed,
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
    """Progress with the share of successes."""

    def __init__(self, total: int) -> None:
        from zprl_core.cli.progress import bar

        self._bar = bar("demonstrations", total, "ep")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, done: int, total: int, successes: int) -> None:
        self._bar.set_postfix_str(f"success {successes / done:.2f}", refresh=False)
        self._bar.update(done - self._bar.n)


def _print_result(out: object, index: dict[str, Any]) -> None:
    from zprl_core.cli.progress import percent
    from zprl_core.stats import Proportion

    episodes = index["episodes"]
    successes = sum(bool(episode["success"]) for episode in episodes)
    print(f"demonstrations that succeed: {percent(Proportion(successes, len(episodes)))}\ndataset: {out}")
