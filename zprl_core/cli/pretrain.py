# SPDX-License-Identifier: Apache-2.0
"""zprl pretrain: demonstrations to a base policy with its bottleneck."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zprl_core.cli import arguments
from zprl_core.config import TaskConfig, load_task
from zprl_core.errors import DataError
from zprl_core.run_folder import make_folder

if TYPE_CHECKING:
    from zprl_core.data.dataset import Dataset
    from zprl_core.provenance import Provenance
    from zprl_core.training.progress import Progress

NAME = "pretrain"
HELP = "train a base policy and its bottleneck from demonstrations"
DESCRIPTION = """\
Learns the base policy by flow matching, eq. (1), then its bottleneck, eq. (5), on the embeddings that
deployment will see, until held-out data says that it is enough. Writes one checkpoint, and beside it what it
was computed with (.json) and TensorBoard curves (.tb).

With --attach the imitation is skipped: a bottleneck is trained on a finished checkpoint, whose base policy
stays bit for bit what it was. With --latents nothing is trained: the checkpoint is written again with the
distribution of its latents, which older ones lack and the guard needs.
"""
EXAMPLE = """\
  zprl pretrain --task place_orange_demo --data runs/my/data --out runs/my/base.ckpt
  torchrun --nproc-per-node 2 -m zprl_core.cli pretrain --task insert_bills --data D --out base.ckpt
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
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="to compute on (default: auto, a GPU where there is one)",
    )
    parser.add_argument(
        "--threads",
        type=arguments.positive,
        metavar="N",
        help="of torch (default: 1 for a network of less than 10 million parameters, else one a core)",
    )
    finished = parser.add_mutually_exclusive_group()
    finished.add_argument(
        "--attach", type=Path, metavar="CKPT", help="train only a new bottleneck, on this finished checkpoint"
    )
    finished.add_argument(
        "--latents",
        type=Path,
        metavar="CKPT",
        help="train nothing, only add the distribution of its latents to this finished checkpoint",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from zprl_core.data.dataset import load_dataset
    from zprl_core.training.replicas import leads

    if (args.attach or args.latents) and not leads():
        return 0  # one process is enough for it
    args.started, task = time.time(), load_task(args.task)
    if args.out.exists():
        raise DataError(f"{args.out}: exists. Choose another --out")
    make_folder(args.out.absolute().parent)
    data = load_dataset(args.data, task)
    size = f"{data.episodes} demonstrations, {len(data.actions)} ticks, {len(data)} windows"
    print(f"{args.data}: {size}", file=sys.stderr)
    _use_threads(args.threads, task)
    return _add_latents(args, task, data) if args.latents else _train(args, task, data)


def _use_threads(wanted: int | None, task: TaskConfig) -> None:
    from zprl_core.arithmetic import threads_to_train, use_threads
    from zprl_core.base import new_model

    size = sum(each.numel() for each in new_model(task, 0).parameters())
    use_threads(wanted or threads_to_train(size))


def _train(args: argparse.Namespace, task: TaskConfig, data: Dataset) -> int:
    """A flow with its bottleneck, or a bottleneck for a finished flow."""
    import torch

    from zprl_core import checkpoint
    from zprl_core.arithmetic import fast_matmul
    from zprl_core.base import KIND, load_base, save_base
    from zprl_core.training.bottleneck import attach_bottleneck
    from zprl_core.training.pretrain import pretrain
    from zprl_core.training.progress import silent
    from zprl_core.training.replicas import chosen_device, leads, replicas

    fast_matmul()
    started, provenance, held_out_seed = time.monotonic(), data.provenance, args.seed
    if args.attach:
        model, _, before = load_base(args.attach, task)
        held_out_seed = before.get("held_out_seed", before.get("seed", args.seed))
        provenance = _common(args.attach, checkpoint.load(args.attach, KIND).provenance, data, task)
    with _Tracker(args.out) if leads() else nullcontext(silent) as tracker:
        if args.attach:
            device = torch.device(chosen_device(args.device))
        else:
            with replicas(args.device) as shared:
                model, device = pretrain(task, data, args.seed, tracker, shared), shared.device
        if not leads():
            return 0
        report = attach_bottleneck(
            model, task, data, args.seed, tracker, device=device, held_out_seed=held_out_seed
        )
    info = _info(args, task, dataclasses.asdict(report), time.monotonic() - started)
    info["held_out_seed"] = held_out_seed
    info["demonstrations"] = {"episodes": data.episodes, "ticks": len(data.actions)}
    info["provenance"] = None if provenance is None else provenance.to_dict()
    save_base(args.out, model, task, info, provenance)
    _write_info(args.out, info)
    print(
        f"{_what_was_seen(task)}: {report.loss_c:.4f} through c, {report.loss_z:.4f} through z "
        f"(bottleneck of step {report.steps}); RMS(z) {report.z_rms:.2f}\ncheckpoint: {args.out}"
    )
    return 0


def _what_was_seen(task: TaskConfig) -> str:
    """Which episodes the losses are of."""
    if task.pretrain.validation_fraction > 0.0:
        return "held-out flow loss"
    return (
        "flow loss on episodes that the flow has seen, the bottleneck not (pretrain.validation_fraction is 0)"
    )


def _add_latents(args: argparse.Namespace, task: TaskConfig, data: Dataset) -> int:
    from zprl_core import checkpoint
    from zprl_core.arithmetic import fast_matmul
    from zprl_core.base import KIND, load_base, save_base
    from zprl_core.data.observation import some_of
    from zprl_core.perturbation import SAMPLES, fit_latents
    from zprl_core.training.bottleneck import embed
    from zprl_core.training.replicas import chosen_device

    fast_matmul()
    model, trained_for, info = load_base(args.latents, task)
    with _Tracker(args.out) as tracker:
        embeddings = embed(model.to(chosen_device(args.device)), task, data, None, tracker)
    model.to("cpu")
    model.latents = fit_latents(model.bottleneck, embeddings, args.seed)
    model.observations = some_of(data)
    save_base(args.out, model, trained_for, info, checkpoint.load(args.latents, KIND).provenance)
    print(f"distribution of {min(len(embeddings), SAMPLES)} latents added\ncheckpoint: {args.out}")
    return 0


def _common(path: Path, base: Provenance | None, data: Dataset, task: TaskConfig) -> Provenance | None:
    """Of a base policy whose bottleneck is trained on other data: the base policy's, where it is known.

    Raises:
        CheckpointError: the delays of both differ too much.
    """
    from zprl_core.provenance import compare

    if base is None or data.provenance is None:
        return base or data.provenance
    warning = compare(str(path), base, data.provenance, task.tick_s)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    return base


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
    import torch

    from zprl_core.versions import versions

    return {
        "task": task.name,
        "data": str(args.data),
        "attached_to": str(args.attach or ""),
        "seed": args.seed,
        "wall_s": round(wall_s, 1),
        "bottleneck": report,
        "threads": torch.get_num_threads(),
        "versions": versions(args.started),
    }


def _write_info(out: Path, info: dict[str, Any]) -> None:
    from zprl_core.run_folder import write_json

    write_json(out.with_name(out.name + ".json"), info)
