# SPDX-License-Identifier: Apache-2.0
"""How fast batches of random windows come from the memory-mapped dataset, and from mp4, HDF5 and zarr.
`zprl bench` has the first two.

    python -m tests.benchmarks.dataset_batches --out runs/batches

The same demonstrations in each format, the same windows in each round, formats in turns; one process and one
thread. All of it lies in the page cache, the videos are open, and the map's pages are known, as after an
epoch.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.benchmarks.batch_stores import opened, writers
from zprl_core.bench.batches import (
    NOISE,
    OURS,
    collected,
    crops_of_frames,
    crops_of_map,
    draws,
    warm_up,
)
from zprl_core.bench.stores import Mapped, Store
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.stats import percentile


def main() -> None:
    """Make the data, write it in all formats, measure, print and keep the numbers."""
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    stored = _data(args)
    stores = {name: _written(name, stored, args.out / name) for name in args.only}
    rounds = _measure(stored, stores, args.batches)
    _agree(stored, stores)
    sizes = {name: _bytes(args.out / name) for name in args.only} | {OURS: _bytes(stored.folder)}
    result = {name: _row(times, rounds[OURS], sizes[name]) for name, times in rounds.items()}
    (args.out / "result.json").write_text(
        json.dumps({"size": args.size, "noise": args.noise, "rows": result}, indent=2) + "\n"
    )
    print(_table(result))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the data and the numbers")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--batches", type=int, default=30, help="of each format")
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--noise", type=float, default=NOISE, help="of a sensor, standard deviation of 0 to 255"
    )
    parser.add_argument("--only", nargs="*", default=list(writers()), choices=list(writers()))
    return parser.parse_args()


def _data(args: argparse.Namespace) -> StoredDataset:
    folder = args.out / "dataset"
    if not folder.exists():
        return collected(folder, args.episodes, tuple(args.size), args.noise)
    return open_dataset(folder)


def _written(name: str, stored: StoredDataset, folder: Path) -> Store:
    if not folder.exists():
        beside = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        writers()[name](stored, beside)
        beside.rename(folder)
    return opened(name, stored, folder)


@dataclass
class Times:
    """Of each batch, in order: seconds on the clock, and of the processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def _measure(stored: StoredDataset, stores: dict[str, Store], batches: int) -> dict[str, Times]:
    """Times of each format."""
    ours, drawn = Mapped(stored.folder), draws(stored)
    warm_up(stored, ours, stores)
    times = {name: Times() for name in (OURS, *stores)}
    for _ in range(batches):
        ticks, corners = next(drawn)
        for name in times:
            began, processor = time.perf_counter(), time.process_time()
            if name == OURS:
                crops_of_map(stored, ours, ticks, corners)
            else:
                crops_of_frames(stored, stores[name], ticks, corners)
            times[name].wall.append(time.perf_counter() - began)
            times[name].cpu.append(time.process_time() - processor)
    return times


def _agree(stored: StoredDataset, stores: dict[str, Store]) -> None:
    """The formats hold the same: to the bit, and mp4 up to its loss."""
    ours, ticks = Mapped(stored.folder), np.arange(3, sum(stored.lengths), 97)
    for name, store in stores.items():
        for camera in stored.header.cameras:
            apart = np.abs(store.frames(camera, ticks).astype(int) - ours.frames(camera, ticks))
            allowed = 6.0 if name == "mp4" else 0.0
            assert apart.mean() <= allowed, (name, camera, apart.mean())


def _row(times: Times, ours: Times, size: int) -> dict[str, float]:
    row = {"mb": size / 1e6}
    for kind, own, other in (("wall", ours.wall, times.wall), ("cpu", ours.cpu, times.cpu)):
        ratios = [a / b for a, b in zip(other, own, strict=True)]
        row |= {f"{kind}_ms_p{p}": 1e3 * percentile(other, p) for p in (50, 90)}
        row |= {f"{kind}_ratio_p{p}": percentile(ratios, p) for p in (10, 50)}
    return row


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _table(result: dict[str, dict[str, float]]) -> str:
    lines = [
        "| | ms a batch: median / p90 | of them processor, median | times the memory map's: median / p10 | "
        "the same, processor | MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result.items():
        wall = f"{row['wall_ms_p50']:.1f} / {row['wall_ms_p90']:.1f} | {row['cpu_ms_p50']:.1f}"
        ratios = [
            f"{row[f'{kind}_ratio_p50']:.0f} / {row[f'{kind}_ratio_p10']:.0f}" for kind in ("wall", "cpu")
        ]
        lines.append(f"| {name} | {wall} | {' | '.join(ratios)} | {row['mb']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
