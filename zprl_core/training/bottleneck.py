"""Attach a bottleneck to a finished base policy, or finish one that was trained beside it.

Because eq. (5) leaves encoder and flow alone, it can be trained afterwards, on the very c that deployment
sees (EMA encoder, centre crop), computed once; c of a few random crops stands beside it as augmentation. The
length of training is chosen on episodes that the bottleneck has not seen: too short loses successes, too long
overfits. The flow may have learned from them (`pretrain.validation_fraction`).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zprl_core.arithmetic import reduced_precision
from zprl_core.base import BaseModel
from zprl_core.bottleneck.loss import bottleneck_loss
from zprl_core.data.observation import some_of
from zprl_core.perturbation import fit_latents
from zprl_core.policy.flow import training_k
from zprl_core.training.batches import BatchSource, flow_noise, hold_out
from zprl_core.training.pretrain import cosine_with_warmup
from zprl_core.training.progress import Progress, ProgressCallback, silent
from zprl_core.training.warm_start import warm_start

if TYPE_CHECKING:
    from zprl_core.config import TaskConfig
    from zprl_core.data.dataset import Dataset

EMBED_BATCH = 64
VALIDATION_WINDOWS = 512
VALIDATION_DRAWS = 4


@dataclass(frozen=True)
class BottleneckReport:
    """Held-out flow losses (eq. (1), the same noise for all): through c, and through z = g(z), z ~ p(z|c).

    steps: gradient steps of the weights that were kept. kl: nats, held out. z_rms: RMS of z over the data.
    """

    loss_c: float
    loss_z: float
    kl: float
    z_rms: float
    steps: int
    steps_taken: int


@torch.no_grad()
def embed(
    model: BaseModel,
    task: TaskConfig,
    data: Dataset,
    rng: np.random.Generator | None = None,
    progress: ProgressCallback = silent,
) -> Tensor:
    """c of all windows, (M, c_dim): centre crops, or random ones with rng."""
    model.eval()
    device = next(model.parameters()).device
    source = BatchSource(data, task.observation.cameras, model.policy)
    parts = []
    for start in range(0, len(data), EMBED_BATCH):
        index = np.arange(start, min(start + EMBED_BATCH, len(data)))
        images, proprio = source.observations(index, rng)
        images = {name: frames.to(device) for name, frames in images.items()}
        parts.append(model.policy.encode_cropped(images, proprio.to(device)).cpu())
        progress(Progress("embed", int(index[-1]) + 1, len(data)))
    return torch.cat(parts)


class _Validation:
    """Held-out windows with fixed noise, so that looks at different weights can be compared."""

    def __init__(self, model: BaseModel, c: Tensor, actions: Tensor, seed: int) -> None:
        rng = np.random.default_rng([seed, 3])
        rows = np.sort(rng.permutation(len(c))[:VALIDATION_WINDOWS])
        device = next(model.parameters()).device
        self.c, self.actions = c[rows].to(device), actions[rows].to(device)
        w, position = flow_noise(model.policy, len(rows), VALIDATION_DRAWS, rng)
        self.w, self.k = w.to(device), training_k(position, model.policy.flow_steps).to(device)
        shape = (len(rows), model.bottleneck.latent_dim)
        self.noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(device)

    @torch.no_grad()
    def through_c(self, model: BaseModel) -> float:
        return model.policy.flow_loss(self.c, self.actions, self.w, self.k).mean().item()

    @torch.no_grad()
    def through_z(self, model: BaseModel) -> tuple[float, float]:
        """Flow loss and KL."""
        loss = bottleneck_loss(
            model.bottleneck, model.policy, self.c, self.actions, self.noise, self.w, self.k, 0.0
        )
        return loss.flow.item(), loss.kl.item()


def attach_bottleneck(
    model: BaseModel,
    task: TaskConfig,
    data: Dataset,
    seed: int,
    progress: ProgressCallback = silent,
    device: torch.device | str = "cpu",
    held_out_seed: int | None = None,
) -> BottleneckReport:
    """Train `model.bottleneck` in place on cached c by eq. (5), then fit `model.latents` to its latents.

    Nothing else of the model changes, but `model.observations`, which are some of the data's.

    Args:
        model: a finished base policy (EMA weights).
        task: its `bottleneck` settings: steps, learning_rate, batch_size, evaluate_every, patience, ...
        data: demonstrations. seed: of everything random.
        progress: stages "embed" and "bottleneck"; the latter with `loss_c` and `loss_z` after each look.
        device: to compute on; the model comes and goes in the CPU's memory.
        held_out_seed: of the choice of episodes that are held out, the one that the flow was trained with;
            None: the same as `seed`.

    Returns:
        Held-out losses of the weights that were kept: those of the look with the lowest loss through z.
    """
    settings, rng = task.bottleneck, np.random.default_rng([seed, 2])
    source = BatchSource(data, task.observation.cameras, model.policy)
    model.to(device)
    embeddings = torch.stack(
        [embed(model, task, data, None, progress)]
        + [embed(model, task, data, rng, progress) for _ in range(settings.random_crops)]
    )
    chunks = source.chunks(np.arange(len(data)))
    chosen_with = seed if held_out_seed is None else held_out_seed
    train, held_out = hold_out(data, settings.validation_fraction, chosen_with)
    looked_at = held_out if len(held_out) else train
    if not settings.joint:
        model.bottleneck.fit_moments(embeddings[:, train].flatten(0, 1))
    if settings.warm_start_steps:
        warm_start(model, settings, embeddings[:, train].flatten(0, 1), rng, progress)
    validation = _Validation(model, embeddings[0, looked_at], chunks[looked_at], seed)
    trainer = _Trainer(model, task, embeddings, chunks, train, rng)
    best = trainer.run(validation, progress)
    loss_c, (loss_z, kl) = validation.through_c(model), validation.through_z(model)
    model.to("cpu")
    model.latents = fit_latents(model.bottleneck, embeddings[0], seed)
    model.observations = some_of(data)
    return BottleneckReport(
        loss_c=loss_c,
        loss_z=loss_z,
        kl=kl,
        z_rms=_z_rms(model, embeddings[0], seed),
        steps=best,
        steps_taken=trainer.taken,
    )


@torch.no_grad()
def _z_rms(model: BaseModel, c: Tensor, seed: int) -> float:
    shape = (len(c), model.bottleneck.latent_dim)
    noise = torch.from_numpy(np.random.default_rng([seed, 4]).standard_normal(shape, dtype=np.float32))
    return model.bottleneck.sample(c, noise).square().mean().sqrt().item()


class _Trainer:
    """AdamW on cached embeddings (crops, M, c_dim), with the best look's weights kept."""

    def __init__(
        self,
        model: BaseModel,
        task: TaskConfig,
        embeddings: Tensor,
        chunks: Tensor,
        train: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        settings = task.bottleneck
        self.model, self.settings, self.rng = model, settings, rng
        self.precision, self.first_step_share = task.pretrain.precision, task.pretrain.first_step_share
        self.embeddings, self.chunks, self.train = embeddings, chunks, train
        self.device = next(model.parameters()).device
        model.bottleneck.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            model.bottleneck.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.taken = 0

    def run(self, validation: _Validation, progress: ProgressCallback) -> int:
        """Train until `steps` or `patience` looks without progress; returns the step that was kept."""
        settings, bottleneck = self.settings, self.model.bottleneck
        loss_c = validation.through_c(self.model)
        best_loss, best_step, misses = validation.through_z(self.model)[0], 0, 0
        best = copy.deepcopy(bottleneck.state_dict())
        for step in range(1, settings.steps + 1):
            values = {"flow_z_train": self._step()}
            if step % settings.evaluate_every == 0 or step == settings.steps:
                loss = validation.through_z(self.model)[0]
                values |= {"loss_c": loss_c, "loss_z": loss}
                if loss < best_loss:
                    best_loss, best_step, misses = loss, step, 0
                    best = copy.deepcopy(bottleneck.state_dict())
                else:
                    misses += 1
            progress(Progress("bottleneck", step, settings.steps, values))
            if misses >= settings.patience:
                break
        bottleneck.load_state_dict(best)
        bottleneck.requires_grad_(False)
        return best_step

    def _step(self) -> float:
        settings, policy = self.settings, self.model.policy
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * cosine_with_warmup(self.taken, 0, settings.steps)
        rows = self.rng.choice(self.train, size=settings.batch_size)
        crops = self.rng.integers(0, len(self.embeddings), size=settings.batch_size)
        noise = torch.from_numpy(self.rng.standard_normal((len(rows), settings.latent_dim), dtype=np.float32))
        w, position = flow_noise(policy, len(rows), 1, self.rng, self.first_step_share)
        given = (self.embeddings[crops, rows], self.chunks[rows], noise, w)
        c, actions, noise, w = (each.to(self.device) for each in given)
        k = training_k(position, policy.flow_steps).to(self.device)
        with reduced_precision(self.precision, self.device):
            loss = bottleneck_loss(self.model.bottleneck, policy, c, actions, noise, w, k, settings.beta)
        self.optimizer.zero_grad(set_to_none=True)
        loss.total.backward()
        self.optimizer.step()
        self.taken += 1
        return loss.flow.item()
