# SPDX-License-Identifier: Apache-2.0
"""zprl dataset import: a dataset of another library becomes one of a task."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments, gripper
from zprl_core.cli.progress import counting
from zprl_core.data.formats.choices import FITS, ROTATION_FORMS
from zprl_core.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from zprl_core.config import TaskConfig
    from zprl_core.data.formats.planning import ImportOptions
    from zprl_core.data.formats.source import Source

HELP = "from a dataset of robomimic, LeRobot, diffusion_policy or D4RL"
DESCRIPTION = """\
Reads a dataset of another library, holds it against the task, and writes DIR, whole or not at all. What the
source does not say has to be said here; nothing is scaled, left out or converted without being told to.
docs/dataset_formats.md says what maps to what.
"""
EXAMPLE = """\
  zprl dataset import --format robomimic image_abs.hdf5 --task can --out runs/can --gripper-as-is
  zprl dataset import --format d4rl hammer-human-v1.hdf5 --task hammer --out runs/hammer
  zprl dataset import --format lerobot FOLDER --task place_orange --out runs/orange \\
      --camera third_view=observation.images.front --fit crop --action-rotation rotvec --gripper-as-is
"""
FORMATS = ("robomimic", "lerobot", "diffusion_policy", "d4rl")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="its HDF5 file, folder or zip")
    parser.add_argument("--format", required=True, choices=FORMATS, help="the library that SOURCE is for")
    arguments.add_task(parser)
    arguments.add_out(parser, "dataset folder to write", "DIR")
    _configure_observation(parser)
    _configure_action(parser)
    parser.add_argument("--rate", type=arguments.scale, metavar="HZ", help="the source's, if it does not say")
    parser.add_argument(
        "--thin",
        action="store_true",
        help="keep every k-th tick of a source that is k times as fast as the task",
    )
    parser.add_argument(
        "--episodes",
        type=arguments.positive,
        metavar="N",
        help="draw N of the source's episodes by chance; more of them hold the fewer (default: all)",
    )
    parser.add_argument(
        "--seed", type=arguments.not_negative, default=0, metavar="N", help="of that draw (default: 0)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset that is in DIR")


def _configure_observation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME=KEY",
        help="the source's key for a camera of the task; once a camera",
    )
    parser.add_argument("--proprio", metavar="KEY,KEY", help="keys that make q, in this order")
    parser.add_argument(
        "--fit",
        choices=FITS,
        default="exact",
        help="pictures of another size: refuse (exact), scale each side (resize), or cut the middle and "
        "scale (crop); default: %(default)s",
    )


def _configure_action(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--action", dest="action_keys", metavar="KEY,KEY", help="keys that make the action, in this order"
    )
    parser.add_argument(
        "--action-rotation",
        choices=ROTATION_FORMS,
        help="how the source writes a rotation; task: as the task does, handed through",
    )
    gripper.configure(parser)
    parser.add_argument(
        "--gripper-as-is",
        action="store_true",
        help="the gripper's number is a width in m already, or what a benchmark's simulator takes",
    )
    parser.add_argument(
        "--absolute",
        action="store_true",
        help="you vouch that the actions are absolute poses, where robomimic's file does not show it",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.config import load_task
    from zprl_core.data.formats.importing import Draw, import_dataset
    from zprl_core.data.formats.planning import make_plan
    from zprl_core.data.writing import require_room

    task, options = load_task(args.task), options_of(args)
    require_room(args.out.absolute(), args.overwrite)  # before minutes of work, not after
    with _opened(args.format, args.source, task) as source:
        plan = make_plan(source, task, options)
        draw = None if args.episodes is None else Draw(args.episodes, args.seed)
        with counting("episodes", args.episodes or len(source), "ep") as count:
            episodes = import_dataset(
                source, plan, args.out, draw=draw, overwrite=args.overwrite, progress=count
            )
    print(f"episodes: {episodes}\ndataset: {args.out}")
    return 0


def options_of(args: argparse.Namespace) -> ImportOptions:
    """What the arguments say.

    Raises:
        ConfigError: a camera without its key, or two things said about the gripper.
    """
    from zprl_core.data.formats.planning import ImportOptions

    if args.gripper_as_is and (args.gripper_open or args.gripper_closed):
        raise ConfigError("--gripper-as-is: contradicts --gripper-open and --gripper-closed; leave one out")
    return ImportOptions(
        cameras=dict(_camera(text) for text in args.camera),
        proprio=_keys(args.proprio),
        action=_keys(args.action_keys),
        rotation=args.action_rotation,
        gripper=gripper.scale_of(args),
        gripper_as_is=args.gripper_as_is,
        fit=args.fit,
        thin=args.thin,
        rate_hz=args.rate,
        absolute=args.absolute,
    )


def _opened(kind: str, path: Path, task: TaskConfig) -> AbstractContextManager[Source]:
    if kind == "d4rl":
        from zprl_core.experiments.d4rl import D4rlSource

        return D4rlSource(path, task)
    if kind == "robomimic":
        from zprl_core.data.formats.robomimic import RobomimicSource

        return RobomimicSource(path)
    if kind == "lerobot":
        from zprl_core.data.formats.lerobot import LerobotSource

        return LerobotSource(path)
    from zprl_core.data.formats.diffusion_policy import DiffusionPolicySource

    return DiffusionPolicySource(path)


def _camera(text: str) -> tuple[str, str]:
    name, separator, key = text.partition("=")
    if not (name and separator and key):
        raise ConfigError(f"--camera {text}: must be NAME=KEY, the task's camera and the source's key")
    return name, key


def _keys(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(key for key in text.split(",") if key)
