# SPDX-License-Identifier: Apache-2.0
"""zprl bench: what the hot paths cost on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zprl_core.cli import arguments
from zprl_core.run_folder import make_folder, write_json

if TYPE_CHECKING:
    from zprl_core.bench.rows import Row
    from zprl_core.config.compute import BackendName

NAME = "bench"
HELP = "what the hot paths cost here, beside what one would otherwise run"
DESCRIPTION = """\
Measures in one table, with what is promised and whether it holds:

  transport  raw images of three cameras at 30 Hz to one Python process, over the project's DDS profile,
             beside rclpy with Fast DDS as it comes
  servo      how evenly setpoints at 100 Hz reach a simulated xArm control box: the driver beside the
             vendor's SDK alone
  policy     an observation and its chunk, at the sizes of two of the paper's tasks, by every backend,
             beside the public design of Diffusion Policy
  updates    an update of SAC beside Stable-Baselines3's
  batches    a batch of windows for pretraining from the memory-mapped dataset beside decoding mp4

What is computed takes turns in one process, with how near it is to what the machine's products (of the same
precision) allow. What is not installed is marked "not here", and a line says what to install. Nothing else
should run on the machine meanwhile; transport and servo need two processors. What the graph adds to a chunk
in lockstep is measured in a checkout, by python -m tests.benchmarks.lockstep_hops.
"""
EXAMPLE = """\
  zprl bench --quick
  zprl bench --only transport
  zprl bench --out runs/bench.json
"""


class Effort(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: of what is computed.
        transport, servo: seconds of every way, size and loop, and over how many turns they are spread.
        episodes: of the dataset. backends: of the policy.
    """

    rounds: int
    transport: tuple[float, int]
    servo: tuple[float, int]
    episodes: int
    backends: tuple[BackendName, ...]


FULL = Effort(25, (20.0, 4), (20.0, 4), 8, ("torch", "openvino", "cuda"))
QUICK = Effort(5, (3.0, 1), (4.0, 2), 2, ("torch", "cuda"))
PARTS = ("transport", "servo", "policy", "updates", "batches")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a quarter of everything or less, in under two minutes; without OpenVINO, whose models take one "
        "to compile",
    )
    parser.add_argument("--only", choices=PARTS, help="only this part")
    parser.add_argument("--threads", type=arguments.positive, default=1, help="of torch (default: 1)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write everything here, as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.arithmetic import fast_matmul, use_threads
    from zprl_core.bench import table

    use_threads(args.threads)
    fast_matmul()
    if args.out:
        make_folder(args.out.absolute().parent)
    about, rows = table.machine(args.threads), []
    try:
        for row in _rows(args):
            rows.append(row)
            _say(f"{row.path}: {row.ours}")
    finally:  # what was measured before something went wrong, too
        print(table.told(about, rows))
        if args.out:
            write_json(args.out, table.data(about, rows))
    return 0


def _rows(args: argparse.Namespace) -> Iterator[Row]:
    effort = QUICK if args.quick else FULL
    parts: dict[str, Callable[[Effort], Iterable[Row]]] = {
        "transport": _transport,
        "servo": _servo,
        "policy": _policy,
        "updates": _updates,
        "batches": _batches,
    }
    for name in PARTS:
        if args.only in (None, name):
            yield from parts[name](effort)


def _transport(effort: Effort) -> Iterable[Row]:
    from zprl_core.bench import transport

    return transport.rows(*effort.transport, _say)


def _servo(effort: Effort) -> Iterable[Row]:
    from zprl_core.bench import servo

    return servo.rows(*effort.servo, _say)


def _policy(effort: Effort) -> Iterator[Row]:
    from zprl_core.bench import policy

    once = cache(_say)  # all tasks lack the same
    for task in policy.TASKS:
        yield from policy.rows(task, effort.rounds, once, effort.backends)


def _updates(effort: Effort) -> Iterable[Row]:
    from zprl_core.bench import updates

    return updates.rows(effort.rounds, _say)


def _batches(effort: Effort) -> Iterable[Row]:
    from zprl_core.bench import batches

    return batches.rows(effort.episodes, effort.rounds, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
