# SPDX-License-Identifier: Apache-2.0
"""An NVIDIA GPU: each function is captured once as a CUDA graph, and a call is one launch.

What is replayed is what was captured: the same kernels on the same memory. Nothing is allocated later.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zprl_core.arithmetic import channels_last
from zprl_core.inference.backend import Backend, BackendError

if TYPE_CHECKING:
    from zprl_core.data.observation import Observation
    from zprl_core.policy.base_policy import BasePolicy

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
WARM_UP = 3
"""Calls before a capture: kernels are chosen in the first ones."""


def make(policy: BasePolicy, precision: str, observation: Observation) -> Backend:
    """The policy on the GPU.

    Raises:
        BackendError: there is none, or it has too little memory.
    """
    if not torch.cuda.is_available():
        raise BackendError("torch finds no CUDA GPU here")
    if precision == "bf16" and not torch.cuda.is_bf16_supported():
        raise BackendError(f"{torch.cuda.get_device_name()} has no bf16")
    try:
        return Captured(policy, observation, PRECISIONS[precision])
    except torch.cuda.OutOfMemoryError as error:
        raise BackendError(f"{torch.cuda.get_device_name()} has too little free memory: {error}") from error


class Captured:
    """Both functions as graphs."""

    def __init__(self, policy: BasePolicy, observation: Observation, dtype: torch.dtype | None) -> None:
        self.policy = copy.deepcopy(policy).cuda()
        channels_last(self.policy)
        self.cameras = policy.encoder.cameras
        images, proprio = observation.batch()
        seen = [*(images[name] for name in self.cameras), proprio]
        asked = [torch.zeros(1, policy.c_dim), torch.zeros(1, policy.chunk, policy.action_dim)]
        self._encode = Graph(self._encoded, seen, dtype)
        self._act = Graph(self.policy.act, asked, dtype)

    def _encoded(self, *given: Tensor) -> Tensor:
        *images, proprio = given
        return self.policy.encode(dict(zip(self.cameras, images, strict=True)), proprio)

    def encode(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """See `Backend`."""
        return self._encode(*(images[name] for name in self.cameras), proprio)

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """See `Backend`."""
        return self._act(condition, w)


class Graph:
    """A function of tensors of fixed shapes, captured."""

    def __init__(
        self, function: Callable[..., Tensor], example: Sequence[Tensor], dtype: torch.dtype | None
    ) -> None:
        self._given = [each.cuda() for each in example]
        self._graph = torch.cuda.CUDAGraph()
        beside = torch.cuda.Stream()
        with (
            torch.inference_mode(),
            torch.autocast("cuda", dtype, enabled=dtype is not None, cache_enabled=False),
        ):
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP):
                    function(*self._given)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self._graph):
                self._result = function(*self._given).float()

    def __call__(self, *given: Tensor) -> Tensor:
        """The function's value, in the CPU's memory."""
        with torch.inference_mode():
            for place, each in zip(self._given, given, strict=True):
                place.copy_(each)
            self._graph.replay()
            return self._result.cpu()  # waits for it
