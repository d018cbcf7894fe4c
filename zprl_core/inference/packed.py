# SPDX-License-Identifier: Apache-2.0
"""Torch on a CPU, with weights laid out once as oneDNN wants them.

Torch's own layers lay out the weights again in every call. That costs more than the product where a layer is
wide and its input small: the deep half of ResNet-18, and the whole U-Net. The layout depends on the shape of
the input, so that a packed network answers for one shape only. The operators are those that torch's own
compiler emits (`torch._inductor.mkldnn_fusion`). They are not documented, which is one reason why every
backend is compared with the reference before it is used.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from zprl_core.inference.backend import Backend, BackendError, encode
from zprl_core.policy.unet import ChunkConv, Pointwise

if TYPE_CHECKING:
    from zprl_core.data.observation import Observation
    from zprl_core.policy.base_policy import BasePolicy

Network = TypeVar("Network", bound=nn.Module)
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@torch.inference_mode()
def make(policy: BasePolicy, precision: str, observation: Observation) -> Backend:
    """The policy with packed layers.

    Raises:
        BackendError: torch or this CPU cannot.
    """
    if not torch.backends.mkldnn.is_available():
        raise BackendError("this build of torch has no oneDNN")
    if precision not in PRECISIONS:
        raise BackendError(f"a CPU computes in {' or '.join(PRECISIONS)}, not in {precision}")
    if precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        raise BackendError("this CPU has no instructions for bf16")
    w = torch.zeros(1, policy.chunk, policy.action_dim)
    seen = observation.batch()
    mine = packed(policy, lambda net: net.act(encode(net, net, *seen), w), PRECISIONS[precision])
    for module in mine.encoder.modules():
        if isinstance(module, nn.GroupNorm):
            module.to(PRECISIONS[precision])
    return mine


class PackedLinear(nn.Module):
    """x (N, K) -> (N, M), for one N."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.bias = dtype, None if bias is None else bias.detach().to(dtype)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().to(dtype).contiguous(), rows)

    def forward(self, x: Tensor) -> Tensor:
        """The product, as x: between the products of bf16 chunks and vectors stay in float32."""
        y = torch.ops.mkldnn._linear_pointwise(x.to(self.dtype), self.weight, self.bias, "none", [], "")
        return y.to(x.dtype)


class PackedRows(nn.Module):
    """A linear layer on (B, T, C), as one product."""

    def __init__(self, linear: Pointwise, shape: torch.Size, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = PackedLinear(linear.weight, linear.bias, shape[0] * shape[1], dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C_out)."""
        return self.linear(x.reshape(-1, x.shape[2])).view(x.shape[0], x.shape[1], -1)


class PackedChunkConv(nn.Module):
    """`ChunkConv` on chunks of one length."""

    def __init__(self, conv: ChunkConv, shape: torch.Size, dtype: torch.dtype) -> None:
        super().__init__()
        batch, length, _ = shape
        self.conv, self.steps = conv, conv.steps(length)
        self.linear = PackedLinear(conv.taps(length).t(), conv.bias, batch * self.steps, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """The convolved chunk."""
        return self.linear(self.conv.columns(x)).view(x.shape[0], self.steps, -1)


class PackedConv2d(nn.Module):
    """A convolution of images of one shape, in channels-last memory."""

    def __init__(self, conv: nn.Conv2d, shape: torch.Size, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.bias = dtype, None if conv.bias is None else conv.bias.detach().to(dtype)
        self.how = ([*conv.padding], [*conv.stride], [*conv.dilation], conv.groups)
        weight = conv.weight.detach().to(dtype).to_mkldnn()
        lay_out: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
        self.weight = lay_out(weight, *self.how, list(shape))

    def forward(self, x: Tensor) -> Tensor:
        """The convolved images. In bf16 they stay so until the last layer of the encoder."""
        return torch.ops.mkldnn._convolution_pointwise(
            x.to(self.dtype), self.weight, self.bias, *self.how, "none", [], ""
        )


def packed(network: Network, run: Callable[[Network], object], dtype: torch.dtype) -> Network:
    """A copy of the network with packed layers, for the shapes that they are given in `run(network)`."""
    shapes: dict[str, torch.Size] = {}

    def remember(name: str, given: tuple[Tensor, ...]) -> None:
        shapes[name] = given[0].shape

    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: remember(name, given))
        for name, module in network.named_modules()
        if type(module) in _PACKED
    ]
    try:
        run(network)
    finally:
        for hook in hooks:
            hook.remove()
    mine = copy.deepcopy(network)
    for name, shape in shapes.items():
        parent, _, child = name.rpartition(".")
        layer = mine.get_submodule(name)
        setattr(mine.get_submodule(parent), child, _PACKED[type(layer)](layer, shape, dtype))
    return mine


def _linear(linear: nn.Linear, shape: torch.Size, dtype: torch.dtype) -> PackedLinear:
    return PackedLinear(linear.weight, linear.bias, shape.numel() // shape[-1], dtype)


_PACKED: dict[type[nn.Module], Any] = {
    nn.Linear: _linear,
    Pointwise: PackedRows,
    ChunkConv: PackedChunkConv,
    nn.Conv2d: PackedConv2d,
}
