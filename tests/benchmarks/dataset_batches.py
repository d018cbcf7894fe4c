# SPDX-License-Identifier: Apache-2.0
"""How fast batches of random windows come from the memory-mapped dataset, and from mp4, HDF5 and zarr.

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
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tests.benchmarks.batch_stores import Mapped, Store, opened, writers
from zprl_core.config import CameraView
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import DatasetWriter
from zprl_core.stats import percentile
from zprl_sim.collect import CollectConfig, collect

BATCH = 64
CROPPED = 8
"""Pixels that a crop is smaller than a picture."""
OURS = "memory map"


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
        "--noise", type=float, default=4.0, help="of a sensor, standard deviation of 0 to 255"
    )
    parser.add_argument("--only", nargs="*", default=list(writers()), choices=list(writers()))
    return parser.parse_args()


def _data(args: argparse.Namespace) -> StoredDataset:
    drawn, folder, size = args.out / "drawn", args.out / "dataset", tuple(args.size)
    if not folder.exists():
        config = CollectConfig(cameras={"third_view": size, "wrist": size})
        collect(drawn, args.episodes, 0, config, overwrite=True)
        _with_noise(open_dataset(drawn), folder, args.noise)
        shutil.rmtree(drawn)
    return open_dataset(folder)


def _with_noise(drawn: StoredDataset, folder: Path, noise: float) -> None:
    """The same with a sensor's noise, without which a video of drawn pictures has next to nothing to hold."""
    rng = np.random.default_rng(1)
    with DatasetWriter(folder, drawn.header) as writer:
        for episode in drawn:
            noisy = {name: _noisy(frames, noise, rng) for name, frames in episode.images.items()}
            writer.add(replace(episode, images=noisy))


def _noisy(frames: NDArray[np.uint8], noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    grain = rng.standard_normal((*frames.shape[:3], 1), dtype=np.float32) * np.float32(noise)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)


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
    ours, rng = Mapped(stored.folder), np.random.default_rng(0)
    _warm_up(stored, ours, stores)
    times = {name: Times() for name in (OURS, *stores)}
    for _ in range(batches):
        ticks = rng.integers(0, sum(stored.lengths), BATCH)
        corners = rng.integers(0, CROPPED + 1, (BATCH, 2))
        for name in times:
            began, processor = time.perf_counter(), time.process_time()
            if name == OURS:
                _crops_of_map(stored, ours, ticks, corners)
            else:
                _crops_of_frames(stored, stores[name], ticks, corners)
            times[name].wall.append(time.perf_counter() - began)
            times[name].cpu.append(time.process_time() - processor)
    return times


def _warm_up(stored: StoredDataset, ours: Mapped, stores: dict[str, Store]) -> None:
    """As after a first epoch: every page of the map is known, and every video is open."""
    ticks = np.arange(sum(stored.lengths))
    for camera in stored.header.cameras:
        for part in np.array_split(ticks, len(ticks) // BATCH):
            ours.frames(camera, part)
        for store in stores.values():
            store.frames(camera, ticks[::50])


def _crops_of_map(
    stored: StoredDataset, ours: Mapped, ticks: NDArray[np.int64], corners: NDArray[np.int64]
) -> dict[str, Tensor]:
    views = [
        CameraView(name, height, width, height - CROPPED, width - CROPPED)
        for name, (height, width) in stored.header.cameras.items()
    ]
    return {view.name: ours.crops(view, ticks, corners) for view in views}


def _crops_of_frames(
    stored: StoredDataset, store: Store, ticks: NDArray[np.int64], corners: NDArray[np.int64]
) -> dict[str, NDArray[np.uint8]]:
    """Whole frames have to be read before they are cropped."""
    found = {}
    for name, (height, width) in stored.header.cameras.items():
        cut = zip(store.frames(name, ticks), corners, strict=True)
        found[name] = np.stack(
            [f[top : top + height - CROPPED, left : left + width - CROPPED] for f, (top, left) in cut]
        )
    return found


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
