# SPDX-License-Identifier: Apache-2.0
"""zprl replay: a policy plans again what it saw in bags."""

from __future__ import annotations

import argparse
from pathlib import Path

from zprl_core.cli import arguments

NAME = "replay"
HELP = "have a policy plan again what it saw in bags, and compare"
DESCRIPTION = """\
Plays the observations of bags to the policy node, as they came or as fast as it takes them, and holds each
chunk that it plans against what was executed. OUT/replay.md says what was found: errors in position, rotation
and gripper, which episodes look unlike the demonstrations, how the critics' values fit what happened, whether
the recorded plans come out again, and how two policies differ. OUT/chunks.csv has a line for each chunk.

Nothing moves: no arm, no learner and no session takes part.
"""
EXAMPLE = """\
  zprl replay --bag runs/my/run/bags --policy runs/my/run --out runs/my/replay
  zprl replay --bag day1 day2.db3 --rig my_rig --policy base.ckpt --in-process --out runs/my/replay
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    from zprl_core.replay.modes import AUTO, MODES

    parser.add_argument(
        "--bag",
        nargs="+",
        required=True,
        type=Path,
        metavar="BAG",
        help="bags of rosbag2, in MCAP or sqlite3: folders, files, or a folder of bags such as RUN/bags",
    )
    parser.add_argument(
        "--policy",
        action="append",
        required=True,
        type=Path,
        metavar="CKPT_OR_RUN",
        help="a base checkpoint, the folder of a `zprl train`, or one of its checkpoints; given twice or "
        "more, they are compared",
    )
    arguments.add_out(parser, "folder of the result, new or empty", "DIR")
    parser.add_argument(
        "--checkpoint",
        type=arguments.positive,
        metavar="CHUNKS",
        help="of the run: the state that it kept after so many training chunks (default: its last one)",
    )
    parser.add_argument(
        "--mode",
        default=AUTO,
        choices=MODES,
        help="path of the policy: that of each episode when it was recorded, or one for all (default: steer "
        "for a run, base_c for a base checkpoint)",
    )
    arguments.add_rig(parser, required=False)
    arguments.add_seed(parser, None, " (default: the recorded run's, which repeats its draws)")
    parser.add_argument(
        "--in-process", action="store_true", help="without any ROS graph: the same plans, in this process"
    )
    parser.add_argument(
        "--rate",
        type=arguments.scale,
        metavar="X",
        help="play X times as fast as it was recorded (default: as fast as the policy takes it)",
    )
    parser.add_argument(
        "--start", type=arguments.scale, metavar="S", help="begin S seconds into each bag (default: at once)"
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out bags that cannot be replayed")
    parser.add_argument("--verbose", action="store_true", help="show what the nodes print")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.bags.named import bags_named
    from zprl_core.errors import ConfigError
    from zprl_core.replay.session import Replay, Request

    if args.in_process and (args.start or args.rate):
        raise ConfigError("--start and --rate are the player's: leave them out, or --in-process")
    request = Request(
        bags=tuple(bags_named(args.bag)),
        policies=tuple(args.policy),
        out=args.out,
        checkpoint=args.checkpoint,
        rig=args.rig or "",
        seed=args.seed,
        mode=args.mode,
        rate=args.rate,
        start_s=args.start or 0.0,
        skip_bad=args.skip_bad,
    )
    replay = Replay.prepare(request)
    if args.in_process:
        for policy in replay.policies:
            replay.plan_here(policy)
        replay.conclude()
    else:
        from zprl_core.cli.playing import play

        play(replay, verbose=args.verbose)
    return 0
