# SPDX-License-Identifier: Apache-2.0
"""Noise steering: the actor chooses the flow's noise w (DSRL-SAC; Wagenmaker et al., CoRL 2025).

The actor's output, within a box of half width `magnitude` (their `action_magnitude`: 1 on transport, the one
public configuration of DSRL-SAC; 1 to 2.5 with noise aliasing), takes the place of the Gaussian sample of the
whole chunk, and the critic values (c, w). It starts from transitions of the unsteered policy.

Ours differs: their w is cut to the box there, where ours is as it was drawn; SAC's settings are Table V's.
Theirs for transport: two critics of 128-wide layers with layer norm and tanh, one learning rate of 3e-4, a
temperature from 1 towards an entropy of 0 (ours from .01 towards -H da / 2, which explores less), the entropy
in the target, 20 updates for each step of four copies, rewards of -1 and 0. Their horizon is terminal, ours
is bootstrapped over."""

from __future__ import annotations

from torch import Tensor

from zprl_core.policy.base_policy import BasePolicy


class NoiseSteering:
    """Steers w = magnitude * dz, flattened to (B, H * da). Implements `Steering`; `scale` is the magnitude.

    magnitude: half width of w's box; 1 is a standard deviation of the Gaussian sample.
    """

    def __init__(self, policy: BasePolicy, magnitude: float) -> None:
        self.policy, self.scale = policy, magnitude

    @property
    def dim(self) -> int:
        """H * da."""
        return self.policy.chunk * self.policy.action_dim

    def draw(self, c: Tensor, noise: Tensor, w: Tensor) -> Tensor:
        """Zeros: nothing of w is left that a perturbation could be added to."""
        return c.new_zeros(len(c), self.dim)

    def unsteered(self, base: Tensor, w: Tensor) -> Tensor:
        """The Gaussian sample itself."""
        return w.flatten(1)

    def act(self, c: Tensor, steered: Tensor, w: Tensor) -> Tensor:
        """The flow from the chosen noise."""
        return self.policy.act(c, steered.view_as(w))
