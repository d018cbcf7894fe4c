# SPDX-License-Identifier: Apache-2.0
"""A batch of random windows for pretraining: from the memory-mapped dataset beside decoding mp4.

The scripted expert's demonstrations with a sensor's noise, without which a video has next to nothing to hold;
the same ticks and crops in each round. All of it lies in the page cache, the videos are open, and the map's
pages are known, as after an epoch.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zprl_core.bench.rows import Row, TimesAsFast
from zprl_core.bench.stores import Mapped, Mp4, Store
from zprl_core.bench.turns import in_turns
from zprl_core.config import CameraView
from zprl_core.data.reading import StoredDataset, open_dataset
from zprl_core.data.writing import DatasetWriter
from zprl_core.errors import ZprlError

BATCH, CROPPED, NOISE = 64, 8, 4.0
"""Windows; pixels that a crop is smaller than a picture; standard deviation of the noise, of 0 to 255."""
CAMERAS = ("third_view", "wrist")
SIZES = ((110, 280), (240, 320))
OURS, PEER = "memory map", "mp4 by PyAV"
WANTED = TimesAsFast(60.0)
Ticks = NDArray[np.int64]


def rows(episodes: int, rounds: int, notice: Callable[[str], None]) -> Iterator[Row]:
    """Pictures of the paper's Place Orange, and larger ones; `notice` is told what cannot be had."""
    once = cache(notice)  # both sizes lack the same
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield _row(Path(folder), size, episodes, rounds, once)


def _row(
    folder: Path, size: tuple[int, int], episodes: int, rounds: int, notice: Callable[[str], None]
) -> Row:
    path = f"batches of {BATCH} windows, {len(CAMERAS)} cameras of {size[0]}x{size[1]}"
    try:
        stored = collected(folder / "data", episodes, size, NOISE)
    except (ZprlError, ImportError) as error:
        notice(f"batches: {error}")
        return Row(path, OURS, math.nan, PEER, math.nan, WANTED)
    ours, video = Mapped(stored.folder), _video(stored, folder, notice)
    warm_up(stored, ours, {} if video is None else {PEER: video})
    drawn, again = draws(stored), draws(stored)
    calls: dict[str, Callable[[], object]] = {OURS: lambda: crops_of_map(stored, ours, *next(drawn))}
    if video is not None:
        calls[PEER] = lambda: crops_of_frames(stored, video, *next(again))
    taken = in_turns(calls, rounds)
    return Row(path, OURS, taken[OURS], PEER, taken.get(PEER, math.nan), WANTED)


def _video(stored: StoredDataset, folder: Path, notice: Callable[[str], None]) -> Store | None:
    """The same as mp4; None where nothing here can encode it."""
    try:
        Mp4.write(stored, folder)
        return Mp4(folder, stored.lengths, stored.header.rate_hz)
    except ZprlError as error:
        notice(f"batches: {error}")
        return None


def collected(folder: Path, episodes: int, size: tuple[int, int], noise: float) -> StoredDataset:
    """A dataset of the scripted expert's demonstrations, with pictures (height, width) and a sensor's noise.

    Raises:
        ZprlError: nothing can be drawn here.
    """
    from zprl_sim.collect import CollectConfig, collect

    with tempfile.TemporaryDirectory(dir=folder.parent) as drawn:
        config = CollectConfig(cameras=dict.fromkeys(CAMERAS, size))
        collect(drawn, episodes, 0, config, workers=1, overwrite=True)
        _with_noise(open_dataset(Path(drawn)), folder, noise)
    return open_dataset(folder)


def _with_noise(drawn: StoredDataset, folder: Path, noise: float) -> None:
    rng = np.random.default_rng(1)
    with DatasetWriter(folder, drawn.header) as writer:
        for episode in drawn:
            noisy = {name: _noisy(frames, noise, rng) for name, frames in episode.images.items()}
            writer.add(replace(episode, images=noisy))


def _noisy(frames: NDArray[np.uint8], noise: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    grain = rng.standard_normal((*frames.shape[:3], 1), dtype=np.float32) * np.float32(noise)
    return np.clip(frames + grain, 0, 255).astype(np.uint8)


def draws(stored: StoredDataset) -> Iterator[tuple[Ticks, Ticks]]:
    """Ticks (BATCH,) of the whole dataset and corners of crops (BATCH, 2), without end; always the same."""
    rng = np.random.default_rng(0)
    while True:
        yield rng.integers(0, sum(stored.lengths), BATCH), rng.integers(0, CROPPED + 1, (BATCH, 2))


def warm_up(stored: StoredDataset, ours: Mapped, stores: dict[str, Store]) -> None:
    """As after a first epoch: every page of the map is known, and every video is open."""
    ticks = np.arange(sum(stored.lengths))
    for camera in stored.header.cameras:
        for part in np.array_split(ticks, max(1, len(ticks) // BATCH)):
            ours.frames(camera, part)
        for store in stores.values():
            store.frames(camera, ticks[::50])


def crops_of_map(stored: StoredDataset, ours: Mapped, ticks: Ticks, corners: Ticks) -> dict[str, Tensor]:
    """Of each camera, uint8 (BATCH, 1, h, w, 3); only the crops are read."""
    views = [
        CameraView(name, height, width, height - CROPPED, width - CROPPED)
        for name, (height, width) in stored.header.cameras.items()
    ]
    return {view.name: ours.crops(view, ticks, corners) for view in views}


def crops_of_frames(
    stored: StoredDataset, store: Store, ticks: Ticks, corners: Ticks
) -> dict[str, NDArray[np.uint8]]:
    """Of each camera, uint8 (BATCH, h, w, 3); whole frames have to be read before they are cropped."""
    found = {}
    for name, (height, width) in stored.header.cameras.items():
        cut = zip(store.frames(name, ticks), corners, strict=True)
        found[name] = np.stack(
            [f[top : top + height - CROPPED, left : left + width - CROPPED] for f, (top, left) in cut]
        )
    return found
