"""Eq. (5): the flow's loss through z, plus beta times the KL term, without touching the base policy."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from zprl_core.bottleneck.vib import Bottleneck, kl_to_standard_normal, reparameterise
from zprl_core.gradients import frozen
from zprl_core.policy.base_policy import BasePolicy


class BottleneckLoss(NamedTuple):
    """Scalars of a batch: total = flow + beta * kl, kl in nats."""

    total: Tensor
    flow: Tensor
    kl: Tensor


def bottleneck_loss(
    bottleneck: Bottleneck,
    policy: BasePolicy,
    c: Tensor,
    actions: Tensor,
    noise: Tensor,
    w: Tensor,
    k: Tensor,
    beta: float,
    weights: Tensor | None = None,
) -> BottleneckLoss:
    """Eq. (5) over a batch.

    Args:
        c: (B, c_dim), detached here: no gradient reaches the encoder.
        actions: normalised chunks (B, H, da).
        noise: standard normal (B, dim z), for z. w: (B, n, H, da) and k: (B, n), for the flow.
        weights: (B,), of the samples; None: all 1.
    """
    mean, log_variance = bottleneck.posterior(c.detach())
    c_hat = bottleneck.decode(reparameterise(mean, log_variance, noise))
    with frozen(policy):
        flow = policy.flow_loss(c_hat, actions, w, k)
    kl = kl_to_standard_normal(mean, log_variance)
    if weights is not None:
        flow, kl = flow * weights[:, None], kl * weights
    flow, kl = flow.mean(), kl.mean()
    return BottleneckLoss(flow + beta * kl, flow, kl)  # eq. (5)
