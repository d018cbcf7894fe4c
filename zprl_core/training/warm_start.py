"""A cheap start for an attached bottleneck, before eq. (5) finishes it. Ours.

The flow sees c through `condition(c)` alone, the scales and shifts of its blocks. Bringing condition(g(z))
near condition(c) therefore keeps of c what the flow uses, and needs no pass through the flow: a step is many
times cheaper than one of eq. (5). Components are weighed by their spread over the data.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zprl_core.base import BaseModel
from zprl_core.bottleneck.vib import kl_to_standard_normal, reparameterise
from zprl_core.config import BottleneckConfig
from zprl_core.gradients import frozen
from zprl_core.training.pretrain import cosine_with_warmup
from zprl_core.training.progress import Progress, ProgressCallback, silent

MIN_SPREAD = 1e-3
"""Added to the spread of a component, so that one that hardly varies does not dominate."""


def warm_start(
    model: BaseModel,
    settings: BottleneckConfig,
    embeddings: Tensor,
    rng: np.random.Generator,
    progress: ProgressCallback = silent,
) -> None:
    """Train `model.bottleneck` in place; nothing else changes.

    Args:
        model: a finished base policy whose bottleneck knows the moments of c.
        settings: warm_start_steps, learning_rate, batch_size and beta are used.
        embeddings: c to learn from, (N, c_dim). rng: of batches and of z's noise.
        progress: stage "warm start", with the loss.
    """
    steps, device = settings.warm_start_steps, next(model.parameters()).device
    bottleneck, flow = model.bottleneck.requires_grad_(True), model.policy.flow
    with torch.no_grad():
        sample = embeddings[rng.permutation(len(embeddings))[:4096]].to(device)
        spread = flow.condition(sample).std(dim=0, correction=0) + MIN_SPREAD
    optimizer = torch.optim.AdamW(
        bottleneck.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * cosine_with_warmup(step, 0, steps)
        c = embeddings[rng.integers(0, len(embeddings), settings.batch_size)].to(device)
        noise = rng.standard_normal((len(c), settings.latent_dim), dtype=np.float32)
        mean, log_variance = bottleneck.posterior(c)
        c_hat = bottleneck.decode(reparameterise(mean, log_variance, torch.from_numpy(noise).to(device)))
        with frozen(flow):
            near = ((flow.condition(c_hat) - flow.condition(c)) / spread).square().mean()
        loss = near + settings.beta * kl_to_standard_normal(mean, log_variance).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        progress(Progress("warm start", step + 1, steps, {"loss": loss.item()}))
    bottleneck.requires_grad_(False)
