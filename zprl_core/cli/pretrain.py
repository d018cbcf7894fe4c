# SPDX-License-Identifier: Apache-2.0
"""zprl pretrain: demonstrations to a base policy with its bottleneck."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zprl_core.cli import arguments
from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import DataError
from zprl_core.run_folder import make_folder

if TYPE_CHECKING:
    from zprl_core.training.progress import Progress

NAME = "pretrain"
HELP = "train a base policy and its bottleneck from demonstrations"
DESCRIPTION = """\
Learns the base policy by flow matching, eq. (1), then its bottleneck, eq. (5), on the embeddings that
deployment will see, until held-out data says that it is enough. Writes one checkpoint, and beside it what it
was computed with (.json) and TensorBoard curves (.tb).

With --attach the imitation is skipped: a bottleneck is trained on a finished checkpoint, whose base policy
stays bit for bit what it was.
"""
EXAMPLE = """\
  zprl pretrain --task place_orange_demo --data runs/my/data --out runs/my/base.ckpt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_task(parser)
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="dataset folder, from `zprl collect`"
    )
    arguments.add_out(parser, "checkpoint to write, must not exist", "CKPT")
    arguments.add_seed(parser, 0)
    parser.add_argument(
        "--attach", type=Path, metavar="CKPT", help="train only a new bottleneck, on this finished checkpoint"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.data.dataset import load_dataset

    task = load_task(args.task)
    if args.out.exists():
        raise DataError(f"{args.out}: exists. Choose another --out")
    make_folder(args.out.absolute().parent)
    data = load_dataset(args.data, task)
    ticks = len(data.actions)
    print(f"{args.data}: {data.episodes} demonstrations, {ticks} ticks, {len(data)} windows", file=sys.stderr)

    from zprl_core.arithmetic import fast_matmul
    from zprl_core.base import load_base, save_base
    from zprl_core.training.bottleneck import attach_bottleneck
    from zprl_core.training.pretrain import pretrain

    fast_matmul()
    started = time.monotonic()
    if args.attach:
        load_base(args.attach, task)  # before minutes of work, not after
    with _Tracker(args.out) as tracker:
        model = load_base(args.attach, task)[0] if args.attach else pretrain(task, data, args.seed, tracker)
        report = attach_bottleneck(model, task, data, args.seed, tracker)
    info = _info(args, task, dataclasses.asdict(report), time.monotonic() - started)
    save_base(args.out, model, task, info)
    _write_info(args.out, info)
    print(
        f"held-out flow loss: {report.loss_c:.4f} through c, {report.loss_z:.4f} through z "
        f"(bottleneck of step {report.steps}); RMS(z) {report.z_rms:.2f}\ncheckpoint: {args.out}"
    )
    return 0


class _Tracker:
    """Bars on the terminal and curves for TensorBoard."""

    def __init__(self, out: Path) -> None:
        from zprl_core.cli.progress import StageBars
        from zprl_core.curves import CurveWriter

        self._bars = StageBars()
        self._curves = CurveWriter(out.with_name(out.name + ".tb"))

    def __enter__(self) -> _Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.close()
        self._curves.__exit__(None, None, None)

    def __call__(self, progress: Progress) -> None:
        self._bars(progress)
        values = {f"{progress.stage}/{name}": value for name, value in progress.values.items()}
        self._curves.scalars(progress.step, values)


def _info(
    args: argparse.Namespace, task: TaskConfig, report: dict[str, Any], wall_s: float
) -> dict[str, Any]:
    from zprl_core.versions import versions

    return {
        "task": task.name,
        "data": str(args.data),
        "attached_to": str(args.attach or ""),
        "seed": args.seed,
        "wall_s": round(wall_s, 1),
        "bottleneck": report,
        "versions": versions(),
    }


def _write_info(out: Path, info: dict[str, Any]) -> None:
    from zprl_core.run_folder import write_json

    write_json(out.with_name(out.name + ".json"), info)
