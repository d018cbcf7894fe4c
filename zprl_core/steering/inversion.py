"""Which latent explains a chunk that a person executed? Gradient descent through flow and decoder.

From the plan's own noise w the frozen policy turns z~ into a chunk; the z~ is looked for whose chunk is the
executed one. Whether it was found is measured where it counts, in metres and radians at every waypoint.

Nothing here draws noise or sets torch's threads: the same arguments give the same bits. Steps, rate and
prior are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from zprl_core.actions import ActionCodec

if TYPE_CHECKING:
    from zprl_core.base import BaseModel
    from zprl_core.config.learning import HumanMatchConfig

STEPS = 40
RATE = 0.1
"""Of Adam."""
PRIOR = 0.01
"""Weight of the mean squared distance to the plan's z, beside squared errors in units of their bounds."""
NEAR = 0.5
"""A start is done when no number of its chunk is off by more than this share of its bound."""
HOPELESS = 2.0
"""In units of the bound: where z leads no nearer than this, other starts are not worth their time."""


@dataclass(frozen=True)
class MatchError:
    """Largest difference of two chunks over waypoints and arms, m, rad and m; 0 without a gripper."""

    position_m: float
    rotation_rad: float
    gripper_m: float

    def within(self, bound: HumanMatchConfig) -> bool:
        """Whether none is beyond its bound."""
        return self.shares(bound) <= 1.0

    def shares(self, bound: HumanMatchConfig) -> float:
        """The largest error in units of its bound."""
        return max(
            self.position_m / bound.position_m,
            self.rotation_rad / bound.rotation_rad,
            self.gripper_m / bound.gripper_m,
        )

    def __str__(self) -> str:
        return f"{self.position_m:.4f} m, {self.rotation_rad:.3f} rad, gripper {self.gripper_m:.4f} m"


@dataclass(frozen=True, eq=False)
class Inversion:
    """The best latent that was found.

    z_tilde: float32 (dim z,). error: of its chunk to the executed one. matched: whether that is within the
    bound. steps: gradient steps taken.
    """

    z_tilde: NDArray[np.float32]
    error: MatchError
    matched: bool
    steps: int


def match_error(codec: ActionCodec, planned: ArrayLike, executed: ArrayLike) -> MatchError:
    """How far two chunks (H, da), physical units, lie apart.

    Raises:
        DataError: see `ActionCodec.apart`.
    """
    return MatchError(*[float(each.max(initial=0.0)) for each in codec.apart(planned, executed)])


def number_bounds(codec: ActionCodec, bound: HumanMatchConfig) -> NDArray[np.float32]:
    """The bound of each number of a waypoint, (da,): what an error is measured in while descending."""
    rotation = codec.arm_dim - 3 - int(codec.gripper)
    arm = [bound.position_m] * 3 + [bound.rotation_rad] * rotation + [bound.gripper_m] * int(codec.gripper)
    return np.array(arm * codec.arms, np.float32)


def invert(
    model: BaseModel,
    codec: ActionCodec,
    bound: HumanMatchConfig,
    c: NDArray[np.float32],
    z: NDArray[np.float32],
    w: NDArray[np.float32],
    executed: ArrayLike,
    noise: NDArray[np.float32],
) -> Inversion:
    """Look for the z~ whose chunk is the executed one: from z, then from draws of p(z|c) if that came near.

    Args:
        model: frozen.
        codec: of the task's actions.
        bound: of a match.
        c, z, w: (c_dim,), (dim z,) and (H, da) of the plan.
        executed: (H, da), physical units.
        noise: standard normal (n, dim z), for n further starts.

    Raises:
        DataError: executed is not finite or has another shape.
    """
    target = codec.check(executed)
    descent = _Descent(model, codec, bound, c, z, w, target)
    start = torch.from_numpy(z)[None]
    best = descent.run(start)
    if best.matched or best.error.shares(bound) > HOPELESS or not len(noise):
        return best
    with torch.no_grad():
        starts = model.bottleneck.sample(descent.c.expand(len(noise), -1), torch.from_numpy(noise))
    other = descent.run(starts)
    nearer = min(best, other, key=lambda found: found.error.shares(bound))
    return Inversion(nearer.z_tilde, nearer.error, nearer.matched, best.steps + other.steps)


class _Descent:
    """Adam on some starts (n, dim z) at once, each with its own loss."""

    def __init__(
        self,
        model: BaseModel,
        codec: ActionCodec,
        bound: HumanMatchConfig,
        c: NDArray[np.float32],
        z: NDArray[np.float32],
        w: NDArray[np.float32],
        target: NDArray[np.float64],
    ) -> None:
        self._model, self._codec, self._bound, self._target = model, codec, bound, target
        self.c, self._z, self._w = (torch.from_numpy(array)[None] for array in (c, z, w))
        self._wanted = torch.from_numpy(target.astype(np.float32))
        self._unit = torch.from_numpy(number_bounds(codec, bound))

    def run(self, starts: Tensor) -> Inversion:
        """Descend until a start is near, or the steps are used up; the best start counts."""
        with torch.enable_grad():
            z = starts.clone().requires_grad_(True)
            adam = torch.optim.Adam([z], lr=RATE)
            steps = 0
            while steps < STEPS:
                off = (self._chunks(z) - self._wanted) / self._unit
                if off.detach().abs().amax(dim=(1, 2)).min() < NEAR:
                    break
                loss = off.square().mean(dim=(1, 2)) + PRIOR * (z - self._z).square().mean(dim=1)
                (z.grad,) = torch.autograd.grad(loss.sum(), z)
                adam.step()
                steps += 1
        return self._best(z.detach(), steps)

    @torch.no_grad()
    def _best(self, z: Tensor, steps: int) -> Inversion:
        errors = [match_error(self._codec, chunk, self._target) for chunk in self._chunks(z).numpy()]
        best = min(range(len(errors)), key=lambda i: errors[i].shares(self._bound))
        error = errors[best]
        return Inversion(z[best].numpy().copy(), error, error.within(self._bound), steps)

    def _chunks(self, z: Tensor) -> Tensor:
        return self._model.policy.act(self._model.bottleneck.decode(z), self._w.expand(len(z), -1, -1))
