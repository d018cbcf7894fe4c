# SPDX-License-Identifier: Apache-2.0
"""zprl bench: what the hot paths cost on this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments
from zprl_core.run_folder import make_folder, write_json

if TYPE_CHECKING:
    from zprl_core.bench.turns import Row

NAME = "bench"
HELP = "what policy and learner cost here, beside what one would otherwise run"
DESCRIPTION = """\
Measures the policy (an observation and its chunk, at the sizes of two of the paper's tasks, by every backend)
beside the public design of Diffusion Policy, and an update of SAC beside Stable-Baselines3's. All take turns
in one process; one table, with how near each is to what the machine's float32 products allow. Peers and
backends that are not installed are marked: pip install "zprl[bench]". Needs no ROS.
"""
EXAMPLE = """\
  zprl bench --quick
  zprl bench --out runs/bench.json
"""
PARTS = ("policy", "updates")
ROUNDS, QUICK = 25, 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} rounds of each, for {ROUNDS}")
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
    for row in _rows(args):
        rows.append(row)
        print(f"{row.path}: {row.ours}", file=sys.stderr, flush=True)
    print(table.told(about, rows))
    if args.out:
        write_json(args.out, table.data(about, rows))
    return 0


def _rows(args: argparse.Namespace) -> Iterator[Row]:
    from zprl_core.bench import policy, updates

    rounds = QUICK if args.quick else ROUNDS
    if args.only != "updates":
        for task in policy.TASKS:
            yield from policy.rows(task, rounds)
    if args.only != "policy":
        yield from updates.rows(rounds)
