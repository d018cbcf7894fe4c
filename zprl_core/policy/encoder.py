"""The observation encoder c = E(o): images of every camera and step, then proprioception (appendix).

Observation contract, B samples, S observation steps (1 to 3, oldest first):
    images    {camera: uint8 (B, S, crop_height, crop_width, 3)}, RGB, already cropped
    proprio   float32 (B, S, dq), normalised
    c         float32 (B, S * (cameras * embedding + dq)): all images step by step, then all proprioception
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from zprl_core.policy.resnet import ResNet18

if TYPE_CHECKING:
    from zprl_core.config import CameraView


def images_to_float(images: Tensor) -> Tensor:
    """uint8 (B, h, w, 3) in [0, 255] to float32 (B, 3, h, w) in [-1, 1], in channels-last memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).mul_(1.0 / 127.5).sub_(1.0)


def centre_crop(images: Tensor, height: int, width: int) -> Tensor:
    """The middle of images (..., h, w, 3), a view."""
    top, left = (images.shape[-3] - height) // 2, (images.shape[-2] - width) // 2
    return images[..., top : top + height, left : left + width, :]


class ObservationEncoder(nn.Module):
    """E: one ResNet-18 per camera (own weights, shared over the observation steps)."""

    def __init__(
        self,
        cameras: Sequence[CameraView],
        steps: int,
        proprio_dim: int,
        embedding: int = 256,
        base_width: int = 64,
        pooling: str = "average",
    ) -> None:
        super().__init__()
        self.cameras = tuple(camera.name for camera in cameras)
        self.crops = {camera.name: (camera.crop_height, camera.crop_width) for camera in cameras}
        self.steps = steps
        self.proprio_dim = proprio_dim
        self.embedding = embedding
        self.backbones = nn.ModuleList(
            ResNet18(camera.crop_height, camera.crop_width, embedding, base_width, pooling)
            for camera in cameras
        )

    @property
    def c_dim(self) -> int:
        """Length of c."""
        return self.steps * (len(self.cameras) * self.embedding + self.proprio_dim)

    def crop_centre(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Centre crops of {camera: uint8 (B, S, h, w, 3)}, as deployment sees them."""
        return {name: centre_crop(images[name], *self.crops[name]) for name in self.cameras}

    def forward(self, images: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c, float32 (B, c_dim), of cropped images and normalised proprioception (module docstring)."""
        shape = (proprio.shape[0], self.steps, self.embedding)
        embeddings = {name: self.embed(name, images[name].flatten(0, 1)).view(shape) for name in self.cameras}
        return self.join(embeddings, proprio)

    def embed(self, camera: str, frames: Tensor) -> Tensor:
        """Embeddings (n, embedding), float32, of one camera's cropped frames (n, h, w, 3)."""
        backbone = self.backbones[self.cameras.index(camera)]
        return backbone(images_to_float(frames)).float()

    def join(self, embeddings: Mapping[str, Tensor], proprio: Tensor) -> Tensor:
        """c of embeddings {camera: (B, S, embedding)} and normalised proprioception (B, S, dq)."""
        seen = [embeddings[name] for name in self.cameras]
        parts = [torch.stack(seen, dim=2).flatten(1)] if seen else []
        return torch.cat([*parts, proprio.flatten(1)], dim=1)
