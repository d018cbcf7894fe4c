"""Batches of windows: crops, chunks and noise, as tensors."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zprl_core.config import CameraView
    from zprl_core.data.dataset import Dataset
    from zprl_core.policy.base_policy import BasePolicy


_ALL = slice(None)


def crop_offsets(view: CameraView, count: int, rng: np.random.Generator | None) -> NDArray[np.int64]:
    """Top and left of `count` crops, (count, 2): uniform, or the centre when rng is None."""
    room = np.array([view.height - view.crop_height, view.width - view.crop_width])
    if rng is None:
        return np.broadcast_to(room // 2, (count, 2))
    return rng.integers(0, room + 1, size=(count, 2))


def crop(
    frames: NDArray[np.uint8],
    ticks: NDArray[np.int64],
    view: CameraView,
    offsets: NDArray[np.int64],
    room: NDArray[np.uint8] | None = None,
) -> Tensor:
    """Crops uint8 (B, S, crop_height, crop_width, 3) of frames (N, h, w, 3) at ticks (B, S).

    One offset (top, left) per sample: all steps of a history are cropped alike. Of frames that are mapped
    into memory only the crops are read. `room`, of the result's shape, is written to and becomes the result.
    """
    batch, steps = ticks.shape
    shape = (batch, steps, view.crop_height, view.crop_width, 3)
    out = np.empty(shape, dtype=np.uint8) if room is None else room
    for b in range(batch):
        top, left = offsets[b]
        for s in range(steps):  # a list of ticks would copy twice
            out[b, s] = frames[ticks[b, s], top : top + view.crop_height, left : left + view.crop_width]
    return torch.from_numpy(out)


class BatchSource:
    """Turns window indices into what the losses need.

    Args:
        data: the demonstrations. views: the task's cameras. policy: its fitted normalisers are used.
    """

    def __init__(self, data: Dataset, views: tuple[CameraView, ...], policy: BasePolicy) -> None:
        self.data, self.views = data, views
        self._rooms: dict[str, NDArray[np.uint8]] = {}
        self.proprio = torch.from_numpy(data.proprio)
        normaliser = copy.deepcopy(policy.actions).cpu()
        with torch.no_grad():
            self.actions = normaliser(torch.from_numpy(data.actions))

    def observations(
        self, index: NDArray[np.int64], rng: np.random.Generator | None, share: slice = _ALL
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Crops {camera: uint8 (B, S, ch, cw, 3)}, central ones without rng, and proprio (B, S, dq).

        share: only these of the batch; what is drawn is drawn for all.

        The crops are overwritten by the next call: memory that is new for each batch costs as much as the
        copying, because the kernel clears it.
        """
        ticks = self.data.history[index[share]]
        images = {
            view.name: crop(
                self.data.images[view.name],
                ticks,
                view,
                crop_offsets(view, len(index), rng)[share],
                self._room(view, ticks.shape),
            )
            for view in self.views
        }
        return images, self.proprio[torch.from_numpy(ticks)]

    def _room(self, view: CameraView, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Memory for (B, S) crops, kept from the largest batch so far."""
        room = self._rooms.get(view.name)
        if room is None or len(room) < shape[0]:
            room = np.empty((*shape, view.crop_height, view.crop_width, 3), dtype=np.uint8)
            self._rooms[view.name] = room
        return room[: shape[0]]

    def chunks(self, index: NDArray[np.int64]) -> Tensor:
        """Normalised action chunks (B, H, da)."""
        return self.actions[torch.from_numpy(self.data.chunk[index])]


def flow_noise(
    policy: BasePolicy, batch: int, draws: int, rng: np.random.Generator, first_step_share: float = 0.0
) -> tuple[Tensor, Tensor]:
    """w (B, draws, H, da), standard normal, and positions (B, draws) of the training schedule, int64.

    first_step_share: this share of the positions is 0 (k = 1), the others are uniform.
    """
    shape = (batch, draws, policy.chunk, policy.action_dim)
    w = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    position = rng.integers(0, policy.flow_steps, size=(batch, draws))
    if first_step_share > 0.0:
        position[rng.random((batch, draws)) < first_step_share] = 0
    return w, torch.from_numpy(position)


def epochs(
    windows: NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Endless batches of window indices, shuffled each pass; a pass's incomplete last batch is dropped."""
    size = min(batch_size, len(windows))
    while True:
        order = rng.permutation(windows)
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]


def hold_out(data: Dataset, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows to train on and windows of held-out episodes (at least one episode when fraction > 0)."""
    count = 0
    if fraction > 0 and data.episodes > 1:
        count = min(max(1, round(fraction * data.episodes)), data.episodes - 1)
    held = np.random.default_rng([seed, 1]).permutation(data.episodes)[:count]
    out = np.isin(data.window_episode(), held)
    return np.flatnonzero(~out), np.flatnonzero(out)
