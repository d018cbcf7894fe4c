"""ResNet-18 with GroupNorm, from scratch (He et al. 2016; Wu and He 2018).

The paper's image encoder is "a ResNet-18 encoder trained from scratch followed by a linear projection".
`base_width` (64 in the paper) and `pooling` are ours: a demo on two CPU cores uses width 16, and keeping
the last map's layout ("flatten") instead of averaging it away is worth a lot when positions matter.
"""

from __future__ import annotations

from torch import Tensor, nn

STAGES = 4
BLOCKS_PER_STAGE = 2
CHANNELS_PER_GROUP = 16


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with 16 channels a group, at least one group."""
    return nn.GroupNorm(max(1, channels // CHANNELS_PER_GROUP), channels)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut. (B, C_in, h, w) -> (B, C_out, ceil(h/stride), ceil(w/stride))."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = group_norm(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = group_norm(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), group_norm(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.relu(y + self.shortcut(x))


def feature_map_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the last feature map: five halvings, each rounded up."""
    for _ in range(5):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


class ResNet18(nn.Module):
    """Images to embeddings.

    Args:
        height, width: of the (cropped) input image, in pixels.
        embedding: size of the output, 256 in the paper.
        base_width: channels of the first stage; the last has eight times as many.
        pooling: "average" (global average) or "flatten" (the whole last map goes into the projection).

    Input float (B, 3, height, width) in [-1, 1], best in channels-last memory. Output (B, embedding).
    """

    def __init__(self, height: int, width: int, embedding: int, base_width: int, pooling: str) -> None:
        super().__init__()
        if pooling not in ("average", "flatten"):
            raise ValueError(f"pooling must be 'average' or 'flatten', not {pooling!r}")
        self.stem = nn.Sequential(
            nn.Conv2d(3, base_width, 7, 2, 3, bias=False),
            group_norm(base_width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        )
        self.stages = nn.Sequential(*self._blocks(base_width))
        last = base_width * 2 ** (STAGES - 1)
        rows, columns = feature_map_size(height, width)
        features = last * rows * columns if pooling == "flatten" else last
        self.pooling = pooling
        self.projection = nn.Linear(features, embedding)
        self._initialise()

    @staticmethod
    def _blocks(base_width: int) -> list[BasicBlock]:
        blocks, channels = [], base_width
        for stage in range(STAGES):
            width = base_width * 2**stage
            for block in range(BLOCKS_PER_STAGE):
                blocks.append(BasicBlock(channels, width, 2 if stage > 0 and block == 0 else 1))
                channels = width
        return blocks

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, embedding)."""
        features = self.stages(self.stem(images))
        if self.pooling == "average":
            return self.projection(features.mean(dim=(2, 3)))
        return self.projection(features.flatten(1))
