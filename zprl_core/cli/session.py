# SPDX-License-Identifier: Apache-2.0
"""zprl session: see what a running session does, and tell it what a person decides."""

from __future__ import annotations

import argparse
import getpass
import os
from pathlib import Path

from zprl_core.errors import DataError, SessionError
from zprl_core.plan import place_in_words, read_plan, trial
from zprl_core.records import read_records
from zprl_core.run_folder import RunFolder, read_json

NAME = "session"
HELP = "look at a running session, or command it from a terminal"
DESCRIPTION = """\
What the panel's buttons do, from a terminal on the same machine; docs/session.md explains it.

  state                              what the session does, and what is possible now
  success, failure                   the outcome of the episode that is running or waits for a label
  start, begin, pause, resume, abort, undo, stop, clear
  correct EPISODE OUTCOME            the outcome of an earlier episode: success, failure, horizon or void
"""
EXAMPLE = """\
  zprl session runs/my/run state
  zprl session runs/my/run stop
  zprl session runs/my/run correct 12 failure
"""
LABELS = ("success", "failure")
COMMANDS = ("start", "begin", "pause", "resume", "abort", "undo", "stop", "clear")
OUTCOMES = ("success", "failure", "horizon", "void")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of the running session")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in ("state", *LABELS, *COMMANDS):
        actions.add_parser(name)
    correct = actions.add_parser("correct")
    correct.add_argument("episode", type=int, metavar="EPISODE")
    correct.add_argument("outcome", choices=OUTCOMES, metavar="OUTCOME")


def run(args: argparse.Namespace) -> int:
    """Ask, and print the answer; 0 where it was accepted."""
    live = RunFolder(args.folder).live_file
    if not live.exists():
        raise SessionError(
            f"{args.folder}: no session runs there; `zprl train`, `evaluate` or `collect` starts one"
        )
    try:
        os.environ.update(read_json(live)["environment"])
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise DataError(
            f"{live}: does not say how to reach the session: {error!r}. Use the panel, or end the run and "
            "take it up again with --resume"
        ) from error
    from zprl_session.client import SessionClient  # only now: ROS reads the environment when it is loaded

    with SessionClient(author=getpass.getuser()) as session:
        if args.action == "state":
            print(session.describe(lambda episode, block: where(RunFolder(args.folder), episode, block)))
            return 0
        if args.action in LABELS:
            answer = session.label(args.action)
        elif args.action == "correct":
            answer = session.command("correct", args.outcome, args.episode)
        else:
            answer = session.command(args.action)
        print(f"{args.action}: {'accepted' if answer.accepted else 'refused: ' + answer.reason}")
        return 0 if answer.accepted else 1


def where(folder: RunFolder, episode: int, block: str) -> str:
    """What a person is told of where an episode stands.

    Args:
        folder: of the run.
        episode, block: as the session says.
    """
    now = trial(read_plan(folder.plan_file), read_records(folder.episodes_file), episode)
    return place_in_words(now, block, blind=folder.spec.blind)
