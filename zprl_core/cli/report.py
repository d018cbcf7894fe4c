# SPDX-License-Identifier: Apache-2.0
"""zprl report: the paper's figures and tables from runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from zprl_core.cli import arguments

NAME = "report"
HELP = "the paper's figures and tables from runs, as one page"
DESCRIPTION = """\
Reads training runs and evaluations of one task and writes OUT/report.html, one file with everything inside,
and the same as report.md, figures (PNG) and tables/*.csv: success and episode length over controller steps
with bands over seeds, steps to a success rate of 0.9, Tables I to IV in the paper's form, smoothness against
the base policy, the tool's way in the picture, the guard's curves, rates and stalls, and where everything
comes from.

Training runs that differ in nothing but their seed are seeds of one setting. Evaluations made with one seed
had the same layouts, and are compared on these.
"""
EXAMPLE = """\
  zprl report runs/demo/seed0/zprl runs/demo/seed1/zprl runs/demo/seed0/eval --out runs/demo/report
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs, of one task")
    arguments.add_out(parser, "folder of the report, new or empty", "DIR")
    parser.add_argument(
        "--camera",
        metavar="NAME",
        help="whose picture the tool's way is drawn into (default: the first fixed one)",
    )
    parser.add_argument(
        "--projection",
        action="append",
        default=[],
        metavar="CAMERA=FILE",
        help="where a fixed camera sees the first arm's base frame: a 3x4 matrix K [R | t] to pixels, as "
        "YAML; those of the simulated cell are known",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.data.projection import read_projections
    from zprl_core.report.runs import read_runs
    from zprl_core.report.sections import report
    from zprl_core.report.ways import drawn
    from zprl_core.run_folder import make_folder, refuse_used

    refuse_used(args.out, "remove it")
    projections = read_projections(args.projection)
    runs = read_runs(args.runs)
    make_folder(args.out)
    document = report(runs, args.out, drawn(runs, args.out, args.camera, projections))
    for part in document.lead:
        print(getattr(part, "text", part))
    print(f"report: {document.write(args.out)}")
    return 0
