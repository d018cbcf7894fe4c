# SPDX-License-Identifier: Apache-2.0
"""zprl dataset: datasets from bags, and what is in one."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from zprl_core.cli import arguments, dataset_export, dataset_import

if TYPE_CHECKING:
    from zprl_core.data.building import Built
    from zprl_core.data.projection import Matrix
    from zprl_core.data.reading import StoredDataset

NAME = "dataset"
HELP = "build a dataset from bags, and look at one"
DESCRIPTION = """\
A dataset holds demonstrations at a task's rate, for `zprl pretrain`. `zprl collect` writes one too.

  build   from the bags of recorded episodes, by the code that takes the policy's snapshots
  info    what is in a dataset, as text
  view    what is in a dataset, as a web page and a sheet of pictures
  import  from a dataset of robomimic, LeRobot or diffusion_policy
  export  for LeRobot or robomimic
"""
EXAMPLE = """\
  zprl dataset build runs/my/demos/bags/* --task place_orange_demo --out runs/my/data
  zprl dataset info runs/my/data
  zprl dataset view runs/my/data --out runs/my/data.html
"""

_OTHERS: dict[str, ModuleType] = {"import": dataset_import, "export": dataset_export}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_build(actions.add_parser("build", help="from the bags of recorded episodes"))
    info = actions.add_parser("info", help="what is in a dataset, as text")
    info.add_argument("dataset", type=Path, metavar="DIR", help="folder of a dataset")
    view = actions.add_parser("view", help="what is in a dataset, as a web page and a sheet of pictures")
    view.add_argument("dataset", type=Path, metavar="DIR", help="folder of a dataset")
    arguments.add_out(view, "web page to write, a .png of the same name beside it", "PAGE.html")
    view.add_argument(
        "--projection",
        action="append",
        default=[],
        metavar="CAMERA=FILE",
        help="where a fixed camera sees the first arm's base frame: a 3x4 matrix K [R | t] to pixels, as "
        "YAML; the tool's way is drawn into its picture. Those of the simulated cell are known",
    )
    view.add_argument("--overwrite", action="store_true", help="replace what is there")
    for name, module in _OTHERS.items():
        other = actions.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            epilog=f"example:\n{module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.configure(other)


def _configure_build(parser: argparse.ArgumentParser) -> None:
    from zprl_core.data.problems import REPAIRS

    kinds = "; ".join(f"{kind}: {what}" for kind, what in REPAIRS.items())
    parser.add_argument(
        "bags",
        nargs="+",
        type=Path,
        metavar="BAG",
        help="folder of a bag, its .mcap file, or a folder of bags such as RUN/bags",
    )
    arguments.add_task(parser)
    arguments.add_out(parser, "dataset folder to write", "DIR")
    parser.add_argument(
        "--outcomes",
        default="success,failure,horizon",
        metavar="LIST",
        help="outcomes of the episodes that are taken, void ones never are (default: %(default)s)",
    )
    parser.add_argument(
        "--repair", default="", metavar="LIST", help=f"kinds of problems to repair, by commas. {kinds}"
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave bad bags out; by default nothing is built where there is one",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset that is in DIR")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.action in _OTHERS:
        code: int = _OTHERS[args.action].run(args)
        return code
    if args.action == "build":
        return _build(args)
    from zprl_core.data.reading import open_dataset

    dataset = open_dataset(args.dataset)
    if args.action == "info":
        from zprl_core.data.describing import described

        print(described(dataset))
        return 0
    from zprl_core.data.page import write_page
    from zprl_core.data.projection import read_projections

    projections = {**_simulated(dataset), **read_projections(args.projection)}
    sheet = write_page(dataset, args.out, overwrite=args.overwrite, projections=projections)
    print(f"page: {args.out}" + (f"\nsheet: {sheet}" if sheet else ""))
    return 0


def _simulated(dataset: StoredDataset) -> dict[str, Matrix]:
    """Projections of the twin's fixed cameras, where the dataset was made with it."""
    from zprl_core.config import load_rig
    from zprl_core.errors import ConfigError, RigError

    header = dataset.header
    try:
        rig = load_rig(header.provenance.rig) if header.provenance else None
    except ConfigError:
        return {}
    found = {}
    for name, (height, width) in header.cameras.items() if rig and rig.simulated else ():
        from zprl_sim.render import projection

        with contextlib.suppress(RigError):  # a camera that moves
            found[name] = projection(name, height, width)
    return found


def _build(args: argparse.Namespace) -> int:
    from zprl_core.bags.named import bags_named
    from zprl_core.cli.progress import bar
    from zprl_core.config import load_task
    from zprl_core.data.building import BuildOptions, build
    from zprl_core.data.problems import check_repairs
    from zprl_core.data.writing import require_room

    task, bags = load_task(args.task), bags_named(args.bags)
    options = BuildOptions(
        outcomes=tuple(word for word in args.outcomes.split(",") if word),
        repairs=check_repairs([word for word in args.repair.split(",") if word]),
        skip_bad=args.skip_bad,
        overwrite=args.overwrite,
        facts={"command": shlex.join(["zprl", *sys.argv[1:]])},
    )
    require_room(args.out.absolute(), args.overwrite)  # before minutes of work, not after
    from zprl_bringup.recorded import read_recording
    from zprl_cameras.picture import Fit

    progress = bar("bags", len(bags), "bag")
    try:
        built = build(
            bags,
            task,
            args.out,
            lambda bag: read_recording(bag, task),
            lambda image, size: Fit(image.shape[:2], size)(image),
            options,
            lambda _bag: progress.update(1),
        )
    finally:
        progress.close()
    print(f"{_said(built)}\ndataset: {args.out}")
    return 0


def _said(built: Built) -> str:
    from zprl_core.data.problems import listed

    def counts(of: dict[str, int]) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(of.items())) or "none"

    lines = [f"episodes: {sum(built.taken.values())} ({counts(built.taken)})"]
    if built.left_out:
        lines.append(f"left out by their outcome: {counts(built.left_out)}")
    for bag, done in built.repaired.items():
        lines += [f"repaired: {bag}: {each}" for each in done]
    if built.bad:
        lines.append(f"bad bags left out: {len(built.bad)}\n{listed(built.bad)}")
    if built.uncalibrated:
        lines.append(
            "the rig was not calibrated: where a sample came later than its delay says, the policy saw an "
            "older one than stands here (`zprl doctor --measure`)"
        )
    return "\n".join(lines)
