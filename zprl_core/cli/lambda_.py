# SPDX-License-Identifier: Apache-2.0
"""zprl lambda: what a sweep of the perturbation scale does to z and to the decoded feature."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zprl_core.cli import arguments
from zprl_core.config import load_task

if TYPE_CHECKING:
    from zprl_core.perturbation import SweepRow

NAME = "lambda"
HELP = "choose the perturbation scale before anything moves"
DESCRIPTION = """\
Perturbs the latents of the demonstrations as an untrained actor would, z~ = z + lambda * dz, and shows for
each lambda how large the perturbation is, how far z~ lies outside the distribution of z, and how far the
decoded feature moves. Proposes the lambda whose perturbation is 15 % of RMS(z), the middle of the paper's
guideline. It is where to start: increase it when learning is stable but slow, decrease it when success drops
quickly.
"""
EXAMPLE = """\
  zprl lambda --task place_orange_demo --base runs/my/base.ckpt --data runs/my/data
"""
_HEAD = (
    "   lambda   RMS(lambda dz)/RMS(z)   Mahalanobis of z~   |g(z~) - g(z)|   relative to the spread of g(z)"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    arguments.add_task(parser)
    parser.add_argument(
        "--base",
        required=True,
        type=Path,
        metavar="CKPT",
        help="checkpoint of the base policy, from `zprl pretrain`",
    )
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help="the dataset that it was trained on"
    )
    parser.add_argument(
        "--values",
        type=arguments.scale,
        nargs="+",
        metavar="X",
        help="lambdas to look at (default: 2 %% to 150 %% of RMS(z), and the task's)",
    )
    arguments.add_seed(parser, 0)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    task = load_task(args.task)

    from zprl_core import perturbation
    from zprl_core.base import load_base
    from zprl_core.cli.progress import StageBars
    from zprl_core.data.dataset import load_dataset
    from zprl_core.training.bottleneck import embed

    model, _, _ = load_base(args.base, task)
    bars = StageBars()
    c = embed(model, task, load_dataset(args.data, task), progress=bars)
    bars.close()
    z = perturbation.draw_latents(model.bottleneck, c, args.seed)
    dz = perturbation.untrained_dz(len(z), model.bottleneck.latent_dim, args.seed)
    z_rms = perturbation.rms(z.numpy())
    proposed = perturbation.propose_lambda(z_rms, dz)
    configured = [task.rl.lambda_] if task.rl.lambda_ else []
    lambdas = args.values or sorted({*perturbation.sweep_lambdas(z_rms, dz), *configured})
    rows = perturbation.sweep(model.bottleneck, z, dz, lambdas)
    print(_table(rows, perturbation.GUIDELINE, task.rl.lambda_))
    print(f"\nRMS(z) = {z_rms:.3f} over {len(z)} latents; of z itself the Mahalanobis distance is "
          f"{rows[0].mahalanobis_base:.2f}\nproposed lambda: {proposed:.2g}")  # fmt: skip
    return 0


def _table(rows: Sequence[SweepRow], guideline: tuple[float, float], configured: float | None) -> str:
    lines = [_HEAD]
    for row in rows:
        notes = []
        if guideline[0] <= row.rms_ratio <= guideline[1]:
            notes.append("guideline")
        if row.lambda_ == configured:
            notes.append("the task's")
        numbers = f"{row.rms_ratio:20.1%}    {row.mahalanobis:16.2f}    {row.displacement:13.3f}    "
        numbers += f"{row.displacement_relative:28.1%}"
        lines.append(f"{row.lambda_:9.3g}    {numbers}   {', '.join(notes)}".rstrip())
    return "\n".join(lines)
