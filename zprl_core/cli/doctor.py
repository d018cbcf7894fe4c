# SPDX-License-Identifier: Apache-2.0
"""zprl doctor: is this machine ready, and this rig, and if not, what to do."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from zprl_core.cli import arguments
from zprl_core.cli.checks import CHECKS, Finding
from zprl_core.errors import ConfigError, ZprlError

NAME = "doctor"
HELP = "check this machine, and with --rig every device of a rig"
DESCRIPTION = """\
Checks everything that the other commands need and says for each failure what to do. With --rig it also looks
at every arm and camera of the rig, side by side; nothing is enabled or moved. Ends with exit code 0 when
nothing failed, else 1.

Two more things are done on request, at a terminal beside the arm:
--stop-test  you press the hardware stop of each arm, and its driver must see it. A rig with real arms fails
             until this was done, and again after 30 days: software stops are no safety function.
--measure    moves each arm 2 cm up and back and measures how late arms, cameras and policy are; writes
             calibrations/<rig>.yaml, which every command then uses. Only where nothing else failed.
"""
EXAMPLE = """\
  zprl doctor
  zprl doctor --rig xarm6_place_orange --task place_orange
  zprl doctor --rig xarm6_place_orange --save-reference
  zprl doctor --rig xarm6_place_orange --stop-test
  zprl doctor --rig xarm6_place_orange --task place_orange --measure --base runs/my/base.ckpt
"""
_WORDS = {True: ("ok", "32"), False: ("FAIL", "31"), None: ("note", "33")}
_INDENT = "\n" + 5 * " "
_NEEDS_RIG = ("task", "save_reference", "stop_test", "measure", "rig_only")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_rig(parser, required=False)
    arguments.add_task(parser, required=False)
    parser.add_argument("--rig-only", action="store_true", help="look at the rig, not at the machine")
    parser.add_argument(
        "--save-reference",
        action="store_true",
        help="keep each camera's picture of now, to notice later that the camera was bumped",
    )
    parser.add_argument("--stop-test", action="store_true", help="test the hardware stop of each arm")
    parser.add_argument("--measure", action="store_true", help="move each arm a little, measure all delays")
    parser.add_argument("--yes", action="store_true", help="with --measure: do not ask before an arm moves")
    parser.add_argument(
        "--base", type=Path, metavar="CKPT", help="with --measure: base policy whose planning is timed"
    )
    parser.add_argument("--no-color", action="store_true", help="plain text even on a terminal")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    _check(args)
    if args.stop_test:
        from zprl_core.cli import rig_checks, stop_test

        cell = rig_checks.load_cell(args.rig)
        return stop_test.run(cell.rig, cell.folder)
    color = sys.stdout.isatty() and not args.no_color
    failed = False
    for finding in _findings(args):
        failed |= finding.ok is False
        print(_line(finding, color), flush=True)
    subject = f"Rig {args.rig}" if args.rig else "This machine"
    print("Something is to do: see FAIL above." if failed else f"{subject} is ready.")
    return 1 if failed else 0


def _check(args: argparse.Namespace) -> None:
    for name in _NEEDS_RIG:
        if getattr(args, name) and not args.rig:
            raise ConfigError(f"--{name.replace('_', '-')}: is about a rig; name one with --rig")
    for name in ("yes", "base"):
        if getattr(args, name) and not args.measure:
            raise ConfigError(f"--{name}: has no meaning without --measure")
    if args.stop_test and args.measure:
        raise ConfigError("--stop-test and --measure: one after the other; the stop first")


def _findings(args: argparse.Namespace) -> Iterator[Finding]:
    if not (args.rig_only or args.measure):
        for check in CHECKS:
            yield from check()
    if args.rig:
        yield from _rig(args)


def _rig(args: argparse.Namespace) -> Iterator[Finding]:
    from zprl_core.cli import measure, rig_checks, stop_test

    try:
        cell = rig_checks.load_cell(args.rig, args.task)
    except ZprlError as error:
        yield Finding(False, f"rig {args.rig}: cannot be used", str(error))
        return
    if args.measure:
        measure.check_measurable(cell, yes=args.yes)
    failed = False
    machine = rig_checks.machine(cell.rig) if cell.real else iter(())
    for finding in itertools.chain(rig_checks.settings(cell, lead=not args.measure), machine):
        failed |= finding.ok is False
        yield finding
    watch_s = measure.WATCH_S if args.measure else rig_checks.WATCH_S
    devices = rig_checks.look(cell, save_reference=args.save_reference, watch_s=watch_s)
    told = {name: look.serials for name, look in devices.arms.items()}
    found = devices.findings + (stop_test.swapped(cell.folder, cell.name, told) if cell.real else [])
    yield from found
    failed |= any(finding.ok is False for finding in found)
    if args.measure and failed:
        yield Finding(False, "calibration: not measured", "nothing moves before everything above is ok")
    elif args.measure:
        yield from measure.measure(cell, devices, args.base, yes=args.yes)


def _line(finding: Finding, color: bool) -> str:
    word, code = _WORDS[finding.ok]
    shown = f"\033[{code}m{word:<4}\033[0m" if color else f"{word:<4}"
    text = f"{shown} {_INDENT.join(finding.what.splitlines())}"
    if finding.ok is True or not finding.advice:
        return text
    return text + "".join(f"{_INDENT}  -> {line}" for line in finding.advice.splitlines())
