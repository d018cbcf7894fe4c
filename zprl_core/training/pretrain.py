"""Imitation: the base policy by eq. (1), and beside it the bottleneck by eq. (5), together eq. (6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zprl_core.arithmetic import channels_last, reduced_precision
from zprl_core.base import BaseModel, new_model
from zprl_core.bottleneck.loss import bottleneck_loss
from zprl_core.policy.ema import Ema
from zprl_core.policy.flow import training_k
from zprl_core.training.batches import BatchSource, epochs, flow_noise, hold_out
from zprl_core.training.progress import Progress, ProgressCallback, silent
from zprl_core.training.replicas import Replicas

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig
    from zprl_core.data.dataset import Dataset


_ALONE = Replicas()


def cosine_with_warmup(step: int, warmup: int, total: int) -> float:
    """Factor of the learning rate at step 0..total-1: linear rise over `warmup` steps, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


class Pretraining:
    """The state of imitation learning; one `step` is one gradient step of eq. (6).

    Args:
        task: what to learn. data: demonstrations of it. seed: of initial weights, batches, crops and noise.
        replicas: the processes that share it, and the device.

    Raises:
        ConfigError: the processes cannot share a batch evenly.
    """

    def __init__(self, task: TaskConfig, data: Dataset, seed: int, replicas: Replicas = _ALONE) -> None:
        self.task, self.settings, self.replicas = task, task.pretrain, replicas
        self.model = new_model(task, seed)
        self.model.policy.fit_normalizers(torch.from_numpy(data.actions), torch.from_numpy(data.proprio))
        channels_last(self.model)
        self.source = BatchSource(data, task.observation.cameras, self.model.policy)
        self.train_windows, self.held_out = hold_out(data, self.settings.validation_fraction, seed)
        self.unseen = hold_out(data, task.bottleneck.validation_fraction, seed)[1]  # by the bottleneck
        self.rng = np.random.default_rng([seed, 0])
        self.bottleneck_rng = np.random.default_rng([seed, 5])
        self.batches = epochs(self.train_windows, self.settings.batch_size, self.rng)
        self.share = replicas.share(min(self.settings.batch_size, len(self.train_windows)))
        self.model.to(replicas.device)
        per_epoch = max(1, len(self.train_windows) // self.settings.batch_size)
        self.total = self.settings.epochs * per_epoch
        if self.settings.max_steps is not None:
            self.total = min(self.total, self.settings.max_steps)
        self.ema = Ema(self.model, self.settings.ema_power, self.settings.ema_max_decay)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )
        self.taken = 0

    def step(self) -> dict[str, float]:
        """One gradient step; returns the losses of its batch."""
        for group in self.optimizer.param_groups:
            factor = cosine_with_warmup(self.taken, self.settings.warmup_steps, self.total)
            group["lr"] = self.settings.learning_rate * factor
        total, values = self._loss(next(self.batches))
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.replicas.average(self.model.parameters())
        if self.settings.gradient_clip is not None:
            for part in (self.model.policy, self.model.bottleneck):  # apart: neither may scale the other
                torch.nn.utils.clip_grad_norm_(part.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.ema.update(self.model)
        self.taken += 1
        return {name: self.replicas.mean(value).item() for name, value in values.items()}

    def _loss(self, index: np.ndarray) -> tuple[Tensor, dict[str, Tensor]]:
        policy, settings = self.model.policy, self.task.bottleneck
        device, share = self.replicas.device, self.share
        images, proprio = self.source.observations(index, self.rng, share)
        images = {name: frames.to(device) for name, frames in images.items()}
        proprio, actions = proprio.to(device), self.source.chunks(index[share]).to(device)
        draws, first = self.settings.noise_samples, self.settings.first_step_share
        w, position = flow_noise(policy, len(index), draws, self.rng, first)
        w, k = w[share].to(device), training_k(position[share], policy.flow_steps).to(device)
        with reduced_precision(self.settings.precision, device):
            c = policy.encode_cropped(images, proprio)
            total = policy.flow_loss(c, actions, w, k).mean()  # eq. (1)
        values = {"flow": total.detach()}
        if settings.joint:
            seen = self.replicas.gather(c.detach())
            self.model.bottleneck.track_moments(seen, rate=1.0 if self.taken == 0 else 0.01)
            shape = (len(index), settings.latent_dim)
            drawn = torch.from_numpy(self.bottleneck_rng.standard_normal(shape, dtype=np.float32))
            noise, weights = drawn[share].to(device), self._weights(index)[share].to(device)
            with reduced_precision(self.settings.precision, device):
                through_z = bottleneck_loss(
                    self.model.bottleneck, policy, c, actions, noise, w, k, settings.beta, weights
                )
            total = total + through_z.total  # eq. (6)
            values |= {"flow_z": through_z.flow.detach(), "kl": through_z.kl.detach()}
        return total, values

    def _weights(self, index: np.ndarray) -> Tensor:
        """Of a batch's windows in eq. (5), with a mean of 1: none for those that its best step is chosen on
        afterwards, even where the flow learns from them.
        """
        seen = torch.from_numpy(~np.isin(index, self.unseen)).float()
        return seen / seen.mean().clamp(min=1.0 / len(index))


def pretrain(
    task: TaskConfig,
    data: Dataset,
    seed: int,
    progress: ProgressCallback = silent,
    replicas: Replicas = _ALONE,
) -> BaseModel:
    """Train a base policy (and, if `bottleneck.joint`, its bottleneck) and return the averaged weights.

    Args:
        task: what to learn. data: demonstrations of it. seed: of everything random.
        progress: called after each gradient step with the stage "pretrain".
        replicas: the processes that share it, and the device.

    Returns:
        The EMA model in eval mode without gradients, in the CPU's memory; the same in every process.
    """
    run = Pretraining(task, data, seed, replicas)
    for step in range(1, run.total + 1):
        progress(Progress("pretrain", step, run.total, run.step()))
    return run.ema.averaged.to("cpu")
