# SPDX-License-Identifier: Apache-2.0
"""zprl smoothness: how smoothly the arms moved in runs or bags, against the base policy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments
from zprl_core.policy_modes import BASES

if TYPE_CHECKING:
    from zprl_core.smoothness.report import Row

NAME = "smoothness"
HELP = "how smoothly the arms moved in runs or bags, against the base policy"
DESCRIPTION = """\
Of a run: what its bridges measured of every episode (RUN/motion), or without that its bags.
Of a bag: the same, measured anew from its states and chunks. Prints tables and writes OUT/episodes.csv (every
episode and arm), OUT/smoothness.json (means and ratios with 95 % intervals) and OUT/smoothness.md. What the
numbers are: docs/smoothness.md.
"""
EXAMPLE = """\
  zprl smoothness runs/my/run --out runs/my/smoothness
  zprl smoothness runs/my/po_dec runs/my/zprl --out runs/my/table_two
  zprl smoothness runs/my/run/bags/episode_000012 --out runs/my/episode_12
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="RUN_OR_BAG", help="folder of a run, or of a bag"
    )
    arguments.add_out(parser, "folder of the result, new or empty", "DIR")
    parser.add_argument(
        "--base",
        choices=BASES,
        default="base_c",
        help="the base policy's path that ratios are to: through c, or through z without steering "
        "(default base_c)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.errors import DataError
    from zprl_core.run_folder import make_folder, refuse_used
    from zprl_core.smoothness.report import groups
    from zprl_core.smoothness.writing import write

    refuse_used(args.out, "remove it")
    found = [row for path in args.paths for row in _rows(path)]
    if not found:
        named = ", ".join(map(str, args.paths))
        raise DataError(f"{named}: no episode in which an arm moved; a run keeps them in RUN/motion")
    made = groups(found, args.base)
    make_folder(args.out)
    tables, left = write(args.out, found, made, args.base), sum(not row.counts for row in found)
    print(tables)
    if made and left:
        print(f"{left} of {len(found)} left out: void, with the motors off, or with a person's help")
    return 0


def _rows(path: Path) -> list[Row]:
    """Of a run or a bag.

    Raises:
        DataError: it is neither, or damaged.
    """
    from zprl_core.bags.named import bags_named
    from zprl_core.bags.rosbag2 import METADATA
    from zprl_core.errors import DataError
    from zprl_core.records import read_records
    from zprl_core.run_folder import RunFolder
    from zprl_core.smoothness.episode import read_run
    from zprl_core.smoothness.report import rows

    run = RunFolder(path)
    if not path.exists():
        raise DataError(f"{path}: does not exist; name the folder of a run, or of a bag")
    if not run.spec_file.is_file():
        return _of_bag(path)
    name, records = path.resolve().name, read_records(run.episodes_file)
    found = rows(name, records, read_run(run.motion))
    if found or not run.bags.is_dir():
        return found
    bags = [bag for bag in bags_named([run.bags]) if (bag / METADATA).is_file()]
    return rows(name, records, [row.motion for bag in bags for row in _of_bag(bag)])


def _of_bag(bag: Path) -> list[Row]:
    from zprl_bringup.recorded_motion import read_motion
    from zprl_core.bags.labels import record_from
    from zprl_core.errors import DataError
    from zprl_core.smoothness.episode import measured_motion
    from zprl_core.smoothness.report import Row

    found, made = read_motion(bag), []
    for tracks in found.episodes:
        if found.label.get("episode") != str(tracks.episode) or not found.label.get("outcome"):
            raise DataError(
                f"{bag}: episode {tracks.episode} has no outcome; `zprl bag info` shows what it has"
            )
        record, motion = record_from(found.label), measured_motion(tracks, found.task.smoothness)
        made.append(Row(found.label.get("run_id", bag.name), record, motion, 0))
    return made
