# SPDX-License-Identifier: Apache-2.0
"""zprl launch: what `ros2 launch launch/<mode>.launch.py` does, where ROS came from pip."""

from __future__ import annotations

import argparse

from zprl_core import launch_arguments

NAME = "launch"
HELP = "start a node graph with arguments in the style of ros2 launch"
DESCRIPTION = """\
Starts the same graph as `ros2 launch launch/train.launch.py ...` does, on machines where ROS 2 came from pip
and `ros2 launch` does not exist. Arguments are name:=value; all but rig and task (bag and policy) have
defaults; `zprl replay --help` explains those of replay:

  rig, task       names from hardware_config, or .yaml files
  base            train: the base checkpoint (default runs/<task>/base.ckpt)
  policy          evaluate: a checkpoint or a run (default runs/<task>/base.ckpt)
  out             folder of the run (default runs/<task>/<mode>-<date>-<time>)
  chunks          train: training chunks (default: the task's budget)
  episodes        episodes of each evaluation, or demonstrations (default: the task's)
  seed            of every random draw (default 0; evaluate: 1000000; replay: the recorded one)
  realtime        true: wall clock; false: lockstep (default: the rig's)
  shadow          true: motors off (default false)
  operator        true: a person labels instead of the judge, on a simulated rig (default false)
  record          true: every episode becomes a bag in OUT/bags (default: where the rig is real)
  panel           host:port of the operator's panel, or none (default: on, where a person labels)
  teleop          host:port of the teleoperation page (default: collect: on this machine; else none)
"""
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
