# SPDX-License-Identifier: Apache-2.0
"""zprl launch: what `ros2 launch launch/<mode>.launch.py` does, where ROS came from pip."""

from __future__ import annotations

import argparse

from zprl_core import launch_arguments

NAME = "launch"
HELP = "start a node graph with arguments in the style of ros2 launch"


def _listed() -> str:
    """The launch arguments, under the modes in which they mean the same; `zprl replay --help` has its own."""
    modes: dict[tuple[str, str], list[str]] = {}
    for mode, known in launch_arguments.LAUNCH_ARGUMENTS.items():
        for argument in known.items() if mode != launch_arguments.REPLAY else ():
            modes.setdefault(argument, []).append(mode)
    parts: dict[str, list[str]] = {}
    for (name, text), found in modes.items():
        parts.setdefault(", ".join(found), []).append(f"  {name:<12}{text}\n")
    return "\n".join(f"{title}:\n{''.join(lines)}" for title, lines in parts.items())


DESCRIPTION = f"""\
Starts the same graph as `ros2 launch launch/train.launch.py ...` does, on machines where ROS 2 came from pip
and `ros2 launch` does not exist. Arguments are name:=value; all but rig and task (bag and policy) have
defaults; `zprl replay --help` explains those of replay.

{_listed()}"""
EXAMPLE = """\
  zprl launch train rig:=sim_xarm6 task:=place_orange
  zprl launch collect rig:=sim_xarm6 task:=place_orange_demo teleop:=192.0.2.10:8771
  zprl launch replay bag:=runs/my/run/bags policy:=runs/my/run
  zprl launch evaluate rig:=sim_xarm6 task:=place_orange_demo policy:=runs/my/run out:=runs/my/eval
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("mode", choices=tuple(launch_arguments.LAUNCH_ARGUMENTS), help="which graph")
    parser.add_argument("settings", nargs="*", metavar="NAME:=VALUE", help="launch arguments")
    parser.add_argument("--quiet", action="store_true", help="show progress instead of what the nodes print")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.cli.running import run_session

    given = launch_arguments.split_arguments(args.mode, args.settings)
    if args.mode == launch_arguments.REPLAY:
        from zprl_core.cli.playing import play

        play(launch_arguments.replay(given), verbose=not args.quiet)
        return 0
    prepared = launch_arguments.prepare(args.mode, given)
    return run_session(prepared, verbose=not args.quiet)
