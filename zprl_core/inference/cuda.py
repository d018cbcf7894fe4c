# SPDX-License-Identifier: Apache-2.0
"""An NVIDIA GPU: each camera's encoder is one CUDA graph, and so is the flow."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zprl_core.arithmetic import channels_last
from zprl_core.cuda_graph import Graph
from zprl_core.inference.backend import Backend, BackendError
from zprl_core.policy.unet import ChunkConv

if TYPE_CHECKING:
    from zprl_core.data.observation import Observation
    from zprl_core.policy.base_policy import BasePolicy

PRODUCTS = (nn.Linear, nn.Conv2d, ChunkConv)
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def make(policy: BasePolicy, precision: str, observation: Observation) -> Backend:
    """The policy on the GPU.

    Raises:
        BackendError: there is none, it cannot compute this, or it has too little memory.
    """
    if not torch.cuda.is_available():
        raise BackendError("torch finds no CUDA GPU here")
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise BackendError(f"{torch.cuda.get_device_name()} has no bf16")
    try:
        return Captured(policy, observation, PRECISIONS[precision])
    except RuntimeError as error:  # too little memory among others
        raise BackendError(str(error)) from error


class Captured:
    """Both functions.

    Args:
        policy: is copied. observation: of the shapes that are asked for. dtype: of products; None: float32.
        device: as torch names it. capture: of a function on it, for arguments like these.
    """

    def __init__(
        self,
        policy: BasePolicy,
        observation: Observation,
        dtype: torch.dtype | None,
        device: str = "cuda",
        capture: Callable[[Callable[..., Tensor], Sequence[Tensor]], Callable[..., Tensor]] = Graph,
    ) -> None:
        self.policy, self.device, self.dtype = copy.deepcopy(policy).to(device), device, dtype
        channels_last(self.policy)
        if dtype is not None:
            reduce_products(self.policy, dtype)
        images, _ = observation.batch()
        asked = (torch.zeros(1, policy.c_dim), torch.zeros(1, policy.chunk, policy.action_dim))
        self._embed = {
            name: capture(self._reduced(partial(self.policy.embed, name)), [images[name][:, -1]])
            for name in policy.encoder.cameras
        }
        self._act = capture(self._reduced(self.policy.act), asked)

    def embed(self, camera: str, frame: Tensor) -> Tensor:
        """See `Backend`."""
        return self._embed[camera](frame)

    def act(self, condition: Tensor, w: Tensor) -> Tensor:
        """See `Backend`."""
        return self._act(condition, w)

    def _reduced(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Products in the wanted precision; the result in float32."""

        def run(*given: Tensor) -> Tensor:
            reduced = torch.autocast(
                self.device, self.dtype, enabled=self.dtype is not None, cache_enabled=False
            )
            with torch.no_grad(), reduced:
                return function(*given).float()

        return run


def reduce_products(policy: BasePolicy, dtype: torch.dtype) -> None:
    """Keep the weights of all products in what autocast would otherwise make of them in every call. Between
    the flow's products chunks stay in float32, as on the CPU: it is their rounding that one sees.
    """
    for module in policy.modules():
        if isinstance(module, PRODUCTS):
            module.weight.data = module.weight.data.to(dtype)
    for module in policy.flow.modules():
        if isinstance(module, PRODUCTS):
            module.register_forward_hook(lambda _module, _given, result: result.float())
