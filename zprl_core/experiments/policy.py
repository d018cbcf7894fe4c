# SPDX-License-Identifier: Apache-2.0
"""A frozen base policy that is steered, for many episodes at a time.

Every draw is a function of (seed, episode, chunk), as on a robot: how episodes are spread over copies and
processes changes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zprl_core import noise
from zprl_core.base import BaseModel
from zprl_core.errors import DataError
from zprl_core.experiments.environments.protocol import Observation
from zprl_core.experiments.rollouts import Moved, Rollouts, Slot
from zprl_core.experiments.stopwatch import Stopwatch
from zprl_core.noise import Stream
from zprl_core.rl.actor import Actor
from zprl_core.steering.protocol import Steering

Array = NDArray[np.float32]
At = tuple[int, int]
"""An episode and a chunk in it."""
Mode = Literal["base", "explore", "steer"]


@dataclass(frozen=True, eq=False)
class Place:
    """Where a chunk is to be planned: c (c_dim,) and base (dim,) are what SAC sees."""

    episode: int
    chunk: int
    c: Array
    base: Array


@dataclass(frozen=True, eq=False)
class Executed:
    """A chunk from plan to end: planned at `before`, from what was `chosen`; `after` lies behind it."""

    before: Place
    chosen: Array
    moved: Moved
    after: Place


class Planner(Protocol):
    """What an episode needs of a policy."""

    def look(self, slots: Collection[Slot]) -> dict[int, Place]:
        """What is seen in each slot, {copy: place}."""
        ...

    def plan(self, places: Sequence[Place], modes: Sequence[Mode]) -> tuple[Array, Array]:
        """What was chosen, (n, any), and the chunks that it makes, (n, H, da), physical units."""
        ...


class SteeredPolicy:
    """Plans chunks for a batch of places.

    Args:
        model: the frozen base. steering: where it is steered. actor: of this steering, may go on learning.
            All are on one device.
        seed: of the run.
    """

    def __init__(self, model: BaseModel, steering: Steering, actor: Actor, seed: int) -> None:
        self.model, self.steering, self.actor, self.seed = model, steering, actor, seed
        self.device = model.bottleneck.c_mean.device

    @torch.inference_mode()
    def look(self, slots: Collection[Slot]) -> dict[int, Place]:
        """Encode what is seen and draw the unperturbed base, {copy: place}."""
        if not slots:
            return {}
        c = encode(self.model, [slot.observation for slot in slots])
        at = [(slot.episode, slot.chunk) for slot in slots]
        latent = self._normal(at, Stream.LATENT, (self.model.bottleneck.latent_dim,))
        seen = (each.cpu().numpy() for each in (c, self.steering.draw(c, latent, self._w(at))))
        places = [Place(*where, *row) for where, row in zip(at, zip(*seen, strict=True), strict=True)]
        return {slot.copy: place for slot, place in zip(slots, places, strict=True)}

    @torch.inference_mode()
    def plan(self, places: Sequence[Place], modes: Sequence[Mode]) -> tuple[Array, Array]:
        """What each base becomes, (n, dim), and its chunk, (n, H, da), physical units.

        Args:
            places: n of them.
            modes: "base" is not steered, "explore" draws dz, "steer" takes tanh(mean).
        """
        at = [(each.episode, each.chunk) for each in places]
        c = self._tensor([each.c for each in places])
        base = self._tensor([each.base for each in places])
        w, standard = self._w(at), self.model.bottleneck.standardise(c)
        explored, _ = self.actor.sample(
            standard, base, self._normal(at, Stream.PERTURBATION, (self.steering.dim,))
        )
        dz = _where(modes, "steer", self.actor.mean(standard, base), explored)
        steered = base + self.steering.scale * dz  # eq. (7)
        steered = _where(modes, "base", self.steering.unsteered(base, w), steered)
        return steered.cpu().numpy(), self.steering.act(c, steered, w).cpu().numpy()

    def _w(self, at: Sequence[At]) -> Tensor:
        policy = self.model.policy
        return self._normal(at, Stream.FLOW, (policy.chunk, policy.action_dim))

    def _normal(self, at: Sequence[At], stream: Stream, shape: tuple[int, ...]) -> Tensor:
        return normal(self.seed, at, stream, shape).to(self.device)

    def _tensor(self, rows: Sequence[Array]) -> Tensor:
        return torch.from_numpy(np.stack(rows)).to(self.device)


def episodes(
    policy: Planner, rollouts: Rollouts, mode: Callable[[Place], Mode], watch: Stopwatch
) -> Iterator[list[Executed]]:
    """Run the rollouts; yields the chunks of all copies after each step, until no episode is left.

    Args:
        policy, rollouts: of one task; the policy may learn between steps.
        mode: of each chunk. watch: takes the time of "inference", "environment" and "observation".
    """
    with watch.spending("inference"):
        seen: Mapping[int, Place] = policy.look(rollouts.slots.values())
    while seen:
        places = list(seen.values())
        with watch.spending("inference"):
            chosen, actions = policy.plan(places, [mode(place) for place in places])
        if not np.isfinite(actions).all():
            row = int(np.argmin(np.isfinite(actions).all(axis=(1, 2))))
            at = f"chunk {places[row].chunk} of episode {places[row].episode}"
            raise DataError(f"{at} is not finite: the networks have diverged; lower the rates or the scale")
        with watch.spending("environment"):
            moved = rollouts.step(dict(zip(seen, actions, strict=True)))
        watch.move("environment", "observation", rollouts.observe_s(moved))
        with watch.spending("inference"):
            after = policy.look([each.slot for each in moved])
            begun = policy.look([slot for slot in rollouts.slots.values() if slot.chunk == 0])
        planned = dict(zip(seen, chosen, strict=True))
        outcomes = {each.slot.copy: each for each in moved}
        yield [Executed(seen[copy], planned[copy], each, after[copy]) for copy, each in outcomes.items()]
        seen = {copy: (begun.get(copy) or after[copy]) for copy in rollouts.slots}


def encode(model: BaseModel, observations: Sequence[Observation]) -> Tensor:
    """c (n, c_dim) of n observations, on the model's device."""
    device = model.bottleneck.c_mean.device
    proprio = torch.from_numpy(np.stack([each.proprio for each in observations]))[:, None].to(device)
    images = {
        name: torch.from_numpy(np.stack([each.images[name] for each in observations]))[:, None].to(device)
        for name in observations[0].images
    }
    return model.policy.encode(images, proprio)


def normal(seed: int, at: Sequence[At], stream: Stream, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers (n, *shape) of n places (episode, chunk)."""
    drawn = [noise.normal(seed, episode, chunk, stream, shape) for episode, chunk in at]
    return torch.from_numpy(np.stack(drawn))


def _where(modes: Sequence[Mode], wanted: Mode, value: Tensor, other: Tensor) -> Tensor:
    chosen = torch.tensor([mode == wanted for mode in modes], device=value.device)
    return torch.where(chosen[:, None], value, other)
