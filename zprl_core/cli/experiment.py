# SPDX-License-Identifier: Apache-2.0
"""zprl experiment: the paper's simulation section."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments

if TYPE_CHECKING:
    from zprl_core.experiments.cells import Trial

    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

NAME = "experiment"
HELP = "the paper's simulation section: benchmark tasks, baselines, ablations"
DESCRIPTION = """\
Runs the paper's experiments in simulation: benchmark tasks with medium experts, steered by ZPRL and by other
methods, as hardware_config/experiments/*.yaml says. A trial is a method on a task with a seed. It keeps what
it has after every point of its learning curve and goes on from there when it is run again; trials that
several experiments need are run once. Needs no ROS.
"""
EXAMPLE = """\
  zprl experiment list
  zprl experiment run figure_3 --root runs/experiments --processes 2
  zprl experiment status figure_3 --root runs/experiments
  zprl experiment report figure_3 --root runs/experiments --out runs/figure_3
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    commands = parser.add_subparsers(dest="what", metavar="COMMAND", required=True)
    listing = _part(commands, "list", "all experiments, and their cells")
    listing.set_defaults(run=_list)
    running = _part(commands, "run", "run what is missing of an experiment")
    _add_selection(running)
    running.add_argument(
        "--processes",
        type=arguments.positive,
        default=max(1, (os.cpu_count() or 2) // 2),
        metavar="N",
        help="trials at a time, each on one core (default: half of the cores)",
    )
    running.add_argument(
        "--simulators",
        type=arguments.not_negative,
        default=0,
        metavar="N",
        help="processes that share a trial's simulators, beside its own (default: 0, all in one); "
        "no result depends on it",
    )
    running.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="of all networks (default: cpu, which from state is the faster one)",
    )
    running.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster, which sees --root too")
    running.set_defaults(run=_run)
    status = _part(commands, "status", "how far its trials are")
    _add_selection(status)
    status.set_defaults(run=_status)
    report = _part(commands, "report", "its figure and its tables, from what is there")
    _add_selection(report)
    arguments.add_out(report, "folder of the report, new or empty", "DIR")
    report.set_defaults(run=_report)


def _part(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    """The parser of a part of the command, with the command's own example of it."""
    (example,) = (line for line in EXAMPLE.splitlines() if line.startswith(f"  zprl {NAME} {name}"))
    return commands.add_parser(
        name, help=text, epilog=f"example:\n{example}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def run(args: argparse.Namespace) -> int:
    """Never called: each part of the command has its own."""
    raise AssertionError(args.what)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an experiment: a name, or a .yaml file")
    parser.add_argument(
        "--root", required=True, type=Path, metavar="DIR", help="folder of demonstrations, bases and trials"
    )
    parser.add_argument(
        "--scale", choices=("cpu", "paper"), default="cpu", help="which of its cells (default: cpu)"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only cells with this in their name")


def _selected(args: argparse.Namespace) -> list[Trial]:
    from zprl_core.errors import ConfigError
    from zprl_core.experiments.cells import trials

    found = trials(args.name, args.scale)
    chosen = [trial for trial in found if args.only in trial.cell.name]
    if not chosen:
        names = ", ".join(dict.fromkeys(trial.cell.name for trial in found))
        raise ConfigError(f"--only {args.only}: no cell of {args.name} has this in its name. Known: {names}")
    return chosen


def _list(_args: argparse.Namespace) -> int:
    from zprl_core.experiments.cells import experiment_names, load_experiment

    for name in experiment_names():
        experiment = load_experiment(name)
        print(f"{name}: {experiment.title} (paper: {experiment.source})")
        for scale in ("cpu", "paper"):
            cells = getattr(experiment, scale)
            print(f"  --scale {scale}: {len(cells)} cells x {len(experiment.seeds)} seeds")
            for cell in cells:
                print(f"    {cell.name}")
    return 0


def _run(args: argparse.Namespace) -> int:
    from zprl_core.experiments.runner import Machine, run_on_ray, run_trials, standing
    from zprl_core.training.replicas import chosen_device

    left = [trial for trial in _selected(args) if standing(trial, args.root).state != "done"]
    left.sort(key=lambda trial: trial.seed)  # every cell's first seed before any cell's second
    print(f"{len(left)} trials to run in {args.root}", flush=True)
    if args.ray:
        failed = run_on_ray(left, args.root.absolute(), args.ray, Machine(args.simulators, args.device))
    else:
        machine = Machine(args.simulators, chosen_device(args.device))
        failed = run_trials(left, args.root, args.processes, machine)
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 2 if failed else 0


def _root(args: argparse.Namespace) -> Path:
    """Where trials are.

    Raises:
        DataError: there is no such folder.
    """
    from zprl_core.errors import DataError

    root: Path = args.root
    if not root.is_dir():
        raise DataError(f"--root {root}: no such folder; `zprl experiment run` makes one")
    return root


def _status(args: argparse.Namespace) -> int:
    from zprl_core.experiments.bases import demonstrations_path
    from zprl_core.experiments.runner import standing, told

    root, chosen = _root(args), _selected(args)
    for trial in chosen:
        found = standing(trial, root)
        last = f": {told(found.points[-1])}" if found.points else ""
        share = f" {found.points[-1].chunks / trial.task.budget.chunks:.0%}" if found.points else ""
        error = f": {found.error}" if found.error else ""
        print(f"{trial.cell.name}, seed {trial.seed}: {found.state}{share}{error}{last}")
    for folder in dict.fromkeys(demonstrations_path(trial, root) for trial in chosen):
        print(f"demonstrations: {folder}{'' if folder.exists() else ' (not there yet)'}")
    return 0


def _report(args: argparse.Namespace) -> int:
    from zprl_core.experiments.reports.document import report
    from zprl_core.run_folder import make_folder, refuse_used

    refuse_used(args.out, "remove it")
    chosen = ["--only", args.only] if args.only else []
    words = ["report", args.name, "--root", args.root.name, "--out", args.out.name, "--scale", args.scale]
    command = shlex.join(["zprl", "experiment", *words, *chosen])
    document = report(args.name, _selected(args), _root(args), args.out, command)
    make_folder(args.out)
    print(f"report: {document.write(args.out)}")
    return 0
