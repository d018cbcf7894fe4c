"""Our U-Net in torch's own layers, beside the public design."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zprl_core.policy.unet import ChunkConv, ChunkUNet, ConvNormSiLU, FilmBlock, Level


def convolved(x: Tensor, conv: ChunkConv) -> Tensor:
    """Our convolution by torch's, on (B, C, T)."""
    outputs = conv.weight.shape[1]
    weight = conv.weight.view(conv.kernel, -1, outputs).permute(2, 1, 0)
    return F.conv1d(x, weight, conv.bias, stride=conv.stride, padding=conv.kernel // 2)


def ours_by_torch(net: ChunkUNet, a_k: Tensor, k: Tensor, c: Tensor) -> Tensor:
    """What `ChunkUNet` computes, with torch's convolutions on (B, C, T)."""

    def block(x: Tensor, part: ConvNormSiLU) -> Tensor:
        return F.silu(
            F.group_norm(convolved(x, part.conv), part.norm.num_groups, part.norm.weight, part.norm.bias)
        )

    def film(x: Tensor, part: FilmBlock) -> Tensor:
        scale, shift = films.pop(0)[:, :, None].chunk(2, dim=1)
        h = block(x, part.first) * (1.0 + scale) + shift
        shortcut = part.shortcut
        straight = (
            F.conv1d(x, shortcut.weight[:, :, None], shortcut.bias) if isinstance(shortcut, nn.Linear) else x
        )
        return block(h, part.second) + straight

    def level(x: Tensor, part: Level) -> Tensor:
        return film(film(x, part.first), part.second)

    told = net.film_condition(c) + net.film_step(F.silu(net.embed_step(k)))
    films, skips = list(told.split(net.film_sizes, dim=1)), []
    x = ((1.0 - k)[:, None, None] * a_k).transpose(1, 2)
    for index, part in enumerate(net.down):
        x = level(x, part)
        if index < len(net.downsample):
            skips.append(x)
            x = convolved(x, net.downsample[index])
    x = level(x, net.middle)
    for upsample, part in zip(net.upsample, net.up, strict=True):
        skip = skips.pop()
        doubled = F.conv1d(x, upsample.weight[:, :, None], upsample.bias)  # (B, 2 C, T): two steps for each
        pair = doubled.view(x.shape[0], 2, -1, x.shape[2]).permute(0, 2, 3, 1)
        x = level(torch.cat([pair.flatten(2)[:, :, : skip.shape[2]], skip], dim=1), part)
    head, out = net.head[0], net.head[1]
    return a_k + F.conv1d(block(x, head), out.weight[:, :, None], out.bias).transpose(1, 2)


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())
