# SPDX-License-Identifier: Apache-2.0
"""A function on an NVIDIA GPU, captured once as a CUDA graph: a call is one launch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the capture: kernels are chosen, and optimisers make their state, in the first ones."""


class Graph:
    """A function of tensors of fixed shapes.

    Args:
        function: from tensors on the GPU to one tensor there. example: what it is given, anywhere. Products
            of float32 are float32's, not TF32's.

    Raises:
        RuntimeError: the function cannot be captured, or the GPU has too little memory.
    """

    def __init__(self, function: Callable[..., Tensor], example: Sequence[Tensor]) -> None:
        self._given = [each.detach().clone().cuda() for each in example]
        self._graph = torch.cuda.CUDAGraph()
        with _full_float32():
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # an optimiser's, that its step is not captured yet
                for _ in range(WARM_UP):
                    function(*self._given)
            torch.cuda.current_stream().wait_stream(beside)
            with torch.cuda.graph(self._graph):
                self._result = function(*self._given)

    @torch.no_grad()
    def __call__(self, *given: Tensor) -> Tensor:
        """The function's value, in the CPU's memory.

        Raises:
            ValueError: a tensor of another shape or type than the example's.
        """
        for place, each in zip(self._given, given, strict=True):
            if place.shape != each.shape or place.dtype != each.dtype:
                raise ValueError(
                    f"the graph was captured for {tuple(place.shape)} {place.dtype}, not for "
                    f"{tuple(each.shape)} {each.dtype}"
                )
            place.copy_(each)
        self._graph.replay()
        return self._result.cpu()  # waits for it


@contextmanager
def _full_float32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
