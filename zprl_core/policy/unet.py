"""The velocity field v(a^k, k, c): a 1-D U-Net along the action chunk with FiLM conditioning.

The shape follows Diffusion Policy's conditional U-Net (Chi et al. 2023): two residual blocks a level,
GroupNorm, every block scaled and shifted by (k, c). What differs, mostly for CPUs:
 - SiLU instead of Mish, whose gradient torch does not vectorise (half of a training step's time);
 - activations are (B, T, C), and a convolution is one matrix product over the taps that overlap the chunk.
   Chunks are short (2 to 24 steps): after two halvings most taps of a wide kernel would meet padding only;
 - the scales and shifts of all blocks come from one perceptron on c plus one product with the embedding of
   k, so that c's share is computed once for all integration steps and noise samples of an observation. There,
   c meets a linear layer first: an activation on c itself would fold negative proprioception onto itself;
 - lengths are halved with rounding up, and the way back is cut to the skip's length: any chunk length works.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ChunkConv(nn.Module):
    """Convolution along T with zero padding: (B, T, C_in) -> (B, ceil(T / stride), C_out). Odd kernels."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel_size must be odd, not {kernel}")
        self.kernel, self.stride = kernel, stride
        bound = 1.0 / math.sqrt(channels_in * kernel)
        self.weight = nn.Parameter(torch.empty(kernel * channels_in, channels_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(channels_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """The convolved chunk."""
        flat = torch.addmm(self.bias, self.columns(x), self.taps(x.shape[1]))
        return flat.view(x.shape[0], self.steps(x.shape[1]), -1)

    def steps(self, length: int) -> int:
        """Of the output of an input of this length."""
        return (length + self.stride - 1) // self.stride

    def reach(self, length: int) -> int:
        """Taps to each side that are of use: those further out than this meet padding only."""
        return min(self.kernel // 2, length - 1)

    def taps(self, length: int) -> Tensor:
        """The weights of those taps, (taps * C_in, C_out)."""
        unused = (self.kernel // 2 - self.reach(length)) * (self.weight.shape[0] // self.kernel)
        return self.weight[unused : self.weight.shape[0] - unused]

    def columns(self, x: Tensor) -> Tensor:
        """What meets them, (B * steps, taps * C_in)."""
        batch, length, _ = x.shape
        reach, steps = self.reach(length), self.steps(length)
        span = (steps - 1) * self.stride + 1
        padded = F.pad(x, (0, 0, reach, reach)) if reach else x
        taps = [padded[:, j : j + span : self.stride] for j in range(2 * reach + 1)]
        columns = torch.cat(taps, dim=2) if reach else taps[0]
        return columns.reshape(batch * steps, -1)


class Pointwise(nn.Linear):
    """A linear layer on (B, T, C), as one product: torch may copy the weights B times otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C_in) -> (B, T, C_out)."""
        return super().forward(x.reshape(-1, x.shape[2])).view(x.shape[0], x.shape[1], -1)


class ConvNormSiLU(nn.Module):
    """Convolution, GroupNorm, SiLU on (B, T, C)."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.conv = ChunkConv(channels_in, channels_out, kernel)
        self.norm = nn.GroupNorm(groups, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C_in) -> (B, T, C_out)."""
        # As an image (B, C, T, 1) in channels-last memory, which GroupNorm takes without a copy.
        image = self.conv(x).transpose(1, 2).unsqueeze(3)
        return F.silu(self.norm(image)).squeeze(3).transpose(1, 2)


class FilmBlock(nn.Module):
    """Residual block whose middle is scaled and shifted: h * (1 + scale) + shift."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.channels = channels_out
        self.first = ConvNormSiLU(channels_in, channels_out, kernel, groups)
        self.second = ConvNormSiLU(channels_out, channels_out, kernel, groups)
        same = channels_in == channels_out
        self.shortcut = nn.Identity() if same else Pointwise(channels_in, channels_out)

    def forward(self, x: Tensor, film: Tensor) -> Tensor:
        """x (B, T, C_in), film (B, 2 * C_out) -> (B, T, C_out)."""
        scale, shift = film.unsqueeze(1).chunk(2, dim=2)
        h = torch.addcmul(shift, self.first(x), scale + 1.0)
        return self.second(h) + self.shortcut(x)


class Level(nn.Module):
    """Two blocks in a row, each with its own scales and shifts."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.first = FilmBlock(channels_in, channels_out, kernel, groups)
        self.second = FilmBlock(channels_out, channels_out, kernel, groups)

    def forward(self, x: Tensor, films: Iterator[Tensor]) -> Tensor:
        """(B, T, C_in) -> (B, T, C_out); takes two items from films."""
        return self.second(self.first(x, next(films)), next(films))


class StepEmbedding(nn.Module):
    """Sinusoidal embedding of k in [0, 1] and a two-layer perceptron: (B,) -> (B, size)."""

    frequencies: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        half = size // 2
        frequencies = torch.exp(-math.log(10000.0) * torch.arange(half) / max(half - 1, 1))
        self.register_buffer("frequencies", frequencies * 100.0, persistent=False)
        self.mlp = nn.Sequential(nn.Linear(2 * half, size * 4), nn.SiLU(), nn.Linear(size * 4, size))

    def forward(self, k: Tensor) -> Tensor:
        """The embedding (B, size)."""
        angle = k[:, None].float() * self.frequencies
        return self.mlp(torch.cat([angle.sin(), angle.cos()], dim=1))


class ChunkUNet(nn.Module):
    """v(a^k, k, c) on normalised action chunks: a^k plus what the levels make of (1 - k) a^k, k and c.

    Scaling the input and adding it to the output are ours. At k = 1, where the two-step sampler takes its
    decisive step, a^k is pure noise: nothing of it enters the levels, and what is left to learn is -E[a|c].

    Args:
        action_dim: per step, da.
        c_dim: of the condition.
        widths: channels per level, e.g. (128, 256, 512).
        step_embedding: size of the embedding of k.
        kernel: odd kernel size. groups: of GroupNorm, must divide every width.
    """

    def __init__(
        self,
        action_dim: int,
        c_dim: int,
        widths: Sequence[int] = (128, 256, 512),
        step_embedding: int = 128,
        kernel: int = 5,
        groups: int = 8,
    ) -> None:
        super().__init__()
        if any(width % groups for width in widths):
            raise ValueError(f"groups = {groups} must divide every one of unet_widths = {tuple(widths)}")

        def level(channels_in: int, channels_out: int) -> Level:
            return Level(channels_in, channels_out, kernel, groups)

        inputs, deepest = [action_dim, *widths[:-1]], widths[-1]
        self.down = nn.ModuleList(level(i, o) for i, o in zip(inputs, widths, strict=True))
        self.downsample = nn.ModuleList(ChunkConv(width, width, 3, stride=2) for width in widths[:-1])
        self.middle = level(deepest, deepest)
        self.upsample = nn.ModuleList(Pointwise(width, 2 * width) for width in reversed(widths[1:]))
        self.up = nn.ModuleList(
            level(deep + skip, skip)
            for deep, skip in zip(reversed(widths[1:]), reversed(widths[:-1]), strict=True)
        )
        self.head = nn.Sequential(
            ConvNormSiLU(widths[0], widths[0], kernel, groups), Pointwise(widths[0], action_dim)
        )
        blocks = [m for m in self.modules() if isinstance(m, FilmBlock)]
        self.film_sizes = [2 * m.channels for m in blocks]
        self.embed_step = StepEmbedding(step_embedding)
        self.film_step = nn.Linear(step_embedding, sum(self.film_sizes), bias=False)
        self.film_condition = nn.Sequential(
            nn.Linear(c_dim, 2 * step_embedding),
            nn.SiLU(),
            nn.Linear(2 * step_embedding, sum(self.film_sizes)),
        )

    def condition(self, c: Tensor) -> Tensor:
        """c's share of all scales and shifts, (B, c_dim) -> (B, F): once per observation."""
        return self.film_condition(c)

    def forward(self, a_k: Tensor, k: Tensor, condition: Tensor) -> Tensor:
        """Velocity (B, H, da) at a^k (B, H, da), k (B,), condition (B, F) from `condition`."""
        film = condition + self.film_step(F.silu(self.embed_step(k)))
        films = iter(film.split(self.film_sizes, dim=1))
        x, skips = (1.0 - k)[:, None, None] * a_k, []
        for index, level in enumerate(self.down):
            x = level(x, films)
            if index < len(self.downsample):
                skips.append(x)
                x = self.downsample[index](x)
        x = self.middle(x, films)
        for upsample, level in zip(self.upsample, self.up, strict=True):
            skip = skips.pop()
            x = upsample(x).view(x.shape[0], -1, x.shape[2])[:, : skip.shape[1]]
            x = level(torch.cat([x, skip], dim=2), films)
        return a_k + self.head(x)
