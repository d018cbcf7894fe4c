# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands share, and types of arguments."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from zprl_core import panel_address
from zprl_core.session_options import SessionOptions

LARGEST_SEED = 2**62
"""What a ROS parameter holds, with room to spare."""


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def scale(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def share(text: str) -> float:
    """A number between 0 and 1, without either."""
    value = scale(text)
    if value >= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not below 1")
    return value


def _whole(text: str, low: int) -> int:
    if not text.lstrip("-").isdigit() or int(text) < low:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {low}")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 to LARGEST_SEED."""
    value = _whole(text, 0)
    if value > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is above {LARGEST_SEED}")
    return value


def add_task(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """--task."""
    parser.add_argument(
        "--task",
        required=required,
        metavar="T",
        help="task: a name from hardware_config/tasks or a .yaml file",
    )


def add_rig(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """--rig."""
    parser.add_argument(
        "--rig", required=required, metavar="R", help="rig: a name from hardware_config/rigs or a .yaml file"
    )


def add_out(parser: argparse.ArgumentParser, what: str, metavar: str) -> None:
    """--out."""
    parser.add_argument("--out", required=True, type=Path, metavar=metavar, help=what)


def add_seed(parser: argparse.ArgumentParser, default: int | None, note: str = "") -> None:
    """--seed."""
    shown = note if default is None else f" (default {default}{note})"
    parser.add_argument(
        "--seed", type=seed, default=default, metavar="S", help=f"seed of every random draw{shown}"
    )


def add_session(parser: argparse.ArgumentParser) -> None:
    """What commands that start a graph with a policy have in common."""
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="run on the wall clock; by default a simulated rig runs in lockstep, as fast as the CPU allows",
    )
    parser.add_argument(
        "--shadow",
        action="store_true",
        help="for a first day at a real cell: everything runs, and the motors stay off; nothing is learned",
    )
    parser.add_argument(
        "--operator",
        action="store_true",
        help="on a simulated rig: a person starts and labels the episodes, instead of the judge",
    )
    parser.add_argument(
        "--panel",
        nargs="?",
        const=panel_address.DEFAULT,
        metavar="HOST:PORT",
        help=f"serve the operator's web page there (default: {panel_address.DEFAULT} where a person labels, "
        f"else nowhere); '{panel_address.NONE}' for no page",
    )
    parser.add_argument(
        "--record",
        action=argparse.BooleanOptionalAction,
        help="write every episode to a bag in OUT/bags (default: where the rig is real)",
    )
    parser.add_argument(
        "--teleop",
        nargs="?",
        const=panel_address.DEFAULT_TELEOP,
        default="",
        metavar="HOST:PORT",
        help="serve the teleoperation page there, with which a person can take the arms over "
        f"(HOST:PORT {panel_address.DEFAULT_TELEOP} where none is given)",
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show what the nodes print; it is in OUT/logs anyway"
    )


def session_options(args: argparse.Namespace) -> SessionOptions:
    """What the arguments of `add_session` mean."""
    return SessionOptions(
        lockstep=False if args.realtime else None,
        shadow=args.shadow,
        operator=args.operator,
        panel=panel_address.wanted(args.panel),
        record=args.record,
        teleop=args.teleop,
    )
