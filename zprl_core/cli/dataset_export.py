# SPDX-License-Identifier: Apache-2.0
"""zprl dataset export: a dataset for another library."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments, gripper
from zprl_core.cli.progress import counting
from zprl_core.data.formats.choices import IMAGES, ROTATION_FORMS
from zprl_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from zprl_core.data.formats.action_form import ActionForm
    from zprl_core.data.reading import StoredDataset

HELP = "for LeRobot or robomimic"
DESCRIPTION = """\
Writes a dataset so that another library's own reader opens it, whole or not at all. L, calibration, stamps
and every episode's entry go along, so that `zprl dataset import` restores the dataset.
docs/dataset_formats.md says what maps to what.
"""
EXAMPLE = """\
  zprl dataset export --format lerobot runs/my/data --out runs/my/lerobot
  zprl dataset export --format robomimic runs/can --out can.hdf5 --action-rotation rotvec \\
      --gripper-open -1 0.08 --gripper-closed 1 0
"""
FORMATS = ("lerobot", "robomimic")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("dataset", type=Path, metavar="DIR", help="folder of a dataset")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the library that it is for")
    arguments.add_out(parser, "new folder (lerobot) or HDF5 file (robomimic)", "OUT")
    parser.add_argument(
        "--action-rotation",
        choices=ROTATION_FORMS,
        default="task",
        help="how rotations are written; task: as in the dataset (default)",
    )
    gripper.configure(parser)
    parser.add_argument(
        "--images",
        choices=IMAGES,
        default="h264",
        help="lerobot: video, which loses a little, or png, which does not; default: %(default)s",
    )
    parser.add_argument(
        "--instruction", default="", metavar="TEXT", help="lerobot: the task in words (default: its name)"
    )
    parser.add_argument(
        "--no-next-obs",
        action="store_true",
        help="robomimic: leave next_obs out, which halves the file; imitation does not need it",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.data.reading import open_dataset

    dataset = open_dataset(args.dataset)
    form = _form(dataset, args)
    if args.out.resolve().is_relative_to(args.dataset.resolve()):
        raise DataError(f"{args.out}: lies in the dataset; choose another --out")
    with counting("episodes", len(dataset), "ep") as count:
        if args.format == "lerobot":
            from zprl_core.data.formats.lerobot_writing import write_lerobot

            write_lerobot(
                dataset, args.out, form, images=args.images, instruction=args.instruction, progress=count
            )
        else:
            from zprl_core.data.formats.robomimic_writing import write_robomimic

            write_robomimic(dataset, args.out, form, next_obs=not args.no_next_obs, progress=count)
    print(f"episodes: {len(dataset)}\n{args.format}: {args.out}")
    return 0


def _form(dataset: StoredDataset, args: argparse.Namespace) -> ActionForm:
    from zprl_core.data.formats.action_form import ActionForm
    from zprl_core.data.formats.lerobot_layout import codec_of

    scale = gripper.scale_of(args)
    if dataset.header.action is None and (args.action_rotation != "task" or scale is not None):
        raise ConfigError(
            f"{dataset.folder}: is of an older format, which does not say how its actions are written; "
            "export it with --action-rotation task and without a gripper, or make it again"
        )
    return ActionForm(codec_of(dataset.header), args.action_rotation, scale)
