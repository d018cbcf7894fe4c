# SPDX-License-Identifier: Apache-2.0
"""Which implementation computes the frozen policy: the first that is here and agrees with the reference.

A backend is the two functions that take nearly all of the time: the encoder, frame by frame, so that a frame
can be encoded before the last one of its observation is there; and the flow's chunk for a condition. The
reference is `BasePolicy` itself, in float32. Every other backend is compared with it when it is loaded, on
observations of the demonstrations, and is not used where its chunks are too far off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from zprl_core.errors import ZprlError

if TYPE_CHECKING:
    from zprl_core.config.compute import ComputeConfig
    from zprl_core.data.observation import Observation
    from zprl_core.policy.base_policy import BasePolicy

TIMED = 3
"""Looks at the clock, of which the fastest is told."""
Notice = Callable[[str], None]


class BackendError(ZprlError):
    """A backend that cannot be used here: not installed, no such hardware, not enough memory."""


FAILURES = (BackendError, RuntimeError, AttributeError, ImportError)
"""What one that cannot be used may raise: an operator or a module that is missing, too little memory."""


def first_line(problem: Exception) -> str:
    """What it says, without a library's explanations."""
    return str(problem).strip().partition("\n")[0] or type(problem).__name__


class Backend(Protocol):
    """The frozen policy. One observation at a time: B = 1. Tensors come and go in the CPU's memory."""

    def embed(self, camera: str, frame: Tensor) -> Tensor:
        """What the encoder makes of a camera's frame, uint8 (1, h, w, 3), uncropped: (1, embedding)."""
        ...

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """The chunk (1, H, da), physical units, for c or c^ (1, c_dim) and noise w (1, H, da)."""
        ...


def encode(backend: Backend, policy: BasePolicy, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
    """c (1, c_dim) of images {camera: uint8 (1, S, h, w, 3)}, uncropped, and proprio (1, S, dq)."""
    embeddings = {
        name: torch.stack([backend.embed(name, frame) for frame in images[name].unbind(1)], dim=1)
        for name in policy.encoder.cameras
    }
    return policy.condition(embeddings, proprio)


@dataclass(frozen=True)
class Chosen:
    """A backend that agrees.

    Attributes:
        backend: to use. name: of it, with its precision.
        error: largest difference of its chunks from the reference's, in normalised actions.
        seconds: of an observation and a chunk, the fastest of a few.
    """

    backend: Backend
    name: str
    error: float
    seconds: float


def choose(
    policy: BasePolicy, settings: ComputeConfig, observations: Sequence[Observation], notice: Notice
) -> Chosen:
    """The first backend of `settings.backends` that can be had and agrees with the reference.

    Args:
        policy: the reference, in eval mode.
        settings: of the machine.
        observations: to compare on, at least one.
        notice: told in one line of every backend that is passed over, and of the one that is used.
    """
    reference = _answers(policy, policy, observations)
    for name, tolerance, make in candidates(policy, settings, observations[0]):
        try:
            backend = make()
            error = _difference(reference, _answers(backend, policy, observations))
        except FAILURES as problem:
            notice(f"policy backend {name}: {first_line(problem)}; the next is tried")
            continue
        if not error <= tolerance:
            notice(
                f"policy backend {name}: its chunks differ from the reference's by {error:.2g} of the "
                f"normalised range, allowed {tolerance:g}; the next is tried"
            )
            continue
        chosen = Chosen(backend, name, error, _seconds(backend, observations[0], policy))
        break
    else:
        chosen = Chosen(policy, "reference fp32", 0.0, _seconds(policy, observations[0], policy))
    notice(
        f"policy backend {chosen.name}: {chosen.seconds * 1e3:.1f} ms an observation and chunk, "
        f"error {chosen.error:.2g} on {len(observations)} observations"
    )
    return chosen


def candidates(
    policy: BasePolicy, settings: ComputeConfig, observation: Observation
) -> Iterator[tuple[str, float, Callable[[], Backend]]]:
    """Name, tolerance and maker of each, best first; none of them is the reference."""
    from zprl_core.inference import cuda, openvino, packed

    makers = {"cuda": cuda.make, "openvino": openvino.make, "torch": packed.make}
    for name in settings.backends:
        for precision in dict.fromkeys((settings.precision, "fp32")):
            tolerance = settings.tolerance if precision == "fp32" else settings.reduced_tolerance
            yield f"{name} {precision}", tolerance, partial(makers[name], policy, precision, observation)


@torch.inference_mode()
def _answers(backend: Backend, policy: BasePolicy, observations: Sequence[Observation]) -> list[Tensor]:
    """Normalised chunks of every observation, for the same noise."""
    noise = torch.Generator().manual_seed(0)
    answers = []
    for observation in observations:
        w = torch.randn(1, policy.chunk, policy.action_dim, generator=noise)
        c = encode(backend, policy, *observation.batch())
        answers.append(policy.actions(backend.act(c, w)))
    return answers


def _difference(reference: Sequence[Tensor], answers: Sequence[Tensor]) -> float:
    """Largest; not a number where an answer is not finite."""
    return torch.stack([(a - b).abs().max() for a, b in zip(reference, answers, strict=True)]).max().item()


@torch.inference_mode()
def _seconds(backend: Backend, observation: Observation, policy: BasePolicy) -> float:
    taken, w = [], torch.zeros(1, policy.chunk, policy.action_dim)
    for _ in range(TIMED):
        begun = time.perf_counter()
        backend.act(encode(backend, policy, *observation.batch()), w)
        taken.append(time.perf_counter() - begun)
    return min(taken)
