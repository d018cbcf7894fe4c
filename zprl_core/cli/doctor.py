# SPDX-License-Identifier: Apache-2.0
"""zprl doctor: is this machine ready, and if not, what to do."""

from __future__ import annotations

import argparse
import sys

from zprl_core.cli.checks import CHECKS, Finding

NAME = "doctor"
HELP = "check this machine: Python, ROS 2, interfaces, shared memory, rendering, disk"
DESCRIPTION = """\
Checks everything that the other commands need and says for each failure what to do. Ends with exit code 0
when nothing failed, else 1.
"""
EXAMPLE = "  zprl doctor\n"
_WORDS = {True: ("ok", "32"), False: ("FAIL", "31"), None: ("note", "33")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--no-color", action="store_true", help="plain text even on a terminal")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    color = sys.stdout.isatty() and not args.no_color
    failed = False
    for check in CHECKS:
        for finding in check():
            failed |= finding.ok is False
            print(_line(finding, color), flush=True)
    print("Something is missing: see FAIL above." if failed else "This machine is ready.")
    return 1 if failed else 0


def _line(finding: Finding, color: bool) -> str:
    word, code = _WORDS[finding.ok]
    shown = f"\033[{code}m{word:<4}\033[0m" if color else f"{word:<4}"
    advice = f"\n       -> {finding.advice}" if finding.ok is not True and finding.advice else ""
    return f"{shown} {finding.what}{advice}"
