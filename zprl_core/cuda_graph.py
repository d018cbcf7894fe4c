# SPDX-License-Identifier: Apache-2.0
"""A function on an NVIDIA GPU, captured once as a CUDA graph: a call is one launch, and allocates nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the capture: kernels are chosen, and optimisers make their state, in the first ones."""


class Graph:
    """A function of tensors of fixed shapes.

    Args:
        function: from tensors on the GPU to one tensor there. example: what it is given, anywhere.

    Raises:
        RuntimeError: the function cannot be captured, or the GPU has too little memory.
    """

    def __init__(self, function: Callable[..., Tensor], example: Sequence[Tensor]) -> None:
        self._given = [each.cuda() for each in example]
        self._graph = torch.cuda.CUDAGraph()
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                function(*self._given)
        torch.cuda.current_stream().wait_stream(beside)
        with torch.cuda.graph(self._graph):
            self._result = function(*self._given)

    @torch.no_grad()
    def __call__(self, *given: Tensor) -> Tensor:
        """The function's value, in the CPU's memory."""
        for place, each in zip(self._given, given, strict=True):
            place.copy_(each, non_blocking=True)
        self._graph.replay()
        return self._result.cpu()  # waits for it
